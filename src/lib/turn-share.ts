/**
 * For work that comes by the thousand in one moment: it gets a share of each turn of the event loop, and what does not fit waits for the next turn.
 * Everybody else's reads and answers come in between, so that nobody waits behind thousands. Who comes last waits behind those before him, and where
 * too many wait already, he is told so at once.
 */
import { setImmediate } from 'node:timers'
import { type Milliseconds, stopwatch } from './clock.ts'

export interface TurnShareOptions {
  /** Of each turn. What is begun comes to its end, so that a turn may take as much longer as one piece of work does. */
  readonly share: Milliseconds
  /** Pieces of work that may wait. */
  readonly mostWaiting: number
  /** As {@link stopwatch}. */
  readonly now?: () => Milliseconds
}

export class TurnShare {
  readonly #options: Required<TurnShareOptions>
  #waiting: (() => void)[] = []
  #next = 0
  #spent: Milliseconds = 0
  #isScheduled = false

  constructor(options: TurnShareOptions) {
    this.#options = { now: stopwatch, ...options }
  }

  get waiting(): number {
    return this.#waiting.length - this.#next
  }

  /** At once where there is time left in this turn and nobody waits; else in its order. What `work` throws costs nobody else a turn. `false`: it will never be done. */
  add(work: () => void): boolean {
    if (this.waiting >= this.#options.mostWaiting) return false
    this.#schedule()
    if (this.waiting === 0 && this.#spent < this.#options.share) this.#do(work)
    else this.#waiting.push(work)
    return true
  }

  #do(work: () => void): void {
    const began = this.#options.now()
    try {
      work()
    } finally {
      this.#spent += Math.max(0, this.#options.now() - began)
    }
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => this.#turn())
  }

  #turn(): void {
    this.#isScheduled = false
    this.#spent = 0
    try {
      while (this.waiting > 0 && this.#spent < this.#options.share) {
        const work = this.#waiting[this.#next]
        this.#next += 1
        if (work) this.#do(work)
      }
    } finally {
      this.#forgetDone()
      // Also where nothing waits: what was spent is of this turn.
      if (this.#spent > 0 || this.waiting > 0) this.#schedule()
    }
  }

  #forgetDone(): void {
    if (this.waiting > 0 && this.#next < mostDone) return
    this.#waiting = this.#waiting.slice(this.#next)
    this.#next = 0
  }
}

/** Of what is done, until it is cut off: moving the rest each time would cost more than the work. */
const mostDone = 1_024
