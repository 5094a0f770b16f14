/**
 * Places that are counted across replicas: so many at once of one kind, such as tunnels of a workspace or of a person. Each is an object in the store
 * whose creation decides; its name has the number of the place, so that there are never more than there may be. Objects are not renewed one by one:
 * they name their holder, a replica, which shows that it is alive by a record that it puts in the place of the one before. A holder whose record stays
 * the same for {@link silence} is gone, by the clock of whoever looks: clocks of two machines are never compared.
 */
import { oneTimeKind, oneTimeName } from '#identity/one-time-record.ts'
import { rfc3339Of } from '#identity/rfc3339.ts'
import { type Milliseconds, sleep, type Timestamp } from '#lib/clock.ts'
import { silence } from './slot-holders.ts'
import { type Place, Places, type PlacesParts } from './slot-places.ts'

/** Of what there may be only so many at once. */
export interface Room {
  /** Such as `workspace <uid>`: told apart from every other room by it. */
  readonly of: string
  /** Who asks for fewer than others in the same room leaves them the rest. */
  readonly most: number
}

/** One place in each of several rooms, until it is left. */
export interface Slot {
  /** The place may be somebody else's: this replica could not show for too long that it is alive. */
  readonly lost: AbortSignal
  leave(): void
}

/** `full`: the room that has no place left. */
export type Taken = { readonly kind: 'taken'; readonly slot: Slot } | { readonly kind: 'full'; readonly room: Room }

export const renewEvery: Milliseconds = 20_000
/** Long after anybody could still look at it. */
const recordLifetime: Milliseconds = 24 * 3_600_000

/** What was full a moment ago is: whoever tries again and again asks the store nothing. */
const fullFor: Milliseconds = 1_000
/** Rooms that are known to be full; of more than that all are looked at anew. */
const mostFull = 1_000

interface Held {
  readonly rooms: readonly Room[]
  readonly places: readonly Place[]
  readonly losing: AbortController
}

/** So many of the places of a room were all taken. */
interface Full {
  readonly most: number
  readonly at: Timestamp
}

export class Slots {
  readonly #parts: PlacesParts
  readonly #places: Places
  readonly #held = new Set<Held>()
  /** By room: what was found full, and those that look for a place in it, one after the other. */
  readonly #full = new Map<string, Full>()
  readonly #lines = new Map<string, Promise<unknown>>()
  /** While it shows that it is alive; settled once it has for the first time. */
  #alive: Promise<void> | undefined
  #record: Place | undefined
  #shownAt: Timestamp = Number.NEGATIVE_INFINITY
  /** Places that are on their way here. */
  #taking = 0
  /** Others may have taken what is held here. */
  #isDoubtful = false

  constructor(parts: PlacesParts) {
    this.#parts = parts
    this.#places = new Places(parts)
  }

