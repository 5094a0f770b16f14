/** The processor time of a tree of processes, as numbers: what was used between two looks at it. */
import type { Milliseconds } from '#lib/clock.ts'

/** Of one process. */
export interface CpuTime {
  /** Of this process and no other one, as long as the machine is up. */
  readonly key: string
  /** By itself, since it began. */
  readonly own: Milliseconds
  /** By children of it that have ended, and theirs. */
  readonly ended: Milliseconds
}

/** What was used between the two; never less than nothing. */
export function usedBetween(before: readonly CpuTime[], after: readonly CpuTime[]): Milliseconds {
  const earlier = new Map(before.map((time) => [time.key, time]))
  let own = 0
  let ended = 0
  for (const time of after) {
    const known = earlier.get(time.key)
    own += Math.max(0, time.own - (known?.own ?? 0))
    ended += Math.max(0, time.ended - (known?.ended ?? 0))
    earlier.delete(time.key)
  }
  // Whoever has ended meanwhile is counted by its parent from its beginning on; what it had used by the first look was used before.
  const gone = [...earlier.values()].reduce((sum, time) => sum + time.own + time.ended, 0)
  return own + Math.max(0, ended - gone)
}
