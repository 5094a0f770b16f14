/**
 * Which replicas have the links of an agent. Each link has one of the few places that its pod has, so that whoever has none of them here finds out who has,
 * and where that replica is asked.
 */
import { LRUCache } from 'lru-cache'
import { oneTimeKind, oneTimeName } from '#identity/one-time-record.ts'
import { type Clock, type Milliseconds, OnwardDate, type Timestamp } from '#lib/clock.ts'
import type { Resources } from '#resources/contract.ts'
import { placeName } from './slot-places.ts'
import type { Room } from './slots.ts'

export interface LinkHoldersParts {
  readonly resources: Pick<Resources, 'get'>
  readonly namespace: string
  readonly clock: Pick<Clock, 'now' | 'steady'>
}

/** Twice as many as an agent has links: those of a replica that has died are not free for a minute. */
export function linkRoom(instance: string): Room {
  return { of: `agent ${instance}`, most: 4 }
}

/** What was found out is asked for again after so long, and what proved wrong after so long. */
const freshFor: Milliseconds = 2_000
const wrongFor: Milliseconds = 500
/** An address that nobody answered at is tried last. */
const failedFor: Milliseconds = 60_000
const mostRemembered = 10_000
const mostReplicas = 1_000

interface Found {
  readonly at: Timestamp
  readonly addresses: Promise<readonly string[]>
}

export class LinkHolders {
  readonly #parts: LinkHoldersParts
  readonly #date: OnwardDate
  readonly #found = new LRUCache<string, Found>({ max: mostRemembered })
  /** By holder, which has one address for as long as it lives: its record is not there between one and the next. */
  readonly #addresses = new LRUCache<string, string>({ max: mostReplicas })
  readonly #failed = new LRUCache<string, Timestamp>({ max: mostReplicas })

  constructor(parts: LinkHoldersParts) {
    this.#parts = parts
    this.#date = new OnwardDate(parts.clock)
  }

  /** Each `HOST:PORT`, those last that nobody answered at. Throws `store_unavailable`. */
  async find(instance: string): Promise<readonly string[]> {
    const addresses = await this.#remembered(instance)
    return addresses.toSorted((a, b) => Number(this.#hasFailed(a)) - Number(this.#hasFailed(b)))
  }

  /** It was not so: a replica says that it has no link of it. What was found out a moment ago is not asked for at once. */
  forget(instance: string): void {
    const found = this.#found.get(instance)
    if (found && this.#date.now() - found.at >= wrongFor) this.#found.delete(instance)
  }

  /** Whether anybody answered there. */
  note(address: string, isThere: boolean): void {
    if (isThere) this.#failed.delete(address)
    else this.#failed.set(address, this.#date.now())
  }

  #hasFailed(address: string): boolean {
    const at = this.#failed.get(address)
    return at !== undefined && this.#date.now() - at < failedFor
  }

  #remembered(instance: string): Promise<readonly string[]> {
    const now = this.#date.now()
    const found = this.#found.get(instance)
    if (found && now - found.at < freshFor) return found.addresses
    const addresses = this.#look(instance)
    this.#found.set(instance, { at: now, addresses })
    addresses.catch(() => this.#found.delete(instance))
    return addresses
  }

  async #look(instance: string): Promise<readonly string[]> {
    const { of, most } = linkRoom(instance)
    const places = await Promise.all(Array.from({ length: most }, (_, number) => this.#get(placeName(of, number))))
    const holders = new Set(places.flatMap((place) => (place?.spec.purpose === 'slot' ? [place.spec.holder] : [])))
    const addresses = await Promise.all([...holders].map((holder) => this.#addressOf(holder)))
    return addresses.flatMap((address) => address ?? [])
  }

  async #addressOf(holder: string): Promise<string | undefined> {
    const known = this.#addresses.get(holder)
    if (known !== undefined) return known
    const record = await this.#get(oneTimeName('holder', holder))
    const address = record?.spec.purpose === 'holder' ? record.spec.address : undefined
    if (address !== undefined) this.#addresses.set(holder, address)
    return address
  }

  #get(name: string) {
    const { resources, namespace } = this.#parts
    return resources.get(oneTimeKind, { namespace, name })
  }
}
