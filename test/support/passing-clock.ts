/**
 * The time of this machine, of which a test lets hours pass at once: what falls due within them falls due then, in its order. Who waits for some seconds
 * alone goes on waiting for them: that is how long an answer may take, and what is asked at that moment is answered by somebody for whom no time passes.
 */
import type { Clock, Milliseconds, Timestamp } from '#lib/clock.ts'

export interface PassingClock extends Clock {
  /** It is later by that much at once. */
  pass(span: Milliseconds): void
}

interface Pending {
  readonly due: Timestamp
  readonly run: () => void
  timer: NodeJS.Timeout | undefined
}

/** Nobody has longer for an answer. */
const longestAnswer = 10_000
/** Node fires those beyond it at once. */
const longestTimer = 2 ** 31 - 1

export function passingClock(): PassingClock {
  const pending = new Set<Pending>()
  let passed = 0
  // What `Date` says may follow this clock.
  const now = () => Math.floor(performance.timeOrigin + performance.now()) + passed
  const arm = (entry: Pending) => {
    clearTimeout(entry.timer)
    const fire = () => {
      pending.delete(entry)
      entry.run()
    }
    entry.timer = setTimeout(fire, Math.min(Math.max(entry.due - now(), 0), longestTimer))
    entry.timer.unref()
  }
  return {
    now,
    after(delay, run) {
      const entry: Pending = { due: now() + Math.max(delay, 0), run, timer: undefined }
      arm(entry)
      if (delay > longestAnswer) pending.add(entry)
      return {
        [Symbol.dispose]() {
          pending.delete(entry)
          clearTimeout(entry.timer)
        },
      }
    },
    pass(span) {
      passed += span
      for (const entry of [...pending].sort((one, other) => one.due - other.due)) arm(entry)
    },
  }
}
