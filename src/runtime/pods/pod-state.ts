/** What a pod is doing, in the words of an instance: a phase, a reason for machines, and a message that a person understands. Pure. */
import type { Milliseconds } from '#lib/clock.ts'
import { printable } from '#observe/printable.ts'
import type { Crash, Instance } from '#runtime/contract.ts'
import type { Container, Ending } from './container.ts'
import { conditionOf, isOver, type Pod } from './pod.ts'

export type PodState = Pick<Instance, 'phase' | 'reason' | 'message' | 'crash'>

export function stateOfPod(pod: Pod): PodState {
  if (pod.isTerminating) return { phase: 'stopping', reason: 'Terminating', message: 'The workspace is being ended.' }
  if (isOver(pod)) return stateOfEnded(pod)
  const unplaced = stateOfUnplaced(pod)
  if (unplaced) return unplaced
  const init = pod.initContainers.map(stateOfInit).find((state) => state !== undefined)
  return init ?? stateOfMain(pod.main)
}

/** Characters of what Kubernetes says. */
const longestMessage = 400

function quote(message: string): string {
  return message === '' ? '.' : `: ${printable(message, longestMessage)}`
}

const starting: PodState = { phase: 'starting', reason: '', message: '' }

/** A program that ends by itself, even without an error, leaves a workspace that nobody can use. */
function stateOfEnded(pod: Pod): PodState {
  if (pod.reason !== '') {
    const what = pod.reason === 'Evicted' ? 'Its machine had to end it' : `It was ended (${printable(pod.reason, 60)})`
    return { phase: 'failed', reason: camel(pod.reason), message: `${what}${quote(pod.message)}` }
  }
  const containers = [...pod.initContainers.filter(hasFailed), ...(pod.main ? [pod.main] : [])]
  const [ended] = containers.flatMap(({ state }) => (state.kind === 'ended' ? [state.ending] : []))
  return ended
    ? failure(ended, 'Its program')
    : { phase: 'failed', reason: 'Ended', message: `It ended${quote(pod.message)}` }
}

function stateOfUnplaced(pod: Pod): PodState | undefined {
  const scheduled = conditionOf(pod, 'PodScheduled')
  if (scheduled === undefined || scheduled.isTrue) return undefined
  const reason = camel(scheduled.reason)
  const what = reason === 'SchedulingGated' ? 'It waits for its turn' : 'No machine has room for it now'
  return { phase: 'starting', reason, message: `${what}${quote(scheduled.message)}` }
}

/** `undefined` where it does not hold up the start. One that restarts for ever is a sidecar. */
function stateOfInit(container: Container): PodState | undefined {
  const { state } = container
  switch (state.kind) {
    case 'ended':
      return hasFailed(container)
        ? failure(state.ending, `The preparation step '${printable(container.name, 63)}'`)
        : undefined
    case 'waiting':
      return stateOfWaiting(container, `The preparation step '${printable(container.name, 63)}'`)
    case 'running':
      return container.isReady
        ? undefined
        : {
            phase: 'starting',
            reason: 'Initializing',
            message: `The preparation step '${printable(container.name, 63)}' runs.`,
          }
    case 'unknown':
      return undefined
  }
}

function stateOfMain(container: Container | undefined): PodState {
  if (container === undefined) return starting
  switch (container.state.kind) {
    case 'running':
      return { phase: 'running', reason: '', message: '', ...crashBefore(container) }
    case 'ended':
      return failure(container.state.ending, 'Its program')
    case 'waiting':
      return stateOfWaiting(container, 'Its program') ?? starting
    case 'unknown':
      return starting
  }
}

/** After a run of this length the kubelet begins its pauses anew. */
const goodRun: Milliseconds = 10 * 60_000

function crashBefore({ restarts, last }: Container): Pick<PodState, 'crash'> {
  if (restarts === 0 || last === undefined) return {}
  const lasted = (last.at ?? 0) - (last.began ?? 0)
  if (lasted >= goodRun) return {}
  const { reason, message } = crashed(last, 'Its program')
  return { crash: { reason, message: `${message} It was started again.` } }
}

/** What Kubernetes tries again, with growing pauses, but nobody should wait for. */
const hopeless: ReadonlyMap<string, string> = new Map([
  ['ErrImagePull', "Its image can't be pulled"],
  ['ImagePullBackOff', "Its image can't be pulled"],
  ['ErrImageNeverPull', 'Its image is not on the machine and may not be pulled'],
  ['InvalidImageName', 'Its image has no valid name'],
  ['ImageInspectError', "Its image can't be read"],
  ['RegistryUnavailable', "The registry of its image can't be reached"],
  ['SignatureValidationFailed', 'The signature of its image is not valid'],
  ['CreateContainerConfigError', 'Something that it needs is missing'],
  ['CreateContainerError', "It can't be set up"],
  ['RunContainerError', "Its program can't be started"],
  ['StartError', "Its program can't be started"],
])

function stateOfWaiting({ state, last }: Container, who: string): PodState | undefined {
  if (state.kind !== 'waiting') return undefined
  if (state.reason === 'CrashLoopBackOff') {
    if (last === undefined) return { phase: 'failed', reason: state.reason, message: `${who} ends again and again.` }
    const { reason, message } = crashed(last, who)
    return { phase: 'failed', reason, message: `${message} It is started again in a while.` }
  }
  const what = hopeless.get(state.reason)
  return what === undefined
    ? undefined
    : { phase: 'failed', reason: state.reason, message: `${what}${quote(state.message)}` }
}

function crashed(last: Ending, who: string): Crash {
  const { reason, message } = failure(last, who)
  return {
    reason: reason === 'OOMKilled' ? reason : 'CrashLoopBackOff',
    message: /[.!?…]$/.test(message) ? message : `${message}.`,
  }
}

function failure({ reason, message, exitCode }: Ending, who: string): PodState {
  if (reason === 'OOMKilled') {
    return { phase: 'failed', reason, message: `${who} needed more memory than it may use, and was ended.` }
  }
  const how = exitCode === undefined ? 'ended' : `ended with exit code ${exitCode}`
  return { phase: 'failed', reason: 'ProcessExited', message: `${who} ${how}${quote(message)}` }
}

function hasFailed({ state }: Container): boolean {
  return state.kind === 'ended' && state.ending.exitCode !== 0
}

/** Reasons are CamelCase by convention, which nobody checks. */
function camel(reason: string): string {
  return /^[A-Za-z][A-Za-z0-9]{0,63}$/.test(reason) ? reason : 'Unknown'
}
