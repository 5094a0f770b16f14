/** What happened to a pod on its way, for the page that waits: what it tells of itself, and what events tell of it. Pure. */
import type { Timestamp } from '#lib/clock.ts'
import { printable } from '#observe/printable.ts'
import type { InstanceStep } from '#runtime/contract.ts'
import type { Container, Ending } from './container.ts'
import { type Fields, fieldsOf, objectsOf, textOf, timeOf } from './json-fields.ts'
import { conditionOf, type Pod } from './pod.ts'

export const longestStory = 30
const longestMessage = 400

/** In the order of time; where an event tells of a thing, the pod does not tell it as well. */
export function stepsOf(pod: Pod, events: readonly InstanceStep[]): readonly InstanceStep[] {
  const told = new Set(events.map(({ reason }) => reason))
  const own = ownSteps(pod).filter(({ reason }) => !told.has(reason))
  return [...own, ...events].sort(byTime).slice(-longestStory)
}

function ownSteps(pod: Pod): readonly InstanceStep[] {
  const scheduled = conditionOf(pod, 'PodScheduled')
  const network = conditionOf(pod, 'PodReadyToStartContainers')
  return [
    ...(scheduled?.isTrue ? step(scheduled.since, 'normal', 'Scheduled', 'A machine was found for it.') : []),
    ...(scheduled && !scheduled.isTrue ? step(scheduled.since, 'warning', 'FailedScheduling', scheduled.message) : []),
    ...(network?.isTrue ? step(network.since, 'normal', 'NetworkReady', 'Its network and volumes are there.') : []),
    ...pod.initContainers.flatMap((container) => endings(container, `The preparation step '${container.name}'`)),
    ...(pod.main ? endings(pod.main, 'Its program') : []),
    ...(pod.main?.state.kind === 'running'
      ? step(pod.main.state.since, 'normal', 'Started', 'Its program was started.')
      : []),
  ]
}

function endings({ state, last }: Container, who: string): readonly InstanceStep[] {
  const all: readonly (Ending | undefined)[] = [last, state.kind === 'ended' ? state.ending : undefined]
  return all.flatMap((ending) => {
    if (!ending || ending.exitCode === 0) return []
    const how =
      ending.reason === 'OOMKilled'
        ? 'needed more memory than it may use.'
        : `ended with exit code ${ending.exitCode ?? '?'}.`
    return step(ending.at, 'warning', ending.reason === 'OOMKilled' ? 'OOMKilled' : 'ProcessExited', `${who} ${how}`)
  })
}

function step(
  at: Timestamp | undefined,
  kind: InstanceStep['kind'],
  reason: string,
  message: string,
): readonly InstanceStep[] {
  return at === undefined
    ? []
    : [{ at, kind, reason: printable(reason, 64), message: printable(message, longestMessage) }]
}

/** Of a list of `events.v1` of the core group, all of one pod; repeated ones count at their last time. */
export function readEvents(list: unknown): readonly InstanceStep[] {
  const steps = objectsOf(fieldsOf(list).items).flatMap((event) =>
    step(
      timeOfEvent(event),
      event.type === 'Warning' ? 'warning' : 'normal',
      textOf(event.reason),
      textOf(event.message),
    ),
  )
  return steps.sort(byTime).slice(-longestStory)
}

function timeOfEvent(event: Fields): Timestamp | undefined {
  const times = [fieldsOf(event.series).lastObservedTime, event.lastTimestamp, event.eventTime, event.firstTimestamp]
  return times.map(timeOf).find((time) => time !== undefined)
}

/** The same whatever the order they came in. */
function byTime(a: InstanceStep, b: InstanceStep): number {
  return a.at - b.at || rankOf(a) - rankOf(b) || compare(a.reason, b.reason) || compare(a.message, b.message)
}

/** The usual course of a start. Kubernetes tells times in whole seconds, in which much can happen. */
const course: readonly string[] = ['Scheduled', 'NetworkReady', 'Pulling', 'Pulled', 'Created', 'Started']

/** What goes wrong comes after what was tried. */
function rankOf({ reason }: InstanceStep): number {
  const rank = course.indexOf(reason)
  return rank < 0 ? course.length : rank
}

function compare(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}
