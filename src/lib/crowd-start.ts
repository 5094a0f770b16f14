/**
 * Begins what there may be thousands of, a few in each turn of the event loop: who asks something of this process meanwhile is answered, and does not
 * wait until the last of them has begun. Nothing is held back for longer than that, whatever becomes of those that began before.
 */
import { setImmediate } from 'node:timers'

export class CrowdStart {
  readonly #perTurn: number
  readonly #waiting: (() => void)[] = []
  #begun = 0
  #next = 0
  #isScheduled = false

  constructor(perTurn: number) {
    this.#perTurn = perTurn
  }

  /** `begin` throws nothing. At once where few have begun in this turn, and in their order. */
  add(begin: () => void): void {
    this.#schedule()
    if (this.#begun < this.#perTurn && this.#waiting.length === 0) {
      this.#begun += 1
      begin()
    } else this.#waiting.push(begin)
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => this.#turn())
  }

  #turn(): void {
    this.#isScheduled = false
    const end = Math.min(this.#next + this.#perTurn, this.#waiting.length)
    this.#begun = end - this.#next
    while (this.#next < end) this.#waiting[this.#next++]?.()
    if (this.#next === this.#waiting.length) {
      this.#waiting.length = 0
      this.#next = 0
    }
    if (this.#begun > 0) this.#schedule()
  }
}
