/** Bytes that all streams of one process keep together: beyond what is meant for all of them, each has its least share and no more. */

/** Bytes that each may keep, however much the others do. More than two acks are apart, so that it moves on. */
const leastShare = 262_144

export class Stock {
  readonly #most: number
  #held = 0
  readonly #waiting: (() => void)[] = []

  /** `most`: bytes, beyond the least shares. */
  constructor(most: number) {
    this.#most = most
  }

  get held(): number {
    return this.#held
  }

  /** May somebody who keeps so many bytes keep more? */
  hasRoomFor(kept: number): boolean {
    return kept < leastShare || this.#held < this.#most
  }

  /** By so many bytes more, or fewer. */
  change(bytes: number): void {
    this.#held += bytes
    if (this.#held < this.#most) for (const wake of this.#waiting.splice(0)) wake()
  }

  /** Once, when there is room again. */
  wait(wake: () => void): void {
    this.#waiting.push(wake)
  }
}
