/** Bytes that all streams of one process keep together: beyond what is meant for all of them, each has its least share and no more. */

/** Bytes that each may keep, however much the others do. More than two acks are apart, so that it moves on. */
const leastShare = 262_144
/** Of what is meant for all, one person's streams take so much at most: the rest is for whoever else comes. */
export const mostOfOne = 3 / 4

/** Of one person. */
export interface StockShare {
  /** May a stream that keeps so many bytes keep more? */
  hasRoomFor(kept: number): boolean
  /** By so many bytes more, or fewer. */
  change(bytes: number): void
  /** Once, when there may be room again. */
  wait(wake: () => void): void
}

export class Stock {
  readonly #most: number
  #held = 0
  readonly #byPerson = new Map<string, number>()
  readonly #waiting: (() => void)[] = []

  /** `most`: bytes, beyond the least shares. */
  constructor(most: number) {
    this.#most = most
  }

  get held(): number {
    return this.#held
  }

  of(person: string): StockShare {
    return {
      hasRoomFor: (kept) =>
        kept < leastShare || (this.#held < this.#most && this.#heldBy(person) < this.#most * mostOfOne),
      change: (bytes) => this.#change(person, bytes),
      wait: (wake) => void this.#waiting.push(wake),
    }
  }

  #heldBy(person: string): number {
    return this.#byPerson.get(person) ?? 0
  }

  #change(person: string, bytes: number): void {
    this.#held += bytes
    const own = this.#heldBy(person) + bytes
    if (own === 0) this.#byPerson.delete(person)
    else this.#byPerson.set(person, own)
    if (this.#held < this.#most) for (const wake of this.#waiting.splice(0)) wake()
  }
}
