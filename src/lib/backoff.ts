/** Growing delays between tries, with jitter so that many clients do not return at the same instant. */
import type { Milliseconds } from './clock.ts'

export interface Backoff {
  next(): Milliseconds
  reset(): void
}

/** Doubles from `first` to `longest`; each delay is drawn from its upper half. */
export function backoff(options: { first: Milliseconds; longest: Milliseconds; random?: () => number }): Backoff {
  const random = options.random ?? Math.random
  let current = options.first
  return {
    next() {
      const delay = current * (0.5 + random() / 2)
      current = Math.min(current * 2, options.longest)
      return delay
    },
    reset() {
      current = options.first
    },
  }
}
