/** IP addresses in one spelling each, so that comparing text is comparing addresses. */
import { isIPv4, isIPv6, SocketAddress } from 'node:net'

/** How IPv4 inside of IPv6 begins in canonical text (RFC 4291 section 2.5.5.2, RFC 5952 section 5). */
const mappedPrefix = '::ffff:'

/**
 * An address as RFC 5952 writes it, IPv4 inside of IPv6 (`::ffff:192.0.2.1`) as IPv4. `undefined` for anything else than an address:
 * brackets, ports, zones (`fe80::1%eth0`), leading zeros, spaces.
 */
export function canonicalAddress(text: string): string | undefined {
  if (isIPv4(text)) return text
  if (!isIPv6(text) || text.includes('%')) return undefined
  const canonical = new SocketAddress({ address: text, family: 'ipv6' }).address
  if (!canonical.startsWith(mappedPrefix)) return canonical
  const embedded = canonical.slice(mappedPrefix.length)
  return isIPv4(embedded) ? embedded : canonical
}
