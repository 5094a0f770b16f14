/** Has it written down for how long workspaces ran, when their runs are over: by the one who decides, for what another timeout would have done. */
import type { ActivityWriter } from '#activity/activity-writer.ts'
import { type Clock, type Milliseconds, sleep, type Timestamp } from '#lib/clock.ts'
import { runsSince } from '#workspace/conditions.ts'
import type { Directory, WorkspaceEntry } from '#workspace/directory.ts'

export interface RunHistoryParts {
  readonly directory: Pick<Directory, 'all' | 'findByUid' | 'isComplete'>
  readonly writer: Pick<ActivityWriter, 'ran'>
  readonly clock: Clock
}

const lookEvery: Milliseconds = 60_000

interface Run {
  readonly entry: WorkspaceEntry
  readonly instance: string
  readonly since: Timestamp
}

/** Until the signal. What goes on then is known to whoever comes next by the conditions of the workspace. */
export async function recordRuns(parts: RunHistoryParts, signal: AbortSignal): Promise<void> {
  const { directory, clock } = parts
  let runs: ReadonlyMap<string, Run> = new Map()
  while (!signal.aborted) {
    if (directory.isComplete) runs = look(parts, runs, clock.now())
    await sleep(clock, lookEvery, signal).catch(() => undefined)
  }
}

/** Those that go on. */
function look({ directory, writer }: RunHistoryParts, known: ReadonlyMap<string, Run>, now: Timestamp) {
  const present = new Map([...directory.all()].flatMap((entry) => runOf(entry, known, now)))
  for (const [uid, { entry, instance, since }] of known) {
    const isOver = present.get(uid)?.instance !== instance && directory.findByUid(uid) !== undefined
    if (isOver) writer.ran({ ...entry.ref, uid }, since, now)
  }
  return present
}

function runOf(
  entry: WorkspaceEntry,
  known: ReadonlyMap<string, Run>,
  now: Timestamp,
): readonly (readonly [string, Run])[] {
  const { instance, state, uid, workspace } = entry
  if (!instance || state.phase !== 'Running') return []
  const before = known.get(uid)
  if (before?.instance === instance.instanceUid) return [[uid, { ...before, entry }]]
  const since = Math.min(now, runsSince(workspace) ?? now)
  return [[uid, { entry, instance: instance.instanceUid, since }]]
}
