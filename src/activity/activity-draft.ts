/** What one replica is about to write of one workspace, and what it knows to be written. */
import type { Milliseconds, Timestamp } from '#lib/clock.ts'
import { type Activity, activityOf, adopt, type Run, type WorkspaceActivity } from './activity-record.ts'
import { type Clocks, merge, moved, see } from './clocks.ts'
import { possibleClocks } from './idle-decision.ts'
import { sight } from './sight.ts'
import type { WatchedWorkspace } from './workspace-record.ts'
import { neverWritten, type WriteTurn } from './write-turn.ts'

export interface Draft {
  readonly workspace: WatchedWorkspace
  /** As it is in the store, as far as this replica knows. */
  stored: WorkspaceActivity | undefined
  /** Of {@link stored}. */
  written: Clocks
  /** That this replica saw first. */
  run: Run | undefined
  /** The one that goes on, where others have written since when. */
  knownRun: Run | undefined
  verdict: Activity['verdict']
  /** What others knew who are gone. */
  adopted: Activity | undefined
  /** Marks that are not in the store yet, and since when there are some. */
  recent: Map<number, number>
  recentSince: Timestamp
  isWanted: boolean
  /** A write that has not ended. */
  underWay: Promise<boolean> | undefined
  turn: WriteTurn
  /** After a failure. */
  retryAt: Timestamp
}

/** What is said of it is said of this one. */
export function runOf({ run, knownRun }: Draft): Run | undefined {
  return run ?? knownRun
}

export function newDraft({ namespace, name, uid }: WatchedWorkspace): Draft {
  const nothing = { stored: undefined, written: {}, verdict: undefined, adopted: undefined }
  return {
    ...{ workspace: { namespace, name, uid }, ...nothing, run: undefined, knownRun: undefined },
    ...{ recent: new Map<number, number>(), recentSince: 0 },
    ...{ isWanted: false, underWay: undefined, turn: neverWritten, retryAt: 0 },
  }
}

/** What is written over without having been understood may have been anything. */
export function toldBy(stored: WorkspaceActivity, now: Timestamp): Activity {
  if (stored.spec.unreadable) return { clocks: see({}, sight('unknown', 'record:unreadable'), now) }
  const { clocks, ...told } = activityOf(stored)
  return { ...told, clocks: boundClocks(clocks, now) }
}

/** What was seen by a date that was put back since lies in the future, and would hide what is seen now. */
export function boundClocks(clocks: Clocks, now: Timestamp): Clocks {
  return possibleClocks(clocks, { heardAt: now, writtenAt: undefined })
}

/** The date was put back, or right again by this span above zero: it is the turn of what is seen now, and what was written is said anew. */
export function dateMoved(draft: Draft, span: Milliseconds, now: Timestamp): void {
  draft.turn = neverWritten
  draft.retryAt = 0
  if (span <= 0 || !draft.stored) return
  const { run } = activityOf(draft.stored)
  // Its start stays as it was written, and counts as a gesture.
  const start: Clocks = run ? { interactive: { at: run.since, source: 'start' } } : {}
  const clocks = [draft.written, draft.adopted?.clocks ?? {}].reduce(merge, start)
  draft.adopted = adopt(draft.adopted, { clocks: boundClocks(moved(clocks, span), now) }, now)
  draft.isWanted = true
}
