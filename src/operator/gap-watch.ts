/** Notices that a process, or the machine, stood still, or that somebody moved the date: what others wrote meanwhile may be on its way still. */
import { type Clock, dateOffset, type Milliseconds, steadyOf } from '#lib/clock.ts'

const longestGap: Milliseconds = 15_000

export class GapWatch {
  readonly #clock: Clock
  #offset: Milliseconds
  #due: Milliseconds | undefined

  constructor(clock: Clock) {
    this.#clock = clock
    this.#offset = dateOffset(clock)
  }

  /** It will be asked again after so long. */
  rests(span: Milliseconds): void {
    this.#due = steadyOf(this.#clock) + span
  }

  /** Since it was asked last. */
  hasGap(): boolean {
    const offset = dateOffset(this.#clock)
    const moved = Math.abs(offset - this.#offset)
    const late = this.#due === undefined ? 0 : steadyOf(this.#clock) - this.#due
    this.#offset = offset
    this.#due = undefined
    return moved > longestGap || late > longestGap
  }
}
