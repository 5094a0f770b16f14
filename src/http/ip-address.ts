/** IP addresses and networks as numbers, so that every spelling of one address is the same address. */
import { isIPv4, isIPv6, SocketAddress } from 'node:net'

/** Made by {@link parseIpAddress} alone. IPv4 inside of IPv6 (`::ffff:192.0.2.1`, RFC 4291 section 2.5.5.2) is IPv4 here. */
export interface IpAddress {
  readonly version: 4 | 6
  readonly value: bigint
  /** RFC 5952. */
  readonly text: string
}

/** A block of addresses in CIDR notation. Made by {@link parseIpNetwork} alone. */
export interface IpNetwork {
  readonly version: 4 | 6
  readonly prefixLength: number
  readonly value: bigint
}

/** `undefined` for anything else than an address: brackets, ports, zones (`fe80::1%eth0`), leading zeros, spaces. */
export function parseIpAddress(text: string): IpAddress | undefined {
  if (isIPv4(text)) return { version: 4, value: valueOfIpv4(text), text }
  if (!isIPv6(text) || text.includes('%')) return undefined
  const canonical = new SocketAddress({ address: text, family: 'ipv6' }).address
  const value = valueOfIpv6(canonical)
  if (value >> 32n !== 0xffffn) return { version: 6, value, text: canonical }
  const embedded = value & 0xffff_ffffn
  return { version: 4, value: embedded, text: textOfIpv4(embedded) }
}

/**
 * `10.0.0.0/8`, `2001:db8::/32`, or a bare address, which is a network of one. `undefined` where bits of the host are set (`10.0.0.1/8`
 * is a slip of somebody who meant another block) and for anything malformed.
 */
export function parseIpNetwork(text: string): IpNetwork | undefined {
  const slash = text.indexOf('/')
  const address = parseIpAddress(slash < 0 ? text : text.slice(0, slash))
  if (!address) return undefined
  const width = widthOf(address.version)
  const prefixLength = slash < 0 ? width : parsePrefixLength(text.slice(slash + 1), width)
  if (prefixLength === undefined) return undefined
  const hostBits = (1n << BigInt(width - prefixLength)) - 1n
  if ((address.value & hostBits) !== 0n) return undefined
  return { version: address.version, prefixLength, value: address.value }
}

export function isInNetwork(network: IpNetwork, address: IpAddress): boolean {
  if (network.version !== address.version) return false
  const hostBits = BigInt(widthOf(network.version) - network.prefixLength)
  return address.value >> hostBits === network.value >> hostBits
}

function widthOf(version: 4 | 6): number {
  return version === 4 ? 32 : 128
}

function parsePrefixLength(text: string, width: number): number | undefined {
  const length = /^(?:0|[1-9][0-9]{0,2})$/.test(text) ? Number(text) : Number.POSITIVE_INFINITY
  return length <= width ? length : undefined
}

function valueOfIpv4(text: string): bigint {
  return text.split('.').reduce((value, part) => (value << 8n) | BigInt(part), 0n)
}

function textOfIpv4(value: bigint): string {
  return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 0xffn).join('.')
}

/** Of the canonical text, which may end in an IPv4 address. */
function valueOfIpv6(text: string): bigint {
  const lastColon = text.lastIndexOf(':')
  const tail = text.slice(lastColon + 1)
  if (tail.includes('.')) {
    const embedded = valueOfIpv4(tail)
    return valueOfIpv6(
      `${text.slice(0, lastColon)}:${(embedded >> 16n).toString(16)}:${(embedded & 0xffffn).toString(16)}`,
    )
  }
  const [before = '', after] = text.split('::')
  const head = groupsOf(before)
  const rest = after === undefined ? [] : groupsOf(after)
  const zeros = Array<bigint>(8 - head.length - rest.length).fill(0n)
  return [...head, ...zeros, ...rest].reduce((value, group) => (value << 16n) | group, 0n)
}

function groupsOf(text: string): readonly bigint[] {
  return text === '' ? [] : text.split(':').map((group) => BigInt(`0x${group}`))
}
