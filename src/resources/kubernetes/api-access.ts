/**
 * How the API server is reached and who we are there: from the files of a pod's service account, or from a kubeconfig. What is read from files
 * is read again, since tokens and certificates are rotated in place.
 *
 * `@kubernetes/client-node` reads kubeconfigs, with their exec plugins; it is loaded only for these, because it takes 80 MB and half a second.
 */
import { readFile } from 'node:fs/promises'
import type { RequestOptions } from 'node:https'
import { isIPv6 } from 'node:net'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { GatewayError, messageOf } from '#errors.ts'
import type { Clock, Milliseconds, Timestamp } from '#lib/clock.ts'
import { singleFlight } from '#lib/single-flight.ts'

/** PEM. Without `ca` the system's authorities count. */
export interface ApiTls {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
  readonly servername?: string
}

export interface ApiConnection {
  /** `https://10.96.0.1:443`. */
  readonly origin: string
  /** In front of every path; `''` for most servers. */
  readonly prefix: string
  /** The same object as long as nothing in it has changed. */
  readonly tls: ApiTls
  /** A function, so that a connection that is printed shows no token. */
  readonly headers: () => Readonly<Record<string, string>>
}

export interface ApiAccess {
  /** Throws `store_unavailable` when files can't be read, `invalid_settings` when they can't be used. */
  current(): Promise<ApiConnection>
  /** The server has refused what `current` gave: the files are read at once the next time. */
  renew(): void
}

/** Kubernetes replaces a token after 80 % of its life, an hour at least: so it is used long before the old one ends. */
const readAgainAfter: Milliseconds = 10_000

export interface InClusterOptions {
  /** `KUBERNETES_SERVICE_HOST` and `KUBERNETES_SERVICE_PORT`. */
  readonly host: string
  readonly port: string
  /** Holds `token`, `ca.crt`, `namespace`. */
  readonly folder?: string
  readonly clock: Clock
}

export const serviceAccountFolder = '/var/run/secrets/kubernetes.io/serviceaccount'

export function inClusterAccess(options: InClusterOptions): ApiAccess {
  const { host, port, folder = serviceAccountFolder, clock } = options
  const origin = `https://${isIPv6(host) ? `[${host}]` : host}:${port}`
  return cached(clock, async () => {
    const [ca, token] = await Promise.all([
      readFile(join(folder, 'ca.crt'), 'utf8'),
      readFile(join(folder, 'token'), 'utf8'),
    ])
    const authorization = `Bearer ${token.trim()}`
    return { origin, prefix: '', tls: { ca }, headers: () => ({ authorization }) }
  })
}

/** The current context of a kubeconfig. One that turns off the verification of certificates, or speaks plain HTTP, is refused. */
export function kubeconfigAccess(options: { file: string; clock: Clock }): ApiAccess {
  let known: { readonly text: string; readonly read: () => Promise<ApiConnection> } | undefined
  const access = cached(options.clock, async () => {
    const text = await readFile(options.file, 'utf8')
    // An exec plugin's answer is kept within what was made of the file.
    if (known?.text !== text) known = { text, read: await openKubeconfig(options.file) }
    return known.read()
  })
  return {
    current: () => access.current(),
    renew() {
      known = undefined
      access.renew()
    },
  }
}

async function openKubeconfig(file: string): Promise<() => Promise<ApiConnection>> {
  const { KubeConfig } = await import('@kubernetes/client-node')
  const config = new KubeConfig()
  config.loadFromFile(file)
  const cluster = config.getCurrentCluster()
  if (!cluster) throw refused('names no cluster in its current context')
  if (!cluster.server.startsWith('https://')) throw refused('names a server without TLS')
  if (cluster.skipTLSVerify) throw refused('turns off the verification of certificates')
  if (cluster.proxyUrl) throw refused('names a proxy, which is not supported')
  const { origin, pathname } = new URL(cluster.server)
  return async () => {
    const read: RequestOptions = {}
    await config.applyToHTTPSOptions(read)
    const headers = textFields(read.headers)
    const tls = { ca: read.ca, cert: read.cert, key: read.key, servername: cluster.tlsServerName }
    return { origin, prefix: pathname.replace(/\/+$/, ''), tls: textFields(tls), headers: () => headers }
  }
}

/** Those fields that hold text. */
function textFields(fields: object | undefined): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(fields ?? {}).flatMap(([name, value]) => {
      if (typeof value === 'string') return [[name, value]]
      return Buffer.isBuffer(value) ? [[name, value.toString('utf8')]] : []
    }),
  )
}

function refused(what: string): GatewayError {
  return new GatewayError('invalid_settings', `the kubeconfig ${what}`)
}

/** While files are being replaced they may be unreadable for a moment: then what was read before still stands. */
function cached(clock: Clock, read: () => Promise<ApiConnection>): ApiAccess {
  const once = singleFlight<'', ApiConnection>()
  let known: { readonly connection: ApiConnection; readonly at: Timestamp } | undefined
  let isRefused = false
  const refresh = async () => {
    const asked = clock.now()
    const connection = await read().catch((error: unknown) => {
      if (error instanceof GatewayError) throw error
      if (known && !isRefused) return known.connection
      throw new GatewayError('store_unavailable', `no access to the API server: ${messageOf(error)}`, { cause: error })
    })
    const isSame = known !== undefined && isDeepStrictEqual(known.connection.tls, connection.tls)
    known = {
      connection: isSame ? { ...connection, tls: known?.connection.tls ?? connection.tls } : connection,
      at: asked,
    }
    isRefused = false
    return known.connection
  }
  return {
    async current() {
      const age = known === undefined ? Number.POSITIVE_INFINITY : clock.now() - known.at
      // A clock that was set back makes nothing fresh.
      if (known && !isRefused && age >= 0 && age < readAgainAfter) return known.connection
      return once('', refresh)
    },
    renew() {
      isRefused = true
    },
  }
}
