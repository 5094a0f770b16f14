/** How many of something are there now, for each of many keys. Forgets keys of which there are none. */

/** One more of its key, until it is disposed of; disposing it again changes nothing. */
export interface Counted {
  leave(): void
}

interface Tally {
  count: number
}

/** Keys without any are forgotten in bulk, which costs each of them next to nothing. */
const leastBeforeSweep = 1024

export class Tallies {
  readonly #tallies = new Map<string, Tally>()
  #sweepAt = leastBeforeSweep

  count(key: string): number {
    return this.#tallies.get(key)?.count ?? 0
  }

  enter(key: string): Counted {
    const tally = this.#tallies.get(key) ?? this.#begin(key)
    tally.count += 1
    return new Entered(tally)
  }

  /** How many keys are remembered: at most twice as many as have any, or a thousand. */
  get size(): number {
    return this.#tallies.size
  }

  #begin(key: string): Tally {
    if (this.#tallies.size >= this.#sweepAt) {
      for (const [idle, { count }] of this.#tallies) if (count === 0) this.#tallies.delete(idle)
      this.#sweepAt = Math.max(leastBeforeSweep, 2 * this.#tallies.size)
    }
    const tally = { count: 0 }
    this.#tallies.set(key, tally)
    return tally
  }
}

class Entered implements Counted {
  readonly #tally: Tally
  #isIn = true

  constructor(tally: Tally) {
    this.#tally = tally
  }

  leave(): void {
    if (!this.#isIn) return
    this.#isIn = false
    this.#tally.count -= 1
  }
}
