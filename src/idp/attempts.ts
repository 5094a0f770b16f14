/** How often a password may be guessed: a bucket per account that refills with time. */
import type { Clock, Milliseconds, Timestamp } from '#lib/clock.ts'

export interface Attempts {
  /** How long to wait before the next try; 0: it may be made now. */
  wait(username: string): Milliseconds
  failed(username: string): void
  succeeded(username: string): void
}

const burst = 10
const refill: Milliseconds = 6_000

/**
 * `known` bounds the memory: every name that nobody has shares one bucket.
 */
export function attempts(clock: Clock, known: (username: string) => boolean): Attempts {
  /** When the bucket will be full again. */
  const fullAt = new Map<string, Timestamp>()
  const keyOf = (username: string) => (known(username) ? username : '')
  return {
    wait(username) {
      const spent = (fullAt.get(keyOf(username)) ?? 0) - clock.now()
      return Math.max(0, spent - (burst - 1) * refill)
    },
    failed(username) {
      const key = keyOf(username)
      fullAt.set(key, Math.max(fullAt.get(key) ?? 0, clock.now()) + refill)
    },
    succeeded: (username) => void fullAt.delete(keyOf(username)),
  }
}
