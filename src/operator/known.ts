/** Puts together what this process knows of a workspace: what all have written, what it has seen itself, and whether it runs. */
import type { Activity } from '#activity/activity-record.ts'
import type { ActivityRecorder } from '#activity/recorder.ts'
import type { Known } from '#activity/standing.ts'
import type { Clock, Milliseconds } from '#lib/clock.ts'
import type { WorkspaceEntry } from '#workspace/directory.ts'
import type { ActivityBook } from './activity-book.ts'

export interface KnowingParts {
  readonly recorder: Pick<ActivityRecorder, 'clocksOf'>
  /** Whether the store keeps true what stops lean on. */
  readonly mayStop: () => boolean
  /** As {@link ActivityBookParts.aheadOfStore}. */
  readonly aheadOfStore?: (() => Milliseconds | undefined) | undefined
  readonly clock: Clock
}

/** `fresh`: instead of what is in the book. */
export function knownOf(
  { recorder, mayStop, aheadOfStore, clock }: KnowingParts,
  book: Pick<ActivityBook, 'of' | 'heardSince'> | undefined,
  { uid, instance, state }: WorkspaceEntry,
  fresh?: Activity,
): Known {
  return {
    now: clock.now(),
    ahead: aheadOfStore ? aheadOfStore() : 0,
    mayStop: mayStop(),
    isRunning: instance !== undefined && state.phase === 'Running',
    written: fresh ?? (instance && book?.of(uid, instance.instanceUid)),
    seen: recorder.clocksOf(uid),
    heardSince: book?.heardSince,
  }
}
