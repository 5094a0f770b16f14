/** Which proxy leads to a gateway, by the variables that curl, git and Go read. Pure. */
import { isIP } from 'node:net'
import { isInNetworks, parseNetwork } from '#lib/network.ts'
import { parseUrl } from '#lib/url.ts'
import type { Environment } from '#settings/environment.ts'
import { Secret } from '#settings/secret.ts'
import { CliFault } from './cli-fault.ts'
import { isThisMachine } from './deployments.ts'

export interface ProxyServer {
  readonly host: string
  readonly port: number
  /** Whether the way to the proxy itself is TLS. */
  readonly isTls: boolean
  /** Of `Proxy-Authorization`. */
  readonly authorization: Secret | undefined
  /** The variable that named it, for messages: its value may hold a password. */
  readonly variable: string
}

/** `undefined`: straight. Lower case counts before upper case, as everywhere. Throws `proxy_failed` for one that can't be used. */
export function proxyFor(url: URL, env: Environment): ProxyServer | undefined {
  if (isThisMachine(url.hostname)) return undefined
  const names = url.protocol === 'https:' ? ['https_proxy', 'all_proxy'] : ['http_proxy', 'all_proxy']
  const variable = names.flatMap((name) => [name, name.toUpperCase()]).find((name) => (env[name] ?? '') !== '')
  if (variable === undefined || isExcepted(url, noProxyOf(env))) return undefined
  return parseProxy(env[variable] ?? '', variable)
}

function noProxyOf(env: Environment): string {
  const lower = env.no_proxy ?? ''
  return lower === '' ? (env.NO_PROXY ?? '') : lower
}

function parseProxy(text: string, variable: string): ProxyServer {
  const url = parseUrl(text.includes('://') ? text : `http://${text}`)
  if (!url || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new CliFault('proxy_failed', `${variable} names no proxy that can be used`, {
      hint: 'It has to be http://HOST:PORT or https://HOST:PORT.',
    })
  }
  const isTls = url.protocol === 'https:'
  const credentials = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: Number(url.port) || (isTls ? 443 : 80),
    isTls,
    authorization: credentials === ':' ? undefined : new Secret(`Basic ${Buffer.from(credentials).toString('base64')}`),
    variable,
  }
}

/** `*`, names with everything below them (with or without a leading dot or `*.`), `host:port`, addresses and ranges of addresses. */
function isExcepted(url: URL, list: string): boolean {
  const host = url.hostname.replace(/^\[|\]$/g, '').toLowerCase()
  const port = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port
  return list
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .some((entry) => matches(entry.toLowerCase(), host, port))
}

function matches(entry: string, host: string, port: string): boolean {
  if (entry === '*') return true
  if (isIP(host) !== 0) {
    const network = parseNetwork(entry.replace(/^\[|\]$/g, ''))
    if (network !== undefined) return isInNetworks([network])(host)
  }
  const [, name = entry, only] = /^(.*?)(?::(\d+))?$/.exec(entry) ?? []
  if (only !== undefined && only !== port) return false
  const suffix = name.replace(/^\*?\./, '')
  return host === suffix || host.endsWith(`.${suffix}`)
}
