/**
 * Places as objects in the store: taken by being created, given back by being deleted. A call that failed may have been carried out all the same, so
 * what this replica holds is what it knows to hold, never what the store says: an object in its name that it knows nothing of is deleted, by its UID.
 */
import { hasCode } from '#errors.ts'
import { type OneTimeRecord, oneTimeKind, oneTimeName } from '#identity/one-time-record.ts'
import type { Clock } from '#lib/clock.ts'
import type { Log } from '#observe/log.ts'
import type { ObjectName, Resources, Uid } from '#resources/contract.ts'
import { Holders } from './slot-holders.ts'

export interface Place {
  readonly name: string
  readonly uid: Uid
}

export interface PlacesParts {
  readonly resources: Resources
  readonly namespace: string
  /** Of this process, unlike that of every other one, an earlier run of the same one included. */
  readonly holder: string
  /** Where other replicas reach it, `HOST:PORT`; absent where none does. */
  readonly address?: string
  readonly clock: Clock
  readonly log: Log
}

/** Of the object that is one place of a room. */
export function placeName(of: string, number: number): string {
  return oneTimeName('slot', JSON.stringify([of, number]))
}

export class Places {
  readonly #parts: PlacesParts
  readonly #holders: Holders
  /** Names of those that are tried, taken, or on their way back. */
  readonly #inUse = new Set<string>()
  readonly #leaving = new Map<string, Promise<unknown>>()
  /** Names of those that may be taken in our name, and are not in use: a call about them failed. */
  readonly #owed = new Set<string>()

  constructor(parts: PlacesParts) {
    this.#parts = parts
    this.#holders = new Holders({ ...parts, own: parts.holder })
  }

  /** `undefined`: it is taken. Throws `store_unavailable`. */
  async take(of: string, number: number): Promise<Place | undefined> {
    const name = placeName(of, number)
    await this.#leaving.get(name)
    if (this.#inUse.has(name)) return undefined
    this.#inUse.add(name)
    let place: Place | undefined
    try {
      place = await this.#tryTo(name, { purpose: 'slot', of, holder: this.#parts.holder })
    } catch (error) {
      // Its creation may be what failed, and was carried out.
      this.#owed.add(name)
      throw error
    } finally {
      if (!place) this.#inUse.delete(name)
    }
    return place
  }

  /** Nobody waits for it; what can't be given back is owed. */
  giveBack(places: readonly Place[]): void {
    for (const place of places) {
      const leaving = this.drop(place)
        .catch((error: unknown) => {
          this.#owed.add(place.name)
          this.#warn(error)
        })
        .finally(() => {
          this.#inUse.delete(place.name)
          this.#leaving.delete(place.name)
        })
      this.#leaving.set(place.name, leaving)
    }
  }

  /** When all that was given back is gone, or owed. */
  async settled(): Promise<void> {
    await Promise.all(this.#leaving.values())
  }

  /** Gives back what is owed; what can't be still is. */
  async payBack(): Promise<void> {
    try {
      for (const name of this.#owed) {
        const found = await this.get(name)
        if (found && this.#isOrphan(found)) await this.drop({ name, uid: found.metadata.uid })
        this.#owed.delete(name)
      }
    } catch (error) {
      this.#warn(error)
    }
  }

  /** Of a listing: nobody has it any more. Throws `store_unavailable`. */
  async isOver(record: OneTimeRecord): Promise<boolean> {
    const { spec } = record
    if (spec.purpose === 'holder') return Date.parse(spec.expiresAt) <= this.#parts.clock.now()
    return spec.purpose === 'slot' && (this.#isOrphan(record) || (await this.#holders.isGone(spec.holder)))
  }

  /** `undefined`: it is there. */
  async create(name: string, spec: OneTimeRecord['spec']): Promise<Place | undefined> {
    const { resources, namespace } = this.#parts
    try {
      const { metadata } = await resources.create(oneTimeKind, { metadata: { namespace, name }, spec })
      return { name, uid: metadata.uid }
    } catch (error) {
      if (hasCode(error, 'already_exists')) return undefined
      throw error
    }
  }

  get(name: string): Promise<OneTimeRecord | undefined> {
    return this.#parts.resources.get(oneTimeKind, this.#named(name))
  }

  /** What somebody has put in its place since is not ours to delete. */
  async drop({ name, uid }: Pick<Place, 'name'> & { readonly uid?: Uid }): Promise<boolean> {
    try {
      return await this.#parts.resources.delete(oneTimeKind, this.#named(name), uid === undefined ? {} : { uid })
    } catch (error) {
      if (hasCode(error, 'conflict')) return false
      throw error
    }
  }

  async #tryTo(name: string, spec: OneTimeRecord['spec']): Promise<Place | undefined> {
    const created = await this.create(name, spec)
    if (created) return created
    const found = await this.get(name)
    if (found?.spec.purpose !== 'slot') return undefined
    const { holder } = found.spec
    // Ours, and yet not in use until now: of a call that failed. That one may still arrive, so the object is not taken over as it is.
    if (holder !== this.#parts.holder && !(await this.#holders.isGone(holder))) return undefined
    await this.drop({ name, uid: found.metadata.uid })
    return this.create(name, spec)
  }

  #isOrphan({ spec, metadata }: OneTimeRecord): boolean {
    return spec.purpose === 'slot' && spec.holder === this.#parts.holder && !this.#inUse.has(metadata.name)
  }

  #warn(error: unknown): void {
    const fields = { component: 'slots', reason: 'give-back', error }
    this.#parts.log.warnOfMany(fields, 'a place could not be given back')
  }

  #named(name: string): ObjectName {
    return { namespace: this.#parts.namespace, name }
  }
}
