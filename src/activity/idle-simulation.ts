/** What a timeout would have done to all workspaces in the days that are recorded, and to whom. A value, from what the store holds. */
import type { Milliseconds, Timestamp } from '#lib/clock.ts'
import { refKey, type WorkspaceRef } from '#surface/workspace-ref.ts'
import { runsSince } from '#workspace/conditions.ts'
import type { WorkspaceTemplate } from '#workspace/template.ts'
import { ownerOf, type Workspace } from '#workspace/workspace.ts'
import { activityOf, type WorkspaceActivity } from './activity-record.ts'
import { mergeHistories, mostSpans, readHistory, spanLength, spanOf } from './history.ts'
import { activityPolicyOf } from './idle-policy.ts'
import { type Replay, replay } from './idle-replay.ts'
import { templateIn } from './idle-rules.ts'

export interface Simulated extends WorkspaceRef, Replay {
  /** `undefined`: it is nobody's. */
  readonly owner: string | undefined
}

export interface Simulation {
  readonly since: Timestamp
  readonly until: Timestamp
  readonly workspaces: readonly Simulated[]
  /** Owners with a workspace, a workspace without one counting as a person of its own, by name; and those of them to whom it would have mattered. */
  readonly people: readonly string[]
  readonly peopleHit: readonly string[]
}

export interface Recordings {
  readonly workspaces: readonly Workspace[]
  readonly activities: readonly WorkspaceActivity[]
  readonly templates: readonly WorkspaceTemplate[]
}

/** Of those that ran at all. */
export function simulateIdle(recordings: Recordings, timeout: Milliseconds, now: Timestamp): Simulation {
  const { workspaces, activities, templates } = recordings
  const byUid = Map.groupBy(activities, ({ spec }) => spec.workspace.uid)
  const byName = new Map(templates.map((template) => [refKey(template.metadata), template.spec]))
  const all = workspaces.map((workspace): Simulated => {
    const told = (byUid.get(workspace.metadata.uid) ?? []).flatMap((record) => activityOf(record).history ?? [])
    const recorded = {
      history: mergeHistories(told.map(readHistory)),
      runsSince: runsSince(workspace),
      counts: activityPolicyOf(templateIn(byName, workspace)),
    }
    const { namespace, name } = workspace.metadata
    return { namespace, name, owner: ownerOf(workspace), ...replay(recorded, timeout, now) }
  })
  const ran = all.filter((one) => one.ran > 0)
  const hit = ran.filter(({ returns, broken }) => returns + broken > 0)
  const since = (spanOf(now) - mostSpans + 1) * spanLength
  return { since, until: now, workspaces: ran, people: peopleOf(ran), peopleHit: peopleOf(hit) }
}

function peopleOf(some: readonly Simulated[]): readonly string[] {
  return [...new Set(some.map((one) => one.owner ?? refKey(one)))].sort()
}
