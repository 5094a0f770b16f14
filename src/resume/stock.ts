/**
 * Bytes that all streams of one process keep together: beyond what is meant for all of them, each has its least share and no more. One person's never take
 * more than a part of what the others leave: so there is always some for whoever comes next, however much somebody holds that nobody takes.
 */

/** Bytes that each may keep, however much the others do. More than two acks are apart, so that it moves on. */
const leastShare = 262_144
/** Of what the others leave, one person's streams take so much at most. */
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
  /** As {@link held}, but of nobody more than may be one person's: what he has beyond is not the others' to do without. */
  #counted = 0
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
      hasRoomFor: (kept) => kept < leastShare || this.#hasRoom(person),
      change: (bytes) => this.#change(person, bytes),
      wait: (wake) => void this.#waiting.push(wake),
    }
  }

  #hasRoom(person: string): boolean {
    const own = this.#heldBy(person)
    const others = this.#counted - this.#countedOf(own)
    return own < (this.#most - others) * mostOfOne
  }

  #heldBy(person: string): number {
    return this.#byPerson.get(person) ?? 0
  }

  #countedOf(held: number): number {
    return Math.min(held, this.#most * mostOfOne)
  }

  #change(person: string, bytes: number): void {
    const before = this.#heldBy(person)
    const own = before + bytes
    this.#held += bytes
    this.#counted += this.#countedOf(own) - this.#countedOf(before)
    if (own === 0) this.#byPerson.delete(person)
    else this.#byPerson.set(person, own)
    if (bytes < 0) for (const wake of this.#waiting.splice(0)) wake()
  }
}
