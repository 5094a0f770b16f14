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

export class LeftTunnels {
  readonly #clock: Clock
  /** By person and workspace, and by its name there; those that left first come first. */
  readonly #left = new Map<string, Map<string, LeftTunnel>>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** `rest`: how long it may be open yet, whoever is on it. */
  add(held: HeldTunnel, { group }: Pass, rest: Milliseconds): void {
    const { person, key } = wordsOf(held)
    this.delete(held)
    const own = this.#left.get(person) ?? new Map<string, LeftTunnel>()
    this.#left.set(person, own)
    const onDone = () => {
      group.delete(left)
      timer[Symbol.dispose]()
      if (own.get(key) === left) own.delete(key)
      if (own.size === 0 && this.#left.get(person) === own) this.#left.delete(person)
    }
    const left = new LeftTunnel(held, onDone)
    const isOver = rest <= longestAway
    const timer = this.#clock.after(Math.max(0, Math.min(rest, longestAway)), () => (isOver ? left.over() : onDone()))
    own.set(key, left)
    group.add(left)
    // An agent keeps no more of them, and those that left last.
    for (const oldest of own.values()) if (own.size > mostHeld) oldest.forget()
  }

  /** Its client is here again. */
  delete(held: HeldTunnel): void {
    const { person, key } = wordsOf(held)
    this.#left.get(person)?.get(key)?.forget()
  }
}

class LeftTunnel implements LiveStream {
  readonly kind = 'tunnel'
  readonly isLasting = true
  readonly isAway = true
  readonly #held: HeldTunnel
  readonly #onDone: () => void

  constructor(held: HeldTunnel, onDone: () => void) {
    this.#held = held
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

function wordsOf({ name: { person, key } }: HeldTunnel) {
  return { person: person.toString('hex'), key: key.toString('hex') }
}
