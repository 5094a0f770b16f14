/** Logins that were finished here: a second use would have the issuer take back what it gave for the first (RFC 6749 section 4.1.2). */
import { LRUCache } from 'lru-cache'
import type { Clock, Timestamp } from '#lib/clock.ts'
import { attemptLifetime } from './login-state.ts'

export class FinishedAttempts {
  readonly #clock: Clock
  readonly #until = new LRUCache<string, Timestamp>({ max: 10_000 })

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** `true` for the first who asks about this attempt. */
  finish(attempt: string): boolean {
    const now = this.#clock.now()
    const until = this.#until.get(attempt)
    if (until !== undefined && until > now) return false
    this.#until.set(attempt, now + attemptLifetime)
    return true
  }
}
