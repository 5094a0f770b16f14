/** A clock that moves only when told to, and fires what is due in order. */
import type { Clock, Milliseconds, Timestamp } from '#lib/clock.ts'

export interface FakeClock extends Clock {
  /** Moves on by `span`, firing what falls due on the way, and lets promises settle in between. */
  advance(span: Milliseconds): Promise<void>
}

interface Pending {
  readonly due: Timestamp
  readonly run: () => void
}

export function fakeClock(start: Timestamp = Date.parse('2026-01-01T00:00:00Z')): FakeClock {
  let now = start
  const pending = new Set<Pending>()
  const nextDue = (until: Timestamp) =>
    [...pending].filter((entry) => entry.due <= until).sort((a, b) => a.due - b.due)[0]
  const settle = () => new Promise<void>((resolve) => setImmediate(resolve))
  return {
    now: () => now,
    after(delay, run) {
      const entry = { due: now + Math.max(delay, 0), run }
      pending.add(entry)
      return { [Symbol.dispose]: () => void pending.delete(entry) }
    },
    async advance(span) {
      const until = now + span
      await settle()
      for (let entry = nextDue(until); entry; entry = nextDue(until)) {
        pending.delete(entry)
        now = Math.max(now, entry.due)
        entry.run()
        await settle()
      }
      now = until
      await settle()
    },
  }
}
