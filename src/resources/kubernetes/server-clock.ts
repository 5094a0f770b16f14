/**
 * By how much the clock of this machine is ahead of that of the API server, by the dates of its answers: what others wrote is dated by the server, and
 * their own clocks may be anywhere.
 */
import type { Clock, Milliseconds, Timestamp } from '#lib/clock.ts'

interface Sample {
  readonly ahead: Milliseconds
  /** Of this machine's date from what no date moves. */
  readonly base: Milliseconds
}

const mostSamples = 9
/** With fewer one that is wrong would not be seen to be. */
const fewestSamples = 3
/** What took longer says too little: a date is of some moment within it. */
const longestTrip: Milliseconds = 2_000
/** Dates are whole seconds, of which the rest is cut off. */
const restOfASecond: Milliseconds = 500
/** Of several servers, or of several answers of one. */
const mostApart: Milliseconds = 5_000
/** By more than that somebody has moved the date of this machine, or it has slept: what was heard before says nothing. */
const longestStep: Milliseconds = 1_000

export class ServerClock {
  readonly #clock: Clock
  #samples: readonly Sample[] = []

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** An answer has just come. `date`: its header (RFC 9110 section 6.6.1). `sentAt`: when it was asked for, by the clock here. */
  heard(date: unknown, sentAt: Timestamp): void {
    const now = this.#clock.now()
    const told = typeof date === 'string' ? Date.parse(date) : Number.NaN
    const trip = now - sentAt
    if (Number.isNaN(told) || trip < 0 || trip > longestTrip) return
    const ahead = now - trip / 2 - (told + restOfASecond)
    this.#samples = [...this.#samples.slice(1 - mostSamples), { ahead, base: this.#base() }]
  }

  /** The median of several answers; `undefined` while there are too few, or they say different things. */
  ahead(): Milliseconds | undefined {
    const base = this.#base()
    const valid = this.#samples.filter((one) => Math.abs(one.base - base) <= longestStep)
    const sorted = valid.map(({ ahead }) => ahead).sort((a, b) => a - b)
    const median = sorted[sorted.length >> 1]
    if (sorted.length < fewestSamples || median === undefined) return undefined
    const agreeing = sorted.filter((ahead) => Math.abs(ahead - median) <= mostApart)
    return 2 * agreeing.length > sorted.length ? median : undefined
  }

  #base(): Milliseconds {
    const { steady } = this.#clock
    return steady ? this.#clock.now() - steady() : 0
  }
}
