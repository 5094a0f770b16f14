/** Choices that a seed decides: the same seed, the same choices, on every machine. */
import { createHash } from 'node:crypto'

export class Chance {
  #state: number

  constructor(seed: string) {
    this.#state = createHash('sha256').update(seed).digest().readUInt32LE(0)
  }

  /** From 0 to below 1. (Mulberry32, Tommy Ettinger, public domain.) */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  /** From 0 to below `end`. */
  below(end: number): number {
    return Math.floor(this.next() * end)
  }

  isTrue(probability: number): boolean {
    return this.next() < probability
  }

  /** Throws a `RangeError` where there is none. */
  pick<Value>(values: readonly Value[]): Value {
    const index = this.below(values.length)
    for (const value of values.slice(index, index + 1)) return value
    throw new RangeError('nothing to choose from')
  }

  /** `usual`, or, as often as `probability` says, one of the others. */
  mostly<Value>(probability: number, usual: Value, others: readonly Value[]): Value {
    return this.isTrue(probability) ? this.pick(others) : usual
  }
}
