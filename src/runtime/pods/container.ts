/** The state of one container of a pod. */
import type { Timestamp } from '#lib/clock.ts'
import { type Fields, fieldsOf, numberOf, objectsOf, textOf, timeOf } from './json-fields.ts'

export interface Container {
  readonly name: string
  readonly isReady: boolean
  readonly restarts: number
  readonly state: ContainerState
  /** How its run before this one ended. */
  readonly last: Ending | undefined
}

export type ContainerState =
  | { readonly kind: 'waiting'; readonly reason: string; readonly message: string }
  | { readonly kind: 'running'; readonly since: Timestamp | undefined }
  | { readonly kind: 'ended'; readonly ending: Ending }
  | { readonly kind: 'unknown' }

export interface Ending {
  /** `Completed`, `Error`, `OOMKilled`, `StartError`, … */
  readonly reason: string
  readonly message: string
  readonly exitCode: number | undefined
  readonly began: Timestamp | undefined
  readonly at: Timestamp | undefined
}

export function readContainers(statuses: unknown): readonly Container[] {
  return objectsOf(statuses).map((status) => ({
    name: textOf(status.name),
    isReady: status.ready === true,
    restarts: numberOf(status.restartCount) ?? 0,
    state: readState(fieldsOf(status.state)),
    last: readEnding(fieldsOf(status.lastState).terminated),
  }))
}

function readState({ waiting, running, terminated }: Fields): ContainerState {
  const ending = readEnding(terminated)
  if (ending) return { kind: 'ended', ending }
  if (running !== undefined) return { kind: 'running', since: timeOf(fieldsOf(running).startedAt) }
  if (waiting === undefined) return { kind: 'unknown' }
  const { reason, message } = fieldsOf(waiting)
  return { kind: 'waiting', reason: textOf(reason), message: textOf(message) }
}

function readEnding(value: unknown): Ending | undefined {
  if (value === undefined) return undefined
  const { reason, message, exitCode, startedAt, finishedAt } = fieldsOf(value)
  return {
    ...{ reason: textOf(reason), message: textOf(message), exitCode: numberOf(exitCode) },
    ...{ began: timeOf(startedAt), at: timeOf(finishedAt) },
  }
}
