/**
 * Tunnels that an agent holds while their clients are away. Who carried one last ends it there with what it rests on, as if its client were still here; nobody
 * else knows of it, so that one whose replica has gone as well ends when its client has not come for long.
 */
import type { Clock, Milliseconds } from '#lib/clock.ts'
import type { EndReason, LiveStream } from '#live/streams.ts'
import { mostHeld } from '#resume/held-streams.ts'
import { longestAway } from '#resume/hold.ts'
import type { HeldTunnel } from './held-tunnel.ts'
import type { Pass } from './passes.ts'

/** As much of it as is needed to end it. */
export type EndableTunnel = Pick<HeldTunnel, 'name' | 'end' | 'endFor'>

export class LeftTunnels {
  readonly #clock: Clock
  /** By person and workspace, and by its name there; those that left first come first. */
  readonly #left = new Map<string, Map<string, LeftTunnel>>()
  /** By its name there: by which connection it goes on here, of several the last one. */
  readonly #carried = new Map<string, EndableTunnel>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Its connection is gone. One that another connection has taken up meanwhile is that one's. */
  add(held: EndableTunnel, { group }: Pick<Pass, 'group'>, { rest, isOver }: Leaving): void {
    if (!this.isCarriedBy(held)) return
    this.drop(held)
    const { person, key } = wordsOf(held)
    const own = this.#left.get(person) ?? new Map<string, LeftTunnel>()
    this.#left.set(person, own)
    const onDone = () => {
      group.delete(left)
      timer[Symbol.dispose]()
      if (own.get(key) === left) own.delete(key)
      if (own.size === 0 && this.#left.get(person) === own) this.#left.delete(person)
    }
    const left = new LeftTunnel(held, isOver, onDone)
    const isLimited = rest <= longestAway
    const until = isLimited ? Math.max(0, rest) + untilSaid : longestAway
    const timer = this.#clock.after(until, () => (isLimited ? left.over() : onDone()))
    own.set(key, left)
    group.add(left)
    // An agent keeps no more of them, and those that left last.
    if (own.size > mostHeld) forgettable(own)?.forget()
  }

  /** Its client is here, by this connection from now on. It is told when that is gone: {@link add} or {@link drop}. */
  carry(held: EndableTunnel): void {
    const { person, key } = wordsOf(held)
    this.#left.get(person)?.get(key)?.forget()
    this.#carried.set(key, held)
  }

  /** Its client had left before it was carried here: he may come back to it as if it had been. One that goes on here by another connection is that one's. */
  addUncarried(held: EndableTunnel, pass: Pick<Pass, 'group'>, leaving: Leaving): void {
    if (this.#carried.has(wordsOf(held).key)) return
    this.carry(held)
    this.add(held, pass, leaving)
  }

  /** `false`: by another connection, or by none any more. */
  isCarriedBy(held: EndableTunnel): boolean {
    return this.#carried.get(wordsOf(held).key) === held
  }

  /** Its connection is gone, and nothing is to be ended from here. */
  drop(held: EndableTunnel): void {
    if (this.isCarriedBy(held)) this.#carried.delete(wordsOf(held).key)
  }
}

export interface Leaving {
  /** How long it may be open yet, whoever is on it. */
  readonly rest: Milliseconds
  /** One end has said that it is over, and the other one has heard it unless the way to it broke just then. */
  readonly isOver: boolean
}

/** By then whoever has it now has found out that it was open for as long as it may be, and has told its client so. */
const untilSaid: Milliseconds = 60_000

/** One of them: rather what is over than what somebody may come back to. */
function forgettable(own: ReadonlyMap<string, LeftTunnel>): LeftTunnel | undefined {
  const all = [...own.values()]
  return all.find(({ isOver }) => isOver) ?? all[0]
}

class LeftTunnel implements LiveStream {
  readonly kind = 'tunnel'
  readonly isLasting = true
  readonly isAway = true
  /** As far as is known. */
  readonly isOver: boolean
  readonly #held: EndableTunnel
  readonly #onDone: () => void

  constructor(held: EndableTunnel, isOver: boolean, onDone: () => void) {
    this.#held = held
    this.isOver = isOver
    this.#onDone = onDone
  }

  end({ code, ofTunnel }: EndReason): void {
    this.#onDone()
    this.#held.endFor(ofTunnel?.code ?? code)
  }

  over(): void {
    this.#onDone()
    this.#held.end()
  }

  /** It goes on, or is over, without being ended from here. */
  forget(): void {
    this.#onDone()
  }
}

function wordsOf({ name: { person, key } }: EndableTunnel) {
  return { person: person.toString('hex'), key: key.toString('hex') }
}
