/**
 * Which addresses a pod may be reached at. `Pod.status.podIP` holds whatever somebody with rights on `pods/status` has written there, and a pod
 * on its node's network has its node's: neither may lead the gateway to itself, to a node, to the API server or to a cloud's metadata.
 */
import { isIPv4 } from 'node:net'
import { canonicalAddress } from '#http/ip-address.ts'
import { isInNetworks, type Network, parseNetwork } from '#lib/network.ts'

export type PodAddress =
  | { readonly kind: 'good'; readonly address: string }
  /** It has none yet. */
  | { readonly kind: 'none' }
  /** `why` ends a sentence that begins with "Its address". */
  | { readonly kind: 'refused'; readonly why: string }

const refused: readonly { readonly networks: readonly string[]; readonly why: string }[] = [
  { networks: ['127.0.0.0/8', '::1'], why: 'is a loopback address' },
  { networks: ['0.0.0.0/8', '::'], why: 'is no address of a machine' },
  { networks: ['169.254.0.0/16', 'fe80::/10', 'fec0::/10'], why: 'is a link-local address' },
  { networks: ['224.0.0.0/4', 'ff00::/8'], why: 'is a multicast address' },
  { networks: ['240.0.0.0/4'], why: 'is a reserved address' },
  // IPv4 in other clothes (RFC 4291 section 2.5.5, RFC 6052, RFC 3056, RFC 4380): no pod has one, and what is meant could be any of the above.
  {
    networks: ['::/96', '::ffff:0:0:0/96', '64:ff9b::/96', '64:ff9b:1::/48', '2002::/16', '2001::/32'],
    why: 'hides another address',
  },
  // AWS (instances, and what pods get their roles from), Google, Alibaba, Azure; the usual one is link-local.
  {
    networks: ['fd00:ec2::/32', 'fd20:ce::254', '100.100.100.200', '168.63.129.16'],
    why: "is a cloud's metadata service",
  },
  // What is left of IPv6 beside global unicast (2000::/3) and unique local addresses (fc00::/7): nobody has any of it (RFC 4291 section 2.4).
  {
    networks: ['::/3', '4000::/2', '8000::/2', 'c000::/3', 'e000::/4', 'f000::/5', 'f800::/6', 'fe00::/9'],
    why: 'is a reserved address',
  },
]

/** Apart by family: to a list of both, IPv4 lies within `::/3`. */
const ranges = {
  4: refused.map(({ networks, why }) => ({
    contains: containing(networks.filter((text) => !text.includes(':'))),
    why,
  })),
  6: refused.map(({ networks, why }) => ({ contains: containing(networks.filter((text) => text.includes(':'))), why })),
}

function containing(networks: readonly string[]): (address: string) => boolean {
  return isInNetworks(networks.flatMap(network))
}

function network(text: string): readonly Network[] {
  const parsed = parseNetwork(text)
  return parsed === undefined ? [] : [parsed]
}

/** What is asked of an address beyond its form. */
export interface Surroundings {
  /** Why it is refused here, as in {@link PodAddress}. */
  refusalOf(address: string): string | undefined
}

/** IPv4 mapped into IPv6 counts as what it stands for. */
export function judgeAddress(podIP: string, surroundings: Surroundings): PodAddress {
  if (podIP === '') return { kind: 'none' }
  const address = canonicalAddress(podIP)
  if (address === undefined) return { kind: 'refused', why: 'is no IP address' }
  const range = ranges[isIPv4(address) ? 4 : 6].find(({ contains }) => contains(address))
  const why = range?.why ?? surroundings.refusalOf(address)
  return why === undefined ? { kind: 'good', address } : { kind: 'refused', why }
}
