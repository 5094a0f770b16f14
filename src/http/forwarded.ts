/**
 * Who is at the far end of a connection that came through proxies. `X-Forwarded-For` is a claim: its entries are believed from the right,
 * as far as those who wrote them are trusted, and nobody is trusted unless the administrator says so (CVE-2026-40575: a default of
 * `0.0.0.0/0` let everybody choose an address).
 */
import { type IpAddress, type IpNetwork, isInNetwork, parseIpAddress, parseIpNetwork } from './ip-address.ts'

/** The proxies whose word counts. Made by {@link parseTrustedNetworks} alone. */
export interface TrustedNetworks {
  readonly kind: 'trusted'
  readonly networks: readonly IpNetwork[]
}

export interface TrustedNetworksProblem {
  readonly kind: 'problem'
  /** `malformed`: no CIDR, or bits of the host are set. `everybody`: a network of all addresses. */
  readonly fault: 'malformed' | 'everybody'
  /** The entry that is wrong, as it was given. */
  readonly text: string
}

/** The default: no claim counts, the client is whoever connected. */
export const nobodyTrusted: TrustedNetworks = { kind: 'trusted', networks: [] }

/** A network of all addresses needs `insecureTrustEverybody`, because then any client chooses the address it is known by. */
export function parseTrustedNetworks(
  entries: readonly string[],
  options: { readonly insecureTrustEverybody?: boolean } = {},
): TrustedNetworks | TrustedNetworksProblem {
  const networks: IpNetwork[] = []
  for (const text of entries) {
    const network = parseIpNetwork(text)
    if (!network) return { kind: 'problem', fault: 'malformed', text }
    if (network.prefixLength === 0 && !options.insecureTrustEverybody)
      return { kind: 'problem', fault: 'everybody', text }
    networks.push(network)
  }
  return { kind: 'trusted', networks }
}

export function isTrusted(trusted: TrustedNetworks, address: IpAddress): boolean {
  return trusted.networks.some((network) => isInNetwork(network, address))
}

/**
 * The rightmost address of the way here that is not a trusted proxy. `peer` is the address of the connection itself; the field is looked at
 * only if that one is trusted. An entry that is no address ends the trust: the answer is then the last trusted hop, which is a true address,
 * never the claim to its left. Where all hops are trusted, the leftmost.
 */
export function clientAddress(peer: string, xForwardedFor: string | undefined, trusted: TrustedNetworks): string {
  if (trusted.networks.length === 0 || xForwardedFor === undefined) return peer
  let hop = parseIpAddress(peer)
  if (!hop) return peer
  let end = xForwardedFor.length
  while (end > 0 && isTrusted(trusted, hop)) {
    const comma = xForwardedFor.lastIndexOf(',', end - 1)
    const entry = parseEntry(xForwardedFor.slice(comma + 1, end).trim())
    if (!entry) break
    hop = entry
    end = comma
  }
  return hop.text
}

/** An address, alone or as some balancers write it: `192.0.2.1:4711`, `[2001:db8::1]`, `[2001:db8::1]:4711`. */
function parseEntry(text: string): IpAddress | undefined {
  const match = /^(?:\[([^\]]*)\]|([0-9.]+))(?::[0-9]{1,5})?$/.exec(text)
  if (!match) return parseIpAddress(text)
  const [, bracketed, plain = ''] = match
  if (bracketed === undefined) return parseIpAddress(plain)
  return bracketed.includes(':') ? parseIpAddress(bracketed) : undefined
}