  /** A place in each of the rooms, or in none. Throws `store_unavailable`. */
  async take(rooms: readonly Room[]): Promise<Taken> {
    this.#taking += 1
    const places: Place[] = []
    try {
      this.#alive ??= this.#show()
      await this.#alive
      for (const room of rooms) {
        const place = await this.#inTurn(room)
        if (!place) {
          this.#places.giveBack(places)
          return { kind: 'full', room }
        }
        places.push(place)
      }
      const held = { rooms, places, losing: new AbortController() }
      this.#held.add(held)
      return { kind: 'taken', slot: { lost: held.losing.signal, leave: () => this.#leave(held) } }
    } catch (error) {
      this.#alive = undefined
      this.#places.giveBack(places)
      throw error
    } finally {
      this.#taking -= 1
    }
  }

  /** Shows that it is alive for as long as it holds anything; gives back what it holds when the signal ends it. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await sleep(this.#parts.clock, renewEvery, signal).catch(() => undefined)
      if (!signal.aborted) await this.#renew()
    }
    for (const held of [...this.#held]) this.#leave(held)
    if (this.#record) this.#places.giveBack([this.#record])
    await this.#places.settled()
  }

  /** Deletes places of holders that are gone, and records that nobody will look at. How many. */
  async collect(): Promise<number> {
    const { resources, namespace } = this.#parts
    const { items } = await resources.list(oneTimeKind, { namespace })
    let collected = 0
    for (const record of items) {
      const { name, uid } = record.metadata
      if ((await this.#places.isOver(record)) && (await this.#places.drop({ name, uid }))) collected += 1
    }
    return collected
  }

  /** Those who come at once for one room go one after the other: what the first finds out, the others know. */
  async #inTurn(room: Room): Promise<Place | undefined> {
    const before = this.#lines.get(room.of) ?? Promise.resolve()
    const mine = before.catch(() => undefined).then(() => this.#placeUnlessFull(room))
    this.#lines.set(room.of, mine)
    try {
      return await mine
    } finally {
      if (this.#lines.get(room.of) === mine) this.#lines.delete(room.of)
    }
  }

  async #placeUnlessFull(room: Room): Promise<Place | undefined> {
    const { clock } = this.#parts
    const found = this.#full.get(room.of)
    if (found && room.most <= found.most && clock.now() - found.at < fullFor) return undefined
    this.#full.delete(room.of)
    const place = await this.#placeIn(room)
    if (place) return place
    if (this.#full.size >= mostFull) this.#full.clear()
    this.#full.set(room.of, { most: room.most, at: clock.now() })
    return undefined
  }

  /** Begun anywhere, so that two who come at once do not try the same places one after the other. */
  async #placeIn(room: Room): Promise<Place | undefined> {
    const first = Math.floor(Math.random() * room.most)
    for (let tried = 0; tried < room.most; tried += 1) {
      const place = await this.#places.take(room.of, (first + tried) % room.most)
      if (place) return place
    }
    return undefined
  }

  /** Throws `store_unavailable`. */
  async #show(): Promise<void> {
    const { holder, address, clock } = this.#parts
    const name = oneTimeName('holder', holder)
    const before = this.#record
    if (before) await this.#places.drop({ name })
    const expiresAt = rfc3339Of(clock.now() + recordLifetime)
    const shown = { purpose: 'holder', holder, ...(address === undefined ? {} : { address }), expiresAt } as const
    const created = await this.#places.create(name, shown)
    // Of an answer that was lost.
    const uid = created?.uid ?? (await this.#places.get(name))?.metadata.uid
    if (uid === undefined) return
    this.#record = { name, uid }
    const now = clock.now()
    // Whoever shows it: once it is shown, nobody can tell any more how long it was not. Earlier than others could have thought so.
    this.#isDoubtful ||= this.#held.size > 0 && now - this.#shownAt >= silence - renewEvery
    this.#shownAt = now
  }

  async #renew(): Promise<void> {
    if (this.#held.size > 0 || this.#taking > 0) await this.#showAgain()
    // Whoever comes next shows it first. What is still owed is free for others, then.
    else this.#alive = undefined
    await this.#places.payBack()
  }

  async #showAgain(): Promise<void> {
    try {
      await this.#show()
      if (this.#isDoubtful) await this.#lookAtAll()
      this.#isDoubtful = false
    } catch (error) {
      const fields = { component: 'slots', reason: 'renewal', error }
      this.#parts.log.warnOfMany(fields, 'places could not be renewed; they may be lost')
    }
  }

  /** Others may have taken what seemed to be nobody's. */
  async #lookAtAll(): Promise<void> {
    for (const held of [...this.#held]) {
      const found = await Promise.all(held.places.map(({ name }) => this.#places.get(name)))
      if (found.every((record, at) => record?.metadata.uid === held.places[at]?.uid)) continue
      this.#leave(held)
      held.losing.abort()
    }
  }

  #leave(held: Held): void {
    if (!this.#held.delete(held)) return
    for (const { of } of held.rooms) this.#full.delete(of)
    this.#places.giveBack(held.places)
  }
}
