/**
 * Connections within a pod whose clients may have gone for a while: each waits for its own for ten minutes, and is found by a name that the gateway has
 * made of the client's secret and of who and what it is for. How many wait and how much they keep is bounded for all of them together.
 */
import type { Duplex } from 'node:stream'
import type { Clock, Milliseconds } from '#lib/clock.ts'
import type { Carrier } from './carrier.ts'
import { type HeldFor, type HoldWords, longestAway } from './hold.ts'
import { ResumedStream } from './resumed-stream.ts'
import { mostOfOne, Stock } from './stock.ts'

/** Streams; more are not held. One person has {@link mostOfOne} of them at most. */
export const mostHeld = 32
/** Of those, that wait for their clients for longer than {@link settled}. */
export const mostAway = 16
/** All whose gateway goes lose their connections at once, and most come back at once: so long there is room for each. */
export const settled: Milliseconds = 60_000
/** Bytes that were not taken by the app, of one stream. */
const window = 1_048_576
/** Bytes that are kept for clients, by all of them. */
const mostKept = 25_165_824

export interface Attached {
  readonly carrier: Carrier
  readonly held: HeldFor
}

interface Held {
  readonly person: string
  readonly port: number
  readonly stream: ResumedStream
  /** While it waits. */
  timer: Disposable | undefined
  hasWaitedLong: boolean
}

export class HeldStreams {
  readonly #clock: Clock
  readonly #stock = new Stock(mostKept)
  /** By its name; those that have waited for longest come first of those that wait. */
  readonly #streams = new Map<string, Held>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get size(): number {
    return this.#streams.size
  }

  /** Bytes that all of them keep, for clients and for apps. */
  get stocked(): number {
    return this.#stock.held
  }

  /** Is it somebody's who is known to have it? Whoever never was told of it, since the way to him broke, may begin anew. */
  isTaken({ key }: Pick<HoldWords, 'key'>): boolean {
    return this.#streams.get(nameOf(key))?.stream.hasMet ?? false
  }

  /** A connection of this pod's is held from now on. `undefined`: there are as many as may be, of all or of that person, or the name is taken. */
  add({ key, person }: HoldWords, port: number, socket: Duplex): Attached | undefined {
    const [name, whose] = [nameOf(key), person.toString('hex')]
    if (this.isTaken({ key })) return undefined
    this.end({ key })
    if (this.#streams.size >= mostHeld || this.#countOf(whose) >= mostHeld * mostOfOne) return undefined
    const stock = this.#stock.of(whose)
    const stream = new ResumedStream({
      ...{ readable: socket, writable: socket, clock: this.#clock, window, isFirstToLeave: false, stock },
      onAway: () => this.#wait(name),
      onOver: () => this.#forget(name),
    })
    this.#streams.set(name, { person: whose, port, stream, timer: undefined, hasWaitedLong: false })
    return { carrier: stream.attach(true), held: stream.heldFor }
  }

  /** Its client has come back, and takes the place of whatever connection it had. `undefined`: there is no such stream. */
  resume({ key }: HoldWords, port: number): Attached | undefined {
    const held = this.#streams.get(nameOf(key))
    if (held?.port !== port) return undefined
    held.timer?.[Symbol.dispose]()
    held.timer = undefined
    held.hasWaitedLong = false
    return { carrier: held.stream.attach(false), held: held.stream.heldFor }
  }

  /** It is over for good. */
  end({ key }: Pick<HoldWords, 'key'>): void {
    this.#streams.get(nameOf(key))?.stream.cut()
  }

  /** All of them are. */
  endAll(): void {
    for (const { stream } of [...this.#streams.values()]) stream.cut()
  }

  #countOf(whose: string): number {
    return [...this.#streams.values()].filter(({ person }) => person === whose).length
  }

  #wait(name: string): void {
    const held = this.#streams.get(name)
    if (!held) return
    // Behind those that wait already.
    this.#streams.delete(name)
    this.#streams.set(name, held)
    held.timer = this.#clock.after(settled, () => {
      held.timer = this.#clock.after(longestAway - settled, () => held.stream.cut())
      held.hasWaitedLong = true
      this.#makeRoom()
    })
  }

  /** Of those that wait, the one goes that has waited for longest of the person who has most. */
  #makeRoom(): void {
    const away = [...this.#streams.values()].filter(({ hasWaitedLong }) => hasWaitedLong)
    if (away.length <= mostAway) return
    const counts = new Map<string, number>()
    for (const { person } of away) counts.set(person, (counts.get(person) ?? 0) + 1)
    const most = Math.max(...counts.values())
    away.find(({ person }) => counts.get(person) === most)?.stream.cut()
  }

  #forget(name: string): void {
    this.#streams.get(name)?.timer?.[Symbol.dispose]()
    this.#streams.delete(name)
  }
}

function nameOf(key: Buffer): string {
  return key.toString('hex')
}
