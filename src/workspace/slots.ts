/**
 * Places that are counted across replicas: so many at once of one kind, such as tunnels of a workspace or of a person. Each is an object in the store
 * whose creation decides; its name has the number of the place, so that there are never more than there may be. Objects are not renewed one by one:
 * they name their holder, a replica, which shows that it is alive by a record that it puts in the place of the one before. A holder whose record stays
 * the same for {@link silence} is gone, by the clock of whoever looks: clocks of two machines are never compared.
 */
import { hasCode } from '#errors.ts'
import { type OneTimeRecord, oneTimeKind, oneTimeName } from '#identity/one-time-record.ts'
import { rfc3339Of } from '#identity/rfc3339.ts'
import { type Clock, type Milliseconds, sleep, type Timestamp } from '#lib/clock.ts'
import type { Log } from '#observe/log.ts'
import type { ObjectName, Resources, Uid } from '#resources/contract.ts'
import { Holders, silence } from './slot-holders.ts'

/** Of what there may be only so many at once. */
export interface Room {
  /** Such as `workspace <uid>`: told apart from every other room by it. */
  readonly of: string
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

export interface SlotsParts {
  readonly resources: Resources
  readonly namespace: string
  /** Of this process, unlike that of every other one, an earlier run of the same one included. */
  readonly holder: string
  readonly clock: Clock
  readonly log: Log
}

export const renewEvery: Milliseconds = 20_000
/** Long after anybody could still look at it. */
const recordLifetime: Milliseconds = 24 * 3_600_000

/** What was full a moment ago is: whoever tries again and again asks the store nothing. */
const fullFor: Milliseconds = 1_000
/** Rooms that are known to be full; of more than that all are looked at anew. */
const mostFull = 1_000

interface Place {
  readonly name: string
  readonly uid: Uid
}

interface Held {
  readonly rooms: readonly Room[]
  readonly places: readonly Place[]
  readonly losing: AbortController
}

export class Slots {
  readonly #parts: SlotsParts
  readonly #held = new Set<Held>()
  readonly #holders: Holders
  /** By room: when it was found full, and those that look for a place in it, one after the other. */
  readonly #full = new Map<string, Timestamp>()
  readonly #lines = new Map<string, Promise<unknown>>()
  /** While it shows that it is alive; settled once it has for the first time. */
  #alive: Promise<void> | undefined
  #record: Place | undefined
  #shownAt: Timestamp = Number.NEGATIVE_INFINITY
  /** Places that are on their way here, and back. */
  #taking = 0
  readonly #leaving = new Set<Promise<unknown>>()
  /** Others may have taken what is held here. */
  #isDoubtful = false

