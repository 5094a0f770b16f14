/** Address ranges: `10.0.0.0/8`, `fd00::/8`, or a single address. */
import { BlockList, isIP } from 'node:net'
import type { Brand } from './brand.ts'

/** Made by {@link parseNetwork} alone. An address stands for the range that holds it alone. */
export type Network = Brand<string, 'Network'>

interface Range {
  readonly address: string
  readonly family: 'ipv4' | 'ipv6'
  readonly bits: number
}

export function parseNetwork(text: string): Network | undefined {
  // The one place that makes a Network: the text was just read as one.
  return readRange(text) === undefined ? undefined : (text as Network)
}

const ends = [
  ['0.0.0.0', '255.255.255.255'],
  ['::', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
]

/** Does it hold every address of a family? A range is contiguous, so its two ends tell. */
export function isEverywhere(network: Network): boolean {
  const contains = isInNetworks([network])
  return ends.some((pair) => pair.every(contains))
}

/** A test for addresses. IPv4 addresses mapped into IPv6 count as what they stand for. */
export function isInNetworks(networks: readonly Network[]): (address: string) => boolean {
  const list = new BlockList()
  for (const network of networks) {
    const range = readRange(network)
    if (range) list.addSubnet(range.address, range.bits, range.family)
  }
  return (address) => {
    const version = isIP(address)
    return version !== 0 && list.check(address, version === 4 ? 'ipv4' : 'ipv6')
  }
}

function readRange(text: string): Range | undefined {
  const slash = text.indexOf('/')
  const address = slash === -1 ? text : text.slice(0, slash)
  const version = isIP(address)
  if (version === 0 || address.includes('%')) return undefined
  const width = version === 4 ? 32 : 128
  const bits = slash === -1 ? width : readBits(text.slice(slash + 1))
  return bits === undefined || bits > width ? undefined : { address, family: version === 4 ? 'ipv4' : 'ipv6', bits }
}

function readBits(text: string): number | undefined {
  return /^(?:0|[1-9]\d{0,2})$/.test(text) ? Number(text) : undefined
}
