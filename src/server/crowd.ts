/**
 * How many connections one address may have open, over all listeners of a process. A few more than that are let in to be told so; whoever comes beyond
 * them is sent away without a word.
 */
import { addressBlock } from '#http/address-block.ts'
import { isInNetworks, parseNetwork } from '#lib/network.ts'
import { type Counted, Tallies } from '#lib/tallies.ts'
import type { Settings } from '#settings/settings.ts'

export interface CrowdOptions {
  /** Of one IPv4 address, or one IPv6 network of 64 bits. */
  readonly most: number
  /** Addresses that stand for many: this machine's own, and those of trusted proxies. */
  readonly isExempt: (address: string) => boolean
}

/** `told`: it is one too many, and gets an answer that says so. `undefined`: not even that. */
export type Place = { readonly kind: 'in' | 'told'; readonly counted?: Counted } | undefined

/** Each of them costs as much as any other connection, until it has asked for something. */
const mostTold = 16

export class Crowd {
  readonly #options: CrowdOptions
  readonly #open = new Tallies()

  constructor(options: CrowdOptions) {
    this.#options = options
  }

  /** For an address as `canonicalAddress` gives it. */
  enter(address: string): Place {
    const { most, isExempt } = this.#options
    if (isExempt(address)) return uncounted
    const block = addressBlock(address)
    const open = this.#open.count(block)
    if (open >= most + mostTold) return undefined
    return { kind: open < most ? 'in' : 'told', counted: this.#open.enter(block) }
  }
}

const uncounted: Place = { kind: 'in' }

/** Who may speak for others: by header fields, or by PROXY headers. */
export type Proxies = Pick<Settings, 'trustedProxies' | 'listeners'>

/** Is it the address of many people at once: one of this machine, or of a proxy that says for whom it comes? */
export function standsForMany({ trustedProxies, listeners }: Proxies): (address: string) => boolean {
  const behindHeaders = listeners.flatMap(({ proxyProtocol }) => proxyProtocol.trusted)
  const loopback = ['127.0.0.0/8', '::1'].flatMap((text) => parseNetwork(text) ?? [])
  return isInNetworks([...loopback, ...trustedProxies, ...behindHeaders])
}