  constructor(parts: SlotsParts) {
    this.#parts = parts
    this.#holders = new Holders({ ...parts, own: parts.holder })
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
          this.#giveBack(places)
          return { kind: 'full', room }
        }
        places.push(place)
      }
      const held = { rooms, places, losing: new AbortController() }
      this.#held.add(held)
      return { kind: 'taken', slot: { lost: held.losing.signal, leave: () => this.#leave(held) } }
    } catch (error) {
      this.#alive = undefined
      this.#giveBack(places)
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
    if (this.#record) this.#giveBack([this.#record])
    await Promise.all(this.#leaving)
  }

  /** Deletes places of holders that are gone, and records that nobody will look at. How many. */
  async collect(): Promise<number> {
    const { resources, namespace, clock } = this.#parts
    const { items } = await resources.list(oneTimeKind, { namespace })
    let collected = 0
    for (const { spec, metadata } of items) {
      const isOver =
        spec.purpose === 'slot'
          ? await this.#holders.isGone(spec.holder)
          : spec.purpose === 'holder' && Date.parse(spec.expiresAt) <= clock.now()
      if (isOver && (await this.#drop({ name: metadata.name, uid: metadata.uid }))) collected += 1
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
    if (found !== undefined && clock.now() - found < fullFor) return undefined
    this.#full.delete(room.of)
    const place = await this.#placeIn(room)
    if (place) return place
    if (this.#full.size >= mostFull) this.#full.clear()
    this.#full.set(room.of, clock.now())
    return undefined
  }

  /** Begun anywhere, so that two who come at once do not try the same places one after the other. */
  async #placeIn(room: Room): Promise<Place | undefined> {
    const first = Math.floor(Math.random() * room.most)
    for (let tried = 0; tried < room.most; tried += 1) {
      const place = await this.#tryPlace(room, (first + tried) % room.most)
      if (place) return place
    }
    return undefined
  }

  async #tryPlace({ of }: Room, number: number): Promise<Place | undefined> {
    const name = oneTimeName('slot', JSON.stringify([of, number]))
    if (this.#isOwn(name)) return undefined
    const spec = { purpose: 'slot', of, holder: this.#parts.holder } as const
    const created = await this.#create(name, spec)
    if (created) return created
    const found = await this.#get(name)
    if (found?.spec.purpose !== 'slot' || !(await this.#holders.isGone(found.spec.holder))) return undefined
    await this.#drop({ name, uid: found.metadata.uid })
    return this.#create(name, spec)
  }

  #isOwn(name: string): boolean {
    for (const { places } of this.#held) if (places.some((place) => place.name === name)) return true
    return false
  }

  /** Throws `store_unavailable`. */
  async #show(): Promise<void> {
    const { holder, clock } = this.#parts
    const name = oneTimeName('holder', holder)
    const before = this.#record
    if (before) await this.#parts.resources.delete(oneTimeKind, this.#named(name))
    const expiresAt = rfc3339Of(clock.now() + recordLifetime)
    const created = await this.#create(name, { purpose: 'holder', holder, expiresAt })
    // Of an answer that was lost.
    const uid = created?.uid ?? (await this.#get(name))?.metadata.uid
    if (uid === undefined) return
    this.#record = { name, uid }
    this.#shownAt = clock.now()
  }

  async #renew(): Promise<void> {
    const { clock, log } = this.#parts
    if (this.#held.size === 0 && this.#taking === 0) {
      // Whoever comes next shows it first.
      this.#alive = undefined
      return
    }
    this.#isDoubtful ||= clock.now() - this.#shownAt >= silence
    try {
      await this.#show()
      if (this.#isDoubtful) await this.#lookAtAll()
      this.#isDoubtful = false
    } catch (error) {
      log.warnOfMany({ component: 'slots', reason: 'renewal', error }, 'places could not be renewed; they may be lost')
    }
  }

  /** Others may have taken what seemed to be nobody's. */
  async #lookAtAll(): Promise<void> {
    for (const held of [...this.#held]) {
      const found = await Promise.all(held.places.map(({ name }) => this.#get(name)))
      if (found.every((record, at) => record?.metadata.uid === held.places[at]?.uid)) continue
      this.#leave(held)
      held.losing.abort()
    }
  }

  #leave(held: Held): void {
    if (!this.#held.delete(held)) return
    for (const { of } of held.rooms) this.#full.delete(of)
    this.#giveBack(held.places)
  }

  /** Nobody waits for it; what can't be given back is collected when this replica is gone. */
  #giveBack(places: readonly Place[]): void {
    for (const place of places) {
      const leaving = this.#drop(place)
        .catch((error: unknown) => {
          const fields = { component: 'slots', reason: 'give-back', error }
          this.#parts.log.warnOfMany(fields, 'a place could not be given back')
        })
        .finally(() => this.#leaving.delete(leaving))
      this.#leaving.add(leaving)
    }
  }

  /** `undefined`: it is taken. */
  async #create(name: string, spec: OneTimeRecord['spec']): Promise<Place | undefined> {
    const { resources, namespace } = this.#parts
    try {
      const { metadata } = await resources.create(oneTimeKind, { metadata: { namespace, name }, spec })
      return { name, uid: metadata.uid }
    } catch (error) {
      if (hasCode(error, 'already_exists')) return undefined
      throw error
    }
  }

  #get(name: string): Promise<OneTimeRecord | undefined> {
    return this.#parts.resources.get(oneTimeKind, this.#named(name))
  }

  /** What somebody has put in its place since is not ours to delete. */
  async #drop({ name, uid }: Place): Promise<boolean> {
    try {
      return await this.#parts.resources.delete(oneTimeKind, this.#named(name), { uid })
    } catch (error) {
      if (hasCode(error, 'conflict')) return false
      throw error
    }
  }

  #named(name: string): ObjectName {
    return { namespace: this.#parts.namespace, name }
  }
}
