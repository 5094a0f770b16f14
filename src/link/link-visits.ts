/** Since when the agent of an instance has been here, or has not: for whoever asks what is wrong with it. From memory, of this process alone. */
import { LRUCache } from 'lru-cache'
import type { Clock, Timestamp } from '#lib/clock.ts'

export interface LinkVisit {
  /** Its last link has left, if it is not here. */
  readonly isHere: boolean
  /** From when on that is so. */
  readonly since: Timestamp
  /** Whether it can keep connections that outlive their links; one of an earlier version can't. */
  readonly canHold: boolean
}

const mostRemembered = 10_000

export class LinkVisits {
  readonly #clock: Pick<Clock, 'now'>
  readonly #visits = new LRUCache<string, LinkVisit>({ max: mostRemembered })

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock
  }

  /** A further link of one that is here changes nothing but what it can do. */
  came(instance: string, canHold: boolean): void {
    const before = this.#visits.get(instance)
    const since = before?.isHere === true ? before.since : this.#clock.now()
    this.#visits.set(instance, { isHere: true, since, canHold })
  }

  /** The last of its links has gone. */
  left(instance: string): void {
    const before = this.#visits.get(instance)
    if (before?.isHere === true) this.#visits.set(instance, { ...before, isHere: false, since: this.#clock.now() })
  }

  /** `undefined`: it was never here, as far as that is remembered. */
  of(instance: string): LinkVisit | undefined {
    return this.#visits.get(instance)
  }
}
