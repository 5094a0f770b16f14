/** On which of many connections something moves. What is kept open for its next use moves nothing. */
import type { Clock, Milliseconds, Timestamp } from '#lib/clock.ts'

export interface Counted {
  readonly bytesRead: number
  readonly bytesWritten: number
}

/** A connection on which nothing moved for so long is idle. */
const idleAfter: Milliseconds = 5_000

export class Movement {
  readonly #clock: Pick<Clock, 'now'>
  readonly #seen = new WeakMap<Counted, { readonly bytes: number; readonly at: Timestamp }>()

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock
  }

  /** How many are not idle. One that is seen for the first time is not, and from then on it is known by being looked at again and again. */
  count(connections: Iterable<Counted>): number {
    const now = this.#clock.now()
    let count = 0
    for (const one of connections) {
      const bytes = one.bytesRead + one.bytesWritten
      const seen = this.#seen.get(one)
      if (seen?.bytes !== bytes) this.#seen.set(one, { bytes, at: now })
      if (seen?.bytes !== bytes || now - seen.at < idleAfter) count += 1
    }
    return count
  }
}
