/** Whose an address is, as far as it can be told: limits for each address count these. */

/**
 * An IPv4 address stands for itself. Of IPv6 everybody gets a network of 64 bits at least (RFC 6177, RIPE-690), and may be any address in it: the network
 * stands for all of them. For addresses as `canonicalAddress` gives them.
 */
export function addressBlock(address: string): string {
  if (!address.includes(':')) return address
  const [before = '', after] = address.split('::')
  const head = before === '' ? [] : before.split(':')
  if (after === undefined) return `${head.slice(0, 4).join(':')}::/64`
  const tail = after === '' ? [] : after.split(':')
  // IPv4 at the end stands for two groups.
  const groupsBehind = tail.length + (after.includes('.') ? 1 : 0)
  const zeros = Array.from({ length: Math.max(0, 8 - head.length - groupsBehind) }, () => '0')
  return `${[...head, ...zeros, ...tail].slice(0, 4).join(':')}::/64`
}
