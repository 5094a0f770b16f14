/** A clock whose date somebody moves: what is steady goes on as it does in the one below, and timers fire when they would have. */
import type { Clock, Milliseconds } from '#lib/clock.ts'

export interface LeapingClock extends Required<Clock> {
  leap(span: Milliseconds): void
}

export function leapingClock(inner: Clock): LeapingClock {
  let ahead = 0
  return {
    now: () => inner.now() + ahead,
    steady: () => inner.steady?.() ?? inner.now(),
    after: (delay, run) => inner.after(delay, run),
    leap(span) {
      ahead += span
    },
  }
}
