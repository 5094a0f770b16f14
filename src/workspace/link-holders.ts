/**
 * Which replicas have the links of an agent. Each link has one of the few places that its pod has, so that whoever has none of them here finds out who has,
 * and where that replica is asked.
 */
import { LRUCache } from 'lru-cache'
import { oneTimeKind, oneTimeName } from '#identity/one-time-record.ts'
import type { Clock, Milliseconds, Timestamp } from '#lib/clock.ts'
import type { Resources } from '#resources/contract.ts'
import { placeName } from './slot-places.ts'
import type { Room } from './slots.ts'

export interface LinkHoldersParts {
  readonly resources: Pick<Resources, 'get'>
  readonly namespace: string
  readonly clock: Pick<Clock, 'now'>
}

/** Twice as many as an agent has links: those of a replica that has died are not free for a minute. */
export function linkRoom(instance: string): Room {
  return { of: `agent ${instance}`, most: 4 }
}

/** What was found out is asked for again after so long. */
const freshFor: Milliseconds = 2_000
const mostRemembered = 10_000

interface Found {
  readonly at: Timestamp
  readonly addresses: Promise<readonly string[]>
}

export class LinkHolders {
  readonly #parts: LinkHoldersParts
  readonly #found = new LRUCache<string, Found>({ max: mostRemembered })

  constructor(parts: LinkHoldersParts) {
    this.#parts = parts
  }

  /** Each `HOST:PORT`. Throws `store_unavailable`. */
  find(instance: string): Promise<readonly string[]> {
    const now = this.#parts.clock.now()
    const found = this.#found.get(instance)
    if (found && now - found.at < freshFor) return found.addresses
    const addresses = this.#look(instance)
    this.#found.set(instance, { at: now, addresses })
    addresses.catch(() => this.#found.delete(instance))
    return addresses
  }

  /** It was not so. */
  forget(instance: string): void {
    this.#found.delete(instance)
  }

  async #look(instance: string): Promise<readonly string[]> {
    const { of, most } = linkRoom(instance)
    const places = await Promise.all(Array.from({ length: most }, (_, number) => this.#get(placeName(of, number))))
    const holders = new Set(places.flatMap((place) => (place?.spec.purpose === 'slot' ? [place.spec.holder] : [])))
    const records = await Promise.all([...holders].map((holder) => this.#get(oneTimeName('holder', holder))))
    return records.flatMap((record) => (record?.spec.purpose === 'holder' ? (record.spec.address ?? []) : []))
  }

  #get(name: string) {
    const { resources, namespace } = this.#parts
    return resources.get(oneTimeKind, { namespace, name })
  }
}
