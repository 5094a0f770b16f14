/** `Workspace.status.conditions` as upstream writes them, from what a workspace is doing. Pure. */
import type { Timestamp } from '#lib/clock.ts'
import { type Condition, conditionsIn, startTimedOut } from '#workspace/conditions.ts'
import type { WorkspaceState } from '#workspace/state.ts'
import type { Workspace } from '#workspace/workspace.ts'

type ConditionType = 'Available' | 'Progressing' | 'Degraded' | 'Stopped'
type Verdict = readonly [status: 'True' | 'False', reason: string, message: string]

/** What the conditions should be; those whose status is as before keep their time, and others' conditions stay. `givenUp`: its start took too long; says why. */
export function conditionsOf(
  workspace: Workspace,
  state: WorkspaceState,
  now: Timestamp,
  givenUp?: string,
): readonly Condition[] {
  const before = new Map(conditionsIn(workspace).map((condition) => [condition.type, condition]))
  const verdicts = Object.entries({
    ...verdictsOf(state),
    ...degradedByStart(state, before.get('Degraded'), givenUp),
  })
  const ours = new Set(verdicts.map(([type]) => type))
  const others = [...before.values()].filter(({ type }) => !ours.has(type))
  const told = verdicts.map(([type, [status, reason, message]]) => {
    const known = before.get(type)
    const since = known?.status === status ? known.lastTransitionTime : undefined
    return {
      type,
      status,
      reason,
      message,
      lastTransitionTime: since ?? new Date(now).toISOString(),
      observedGeneration: workspace.metadata.generation,
    }
  })
  return [...told, ...others]
}

/** Whether there is anything to write. */
export function sayTheSame(before: readonly Condition[], after: readonly Condition[]): boolean {
  return JSON.stringify(before.map(fieldsOf)) === JSON.stringify(after.map(fieldsOf))
}

function fieldsOf(condition: Condition): readonly unknown[] {
  const { type, status, reason, message, observedGeneration } = condition
  return [type, status, reason, message, observedGeneration]
}

function verdictsOf(state: WorkspaceState): Record<ConditionType, Verdict> {
  const { message, phase, reason } = state
  switch (phase) {
    case 'Starting':
      return {
        Available: ['False', reason, message],
        Progressing: ['True', reason, message],
        Degraded: ['False', 'NoError', ''],
        Stopped: ['False', 'DesiredStateRunning', ''],
      }
    case 'Running':
      return {
        Available: ['True', 'ResourcesReady', message],
        Progressing: ['False', 'ResourcesReady', ''],
        Degraded: ['False', 'NoError', ''],
        Stopped: ['False', 'DesiredStateRunning', ''],
      }
    case 'Degraded':
      return {
        Available: ['False', 'AccessNotReady', message],
        Progressing: ['False', reason, ''],
        Degraded: ['True', reason, message],
        Stopped: ['False', 'DesiredStateRunning', ''],
      }
    case 'Stopping':
      return {
        Available: ['False', 'DesiredStateStopped', ''],
        Progressing: ['True', 'DesiredStateStopped', message],
        Degraded: ['False', 'NoError', ''],
        Stopped: ['False', 'ComputeNotStopped', message],
      }
    case 'Stopped':
      return {
        Available: ['False', 'DesiredStateStopped', ''],
        Progressing: ['False', 'DesiredStateStopped', ''],
        Degraded: ['False', 'NoError', ''],
        Stopped: ['True', 'AllResourcesStopped', 'The workspace is stopped.'],
      }
  }
}

/** Why it was given up stays readable until somebody starts it again. */
function degradedByStart(
  state: WorkspaceState,
  degraded: Condition | undefined,
  givenUp: string | undefined,
): { Degraded?: Verdict } {
  if (givenUp !== undefined) return { Degraded: ['True', startTimedOut, givenUp] }
  const isOver = state.phase !== 'Stopped' && state.phase !== 'Stopping'
  if (isOver || degraded?.status !== 'True' || degraded.reason !== startTimedOut) return {}
  return { Degraded: ['True', startTimedOut, degraded.message] }
}
