/**
 * So many of something in a window of time, for each of many keys: a bucket that leaks. Of those who stay below the limit nobody is ever held up;
 * whoever goes beyond is told how long to wait. Keeps the keys of the last two windows alone, since a bucket that nobody has touched for
 * a window is empty, and never more than a given number of them. Costs a look into a map, and no timer.
 */
import type { Clock, Milliseconds, Timestamp } from './clock.ts'

export interface RateLimit {
  /** At once, and in any window on average; more than 0. */
  readonly most: number
  readonly window: Milliseconds
}

export interface RateLimiterOptions extends RateLimit {
  readonly clock: Pick<Clock, 'now'>
  /**
   * Keys that are remembered at the least; at the most it is twice as many. Who comes with more within a window has those that he came with first
   * forgotten, and could not be held up by a limit for each of them anyway. 50,000 when absent.
   */
  readonly mostKeys?: number
}

interface Bucket {
  level: number
  at: Timestamp
}

export class RateLimiter {
  readonly #most: number
  readonly #window: Milliseconds
  readonly #mostKeys: number
  readonly #clock: Pick<Clock, 'now'>
  #young = new Map<string, Bucket>()
  #old = new Map<string, Bucket>()
  #turnsAt: Timestamp

  constructor({ most, window, clock, mostKeys = 50_000 }: RateLimiterOptions) {
    this.#most = most
    this.#window = window
    this.#mostKeys = mostKeys
    this.#clock = clock
    this.#turnsAt = clock.now() + window
  }

  /** Takes one. 0: it is within the limit; else nothing was taken, and after so many milliseconds one would be. */
  take(key: string): Milliseconds {
    const now = this.#clock.now()
    const bucket = this.#bucketOf(key, now)
    const leaked = Math.max(0, now - bucket.at) * (this.#most / this.#window)
    bucket.level = Math.max(0, bucket.level - leaked)
    // A clock that was set back counts from where it is.
    bucket.at = now
    const over = bucket.level + 1 - this.#most
    if (over > roundingError) return Math.ceil((over / this.#most) * this.#window)
    bucket.level += 1
    return 0
  }

  /** How many keys are remembered. */
  get size(): number {
    return this.#young.size + this.#old.size
  }

  #bucketOf(key: string, now: Timestamp): Bucket {
    if (now >= this.#turnsAt || this.#turnsAt - now > this.#window) this.#turn(now)
    const young = this.#young.get(key)
    if (young) return young
    if (this.#young.size >= this.#mostKeys) this.#turn(now)
    const bucket = this.#old.get(key) ?? { level: 0, at: now }
    this.#old.delete(key)
    this.#young.set(key, bucket)
    return bucket
  }

  #turn(now: Timestamp): void {
    this.#old = this.#young
    this.#young = new Map()
    this.#turnsAt = now + this.#window
  }
}

/** Who waits as long as he was told is let in, however the fractions were rounded. */
const roundingError = 1e-6
