/**
 * Whom a request names in its Host field: a strict reading of RFC 9110 section 7.2. Node hands over whatever stood there
 * (`a, b`, `a@b`, `a/b`, nothing); here it is one host with an optional port, or it is nothing.
 */
import { isIPv4, isIPv6, SocketAddress } from 'node:net'
import { isDnsSubdomain } from '#lib/dns-name.ts'

/** Made by {@link parseAuthority} alone: lower case, one spelling. */
export interface Authority {
  /** A DNS name, an IPv4 address, or an IPv6 address in its brackets. */
  readonly host: string
  /** 1 to 65535; `undefined` where none was given. */
  readonly port: number | undefined
  /** `host` or `host:port`. */
  readonly text: string
}

/**
 * `undefined` for everything but a DNS name, an IPv4 address or a bracketed IPv6 address with an optional port: user information, lists,
 * paths, a final or an empty label, percent signs, letters outside ASCII, a port that is 0, too large, empty or begins with a zero.
 */
export function parseAuthority(text: string): Authority | undefined {
  const hostEnd = endOfHost(text)
  const host = text.startsWith('[') ? parseBracketed(text.slice(0, hostEnd)) : parseName(text.slice(0, hostEnd))
  if (host === undefined) return undefined
  if (hostEnd === text.length) return { host, port: undefined, text: host }
  const port = parsePort(text.slice(hostEnd))
  return port === undefined ? undefined : { host, port, text: `${host}:${port}` }
}

function endOfHost(text: string): number {
  const colon = text.indexOf(':', text.startsWith('[') ? text.indexOf(']') + 1 : 0)
  return colon < 0 ? text.length : colon
}

const asciiName = /^[A-Za-z0-9.-]+$/

function parseName(text: string): string | undefined {
  // Before lower-casing: `toLowerCase` makes an ASCII `k` of the Kelvin sign.
  if (!asciiName.test(text)) return undefined
  const name = text.toLowerCase()
  if (!isDnsSubdomain(name)) return undefined
  return isNumberLike(name) && !isIPv4(name) ? undefined : name
}

/** Resolvers read `127.1`, `0177.0.0.1` and `0x7f.1` as addresses, so such a name would be a second spelling of one (WHATWG URL, "ends in a number"). */
function isNumberLike(name: string): boolean {
  return /^(?:[0-9]+|0x[0-9a-f]*)$/.test(name.slice(name.lastIndexOf('.') + 1))
}

function parseBracketed(text: string): string | undefined {
  const address = text.slice(1, -1)
  // A zone (`fe80::1%eth0`) has a meaning on one machine only.
  if (!text.endsWith(']') || !isIPv6(address) || address.includes('%')) return undefined
  return `[${new SocketAddress({ address, family: 'ipv6' }).address}]`
}

function parsePort(text: string): number | undefined {
  if (!/^:[1-9][0-9]{0,4}$/.test(text)) return undefined
  const port = Number(text.slice(1))
  return port <= 65535 ? port : undefined
}
