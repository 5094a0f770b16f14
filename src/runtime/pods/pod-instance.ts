/** One pod as an instance, and which of several pods of one workspace it is. Pure. */
import type { Endpoint, Endpoints, Instance, InstanceStep, InstanceUid } from '#runtime/contract.ts'
import type { Belonging } from './owner.ts'
import { conditionOf, isOver, type Pod } from './pod.ts'
import type { PodAddress } from './pod-address.ts'
import { stateOfPod } from './pod-state.ts'
import { stepsOf } from './pod-steps.ts'

export function instanceOf(
  pod: Pod,
  belonging: Belonging,
  address: PodAddress,
  events: readonly InstanceStep[],
  isByAgent = false,
): Instance {
  const { instanceUid } = pod
  return { ...belonging, instanceUid, ...placed(stateOfPod(pod), pod, address, isByAgent), steps: stepsOf(pod, events) }
}

type Placed = Pick<Instance, 'phase' | 'reason' | 'message' | 'endpoints'>

/** It runs for people only once it can be reached. */
function placed(state: Omit<Placed, 'endpoints'>, pod: Pod, address: PodAddress, isByAgent: boolean): Placed {
  if (state.phase !== 'running') return { ...state, endpoints: nowhere }
  switch (address.kind) {
    case 'good':
      return {
        ...state,
        endpoints: isByAgent ? behindAgent(pod.instanceUid) : endpointsAt(pod.instanceUid, address.address),
      }
    case 'none':
      return { phase: 'starting', reason: 'NoAddress', message: 'It has no address yet.', endpoints: nowhere }
    case 'refused':
      return {
        phase: 'failed',
        reason: 'AddressRefused',
        message: `Its address ${address.why}, where no workspace may be.`,
        endpoints: nowhere,
      }
  }
}

const nowhere: Endpoints = { get: () => undefined }

/** Any port that somebody declared: whether a Service names it as well is of no interest. */
function endpointsAt(instanceUid: InstanceUid, host: string): Endpoints {
  return { get: (port): Endpoint => ({ kind: 'pod', instanceUid, host, port }) }
}

/** Its agent leads to those of them alone that it was started for. */
function behindAgent(instanceUid: InstanceUid): Endpoints {
  return { get: (port): Endpoint => ({ kind: 'agent', instanceUid, port }) }
}

/**
 * Upstream runs one pod at a time; while one follows another there may be two, and a pod that was evicted stays behind. Alive before ended, ready
 * before not, then the newest; and last by UID, so that every replica says the same.
 */
export function choosePod(pods: readonly Pod[]): Pod | undefined {
  return [...pods].sort(
    (a, b) =>
      Number(a.isTerminating) - Number(b.isTerminating) ||
      Number(isOver(a)) - Number(isOver(b)) ||
      Number(isReady(b)) - Number(isReady(a)) ||
      b.createdAt - a.createdAt ||
      (a.instanceUid < b.instanceUid ? -1 : 1),
  )[0]
}

function isReady(pod: Pod): boolean {
  return conditionOf(pod, 'Ready')?.isTrue === true
}
