/**
 * The listener for those who run Gatehouse: is it alive, is it ready, what does it count. Apart from the gateway's listeners, so that no
 * workspace host can ever reach it, and deaf to names: a page that points its own name at 127.0.0.1 (DNS rebinding) gets nothing.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { GatewayError, messageOf } from '#errors.ts'
import { parseAuthority } from '#http/authority.ts'
import { isLocalhostName } from '#lib/localhost-lookup.ts'
import { isInNetworks, parseNetwork } from '#lib/network.ts'
import type { Log } from '#observe/log.ts'
import type { Metrics } from '#observe/metrics.ts'

/** Something that must hold before traffic is welcome: caches are complete, keys are loaded, no drain has begun. */
export interface Condition {
  /** For the answer of `/readyz`: `workspaces-synced`. */
  readonly name: string
  isMet(): boolean
}

export interface OperationsOptions {
  readonly hosts: readonly string[]
  /** 0: any free one, for tests. */
  readonly port: number
  readonly conditions: readonly Condition[]
  readonly metrics: Pick<Metrics, 'render' | 'contentType'>
  readonly log: Log
}

export interface Operations extends AsyncDisposable {
  /** Where it listens: `127.0.0.1:8802`. */
  readonly addresses: readonly string[]
}

/** Listens until disposed. Throws `listen_failed` when an address is taken; one that this machine doesn't have is left out and logged. */
export async function listenForOperations(options: OperationsOptions): Promise<Operations> {
  const { hosts, port, log } = options
  const answer = answerer(options)
  await using opened = new AsyncDisposableStack()
  const addresses: string[] = []
  for (const host of hosts) {
    const server = createServer({ requestTimeout: 10_000 }, answer)
    if (!(await listen(server, host, port, log))) continue
    opened.defer(() => close(server))
    addresses.push(addressOf(server))
  }
  if (addresses.length === 0) throw new GatewayError('listen_failed', 'operations: none of the addresses exists here')
  const running = opened.move()
  return { addresses, [Symbol.asyncDispose]: () => running.disposeAsync() }
}

/** `false` for an address that this machine doesn't have: nobody can be reached there anyway. */
function listen(server: Server, host: string, port: number, log: Log): Promise<boolean> {
  return new Promise((resolve, reject) => {
    server.on('error', (error: NodeJS.ErrnoException) => {
      // Of a server that listens already, such as too many open files: the next connection may succeed.
      if (server.listening) return log.error({ component: 'operations', error }, 'a connection was not accepted')
      if (error.code !== 'EADDRNOTAVAIL' && error.code !== 'EAFNOSUPPORT') {
        const message = `operations: can't listen on ${host} port ${port}: ${messageOf(error)}`
        return reject(new GatewayError('listen_failed', message, { cause: error }))
      }
      log.info({ component: 'operations', address: host }, 'this machine has no such address')
      resolve(false)
    })
    server.listen({ host, port, ipv6Only: true }, () => resolve(true))
  })
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}

function addressOf(server: Server): string {
  const address = server.address()
  if (address === null || typeof address === 'string') return ''
  return address.family === 'IPv6' ? `[${address.address}]:${address.port}` : `${address.address}:${address.port}`
}

type Answer = (request: IncomingMessage, response: ServerResponse) => void

function answerer({ conditions, metrics, log }: OperationsOptions): Answer {
  const pages: ReadonlyMap<string, (response: ServerResponse) => void> = new Map([
    ['/healthz', (response: ServerResponse) => sendJson(response, 200, { status: 'ok' })],
    ['/readyz', (response: ServerResponse) => sendReadiness(response, conditions)],
    ['/metrics', (response: ServerResponse) => void sendMetrics(response, metrics, log)],
  ])
  return (request, response) => {
    const page = pages.get(request.url ?? '')
    if (page === undefined || !isFromHere(request)) return sendJson(response, 404, { status: 'not found' })
    if (request.method === 'GET' || request.method === 'HEAD') return page(response)
    response.setHeader('allow', 'GET, HEAD')
    sendJson(response, 405, { status: 'method not allowed' })
  }
}

/**
 * Was it asked for by a loopback name, or by the very address it arrived at (a kubelet does that, a rebound page can't: its Host is a name)?
 */
function isFromHere(request: IncomingMessage): boolean {
  const [host, ...more] = request.headersDistinct.host ?? []
  const authority = host === undefined || more.length > 0 ? undefined : parseAuthority(host)
  if (authority === undefined) return false
  const name = authority.host.replace(/^\[|\]$/g, '')
  return isLocalhostName(name) || isLoopback(name) || name === request.socket.localAddress
}

const isLoopback = isInNetworks(['127.0.0.0/8', '::1'].flatMap((text) => parseNetwork(text) ?? []))

function sendReadiness(response: ServerResponse, conditions: readonly Condition[]): void {
  const missing = conditions.filter((condition) => !condition.isMet()).map((condition) => condition.name)
  if (missing.length === 0) sendJson(response, 200, { status: 'ready' })
  else sendJson(response, 503, { status: 'not ready', missing })
}

async function sendMetrics(response: ServerResponse, metrics: OperationsOptions['metrics'], log: Log): Promise<void> {
  try {
    const text = await metrics.render()
    response.writeHead(200, { 'content-type': metrics.contentType, 'cache-control': 'no-store' })
    response.end(text)
  } catch (error) {
    log.error({ component: 'operations', error }, 'metrics could not be rendered')
    sendJson(response, 500, { status: 'failed' })
  }
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' })
  response.end(`${JSON.stringify(body)}\n`)
}
