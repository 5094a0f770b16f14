/**
 * Who is at the far end of a connection that came through proxies. `X-Forwarded-For` is a claim: its entries are believed from the right,
 * as far as those who wrote them are trusted, and nobody is trusted unless the administrator says so (CVE-2026-40575: a default of
 * `0.0.0.0/0` let everybody choose an address).
 */
import { isInNetworks, type Network } from '#lib/network.ts'
import { canonicalAddress } from './ip-address.ts'

/** The proxies whose word counts. Made by {@link trustedNetworks} alone. */
export interface TrustedNetworks {
  readonly isEmpty: boolean
  /** For addresses as `canonicalAddress` gives them. */
  includes(address: string): boolean
}

/** None given, the default: no claim counts, the client is whoever connected. */
export function trustedNetworks(networks: readonly Network[] = []): TrustedNetworks {
  return { isEmpty: networks.length === 0, includes: isInNetworks(networks) }
}

/**
 * The rightmost address of the way here that is not a trusted proxy. `peer` is the address of the connection itself; the field is looked at
 * only if that one is trusted. An entry that is no address ends the trust: the answer is then the last trusted hop, which is a true address,
 * never the claim to its left. Where all hops are trusted, the leftmost.
 */
export function clientAddress(peer: string, xForwardedFor: string | undefined, trusted: TrustedNetworks): string {
  if (trusted.isEmpty || xForwardedFor === undefined) return peer
  let hop = canonicalAddress(peer)
  if (hop === undefined) return peer
  let end = xForwardedFor.length
  while (end > 0 && trusted.includes(hop)) {
    const comma = xForwardedFor.lastIndexOf(',', end - 1)
    const entry = parseEntry(xForwardedFor.slice(comma + 1, end).trim())
    if (entry === undefined) break
    hop = entry
    end = comma
  }
  return hop
}

/** An address, alone or as some balancers write it: `192.0.2.1:4711`, `[2001:db8::1]`, `[2001:db8::1]:4711`. */
function parseEntry(text: string): string | undefined {
  const match = /^(?:\[([^\]]*)\]|([0-9.]+))(?::[0-9]{1,5})?$/.exec(text)
  if (!match) return canonicalAddress(text)
  const [, bracketed, plain = ''] = match
  if (bracketed === undefined) return canonicalAddress(plain)
  return bracketed.includes(':') ? canonicalAddress(bracketed) : undefined
}
