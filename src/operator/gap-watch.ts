/** Notices that a process, or the machine, stood still, or that somebody moved the date: what others wrote meanwhile may be on its way still. */
import { type Clock, type Milliseconds, steadyOf, type Timestamp } from '#lib/clock.ts'

const longestGap: Milliseconds = 15_000

export class GapWatch {
  readonly #clock: Clock
  #wall: Timestamp
  #steady: Milliseconds
  #due: Milliseconds | undefined

  constructor(clock: Clock) {
    this.#clock = clock
    this.#wall = clock.now()
    this.#steady = this.#now()
  }

  /** It will be asked again after so long. */
  rests(span: Milliseconds): void {
    this.#due = this.#now() + span
  }

  /** Since it was asked last. */
  hasGap(): boolean {
    const [wall, steady] = [this.#clock.now(), this.#now()]
    const moved = Math.abs(wall - this.#wall - (steady - this.#steady))
    const late = this.#due === undefined ? 0 : steady - this.#due
    this.#wall = wall
    this.#steady = steady
    this.#due = undefined
    return moved > longestGap || late > longestGap
  }

  #now(): Milliseconds {
    return steadyOf(this.#clock)
  }
}
