/** What a workspace is doing, from what is wanted, what runs, and what Gatehouse's own probe says. Pure. */
import type { Instance, InstanceStep } from '#runtime/contract.ts'
import { conditionsIn, startTimedOut } from './conditions.ts'
import type { Workspace } from './workspace.ts'

export const workspacePhases = ['Stopped', 'Starting', 'Running', 'Stopping', 'Degraded'] as const

export type WorkspacePhase = (typeof workspacePhases)[number]

export interface WorkspaceState {
  readonly phase: WorkspacePhase
  /** CamelCase, for machines. */
  readonly reason: string
  /** For people. */
  readonly message: string
  readonly steps: readonly InstanceStep[]
}

/** What Gatehouse's own probe of the ports that gate readiness found. */
export type Readiness =
  | { readonly kind: 'ready' }
  | { readonly kind: 'waiting'; readonly message: string }
  | { readonly kind: 'degraded'; readonly reason: string; readonly message: string }

export function stateOf(workspace: Workspace, instance: Instance | undefined, readiness: Readiness): WorkspaceState {
  const steps = instance?.steps ?? []
  if (workspace.spec.desiredStatus === 'Stopped') {
    return instance
      ? { phase: 'Stopping', reason: 'DesiredStateStopped', message: 'The workspace is stopping.', steps }
      : { phase: 'Stopped', ...whyStopped(workspace), steps }
  }
  if (instance === undefined)
    return { phase: 'Starting', reason: 'ComputeNotReady', message: 'Waiting for it to be started.', steps }
  return runningState(instance, readiness)
}

/** Who waited for it in vain reads why; everybody else has stopped it himself. */
function whyStopped(workspace: Workspace): Pick<WorkspaceState, 'reason' | 'message'> {
  const degraded = conditionsIn(workspace).find(({ type, status }) => type === 'Degraded' && status === 'True')
  return degraded?.reason === startTimedOut
    ? { reason: startTimedOut, message: degraded.message }
    : { reason: 'DesiredStateStopped', message: 'The workspace is stopped.' }
}

function runningState(instance: Instance, readiness: Readiness): WorkspaceState {
  const { steps, reason, message, crash } = instance
  switch (instance.phase) {
    case 'failed':
      return { phase: 'Degraded', reason: reason || 'ComputeError', message: message || 'It failed to start.', steps }
    case 'stopping':
      return { phase: 'Starting', reason: reason || 'ComputeNotReady', message: 'The previous run is ending.', steps }
    case 'starting':
      if (crash) return { phase: 'Degraded', reason: crash.reason, message: crash.message, steps }
      return {
        phase: 'Starting',
        reason: reason || 'ComputeNotReady',
        message: message || 'The workspace is starting.',
        steps,
      }
    case 'running':
      break
  }
  switch (readiness.kind) {
    case 'ready':
      return { phase: 'Running', reason: 'ResourcesReady', message: 'The workspace is running.', steps }
    case 'waiting':
      // That its program runs once more is no news: people would be told to wait, and told otherwise, in turn.
      if (crash)
        return { phase: 'Degraded', reason: crash.reason, message: `${crash.message} ${readiness.message}`, steps }
      return { phase: 'Starting', reason: 'AccessNotReady', message: readiness.message, steps }
    case 'degraded':
      return { phase: 'Degraded', reason: readiness.reason, message: readiness.message, steps }
  }
}
