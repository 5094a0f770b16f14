/** How the date of this machine is moved under what was seen by it. */
import { type Clock, dateOffset, type Milliseconds } from '#lib/clock.ts'

/** Less than that makes nothing look idle. */
const least: Milliseconds = 1_000

export class DateMoves {
  readonly #clock: Clock
  #offset: Milliseconds
  /** How far it was put back and has not been put right since. */
  #behind: Milliseconds = 0

  constructor(clock: Clock) {
    this.#clock = clock
    this.#offset = dateOffset(clock)
  }

  /**
   * Since it was asked last: below zero, it was put back; above zero, by so much it was put right again. Nothing beyond that: a machine that slept looks
   * like one whose date was put ahead, and what was seen before it slept is as old as it says.
   */
  next(): Milliseconds {
    const offset = dateOffset(this.#clock)
    const moved = offset - this.#offset
    this.#offset = offset
    if (Math.abs(moved) < least) return 0
    const span = Math.min(moved, this.#behind)
    this.#behind -= span
    return span
  }

  /** What the store has of this replica was, where that is known: by a date that was put back since, perhaps while no process of it ran. */
  wasWrittenAt(date: string | undefined): void {
    if (date !== undefined) this.#behind = Math.max(this.#behind, Date.parse(date) - this.#clock.now())
  }
}
