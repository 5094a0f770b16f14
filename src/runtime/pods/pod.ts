/** What is kept of a Pod of the core group: a tenth of it. Whatever a pod says of itself may have been written by anybody with rights on `pods/status`. */
import type { Timestamp } from '#lib/clock.ts'
import type { OwnerReference } from '#resources/contract.ts'
import type { WireObject } from '#resources/kubernetes/wire-object.ts'
import type { Followed } from '#resources/source.ts'
import type { InstanceUid } from '#runtime/contract.ts'
import { type Container, readContainers } from './container.ts'
import { type Fields, fieldsOf, objectsOf, textOf, timeOf } from './json-fields.ts'
import { cpuOf } from './quantity.ts'

export interface Pod extends Followed {
  /** Its UID. */
  readonly instanceUid: InstanceUid
  readonly createdAt: Timestamp
  /** The one that controls it. */
  readonly owner: OwnerReference | undefined
  /** It was told to end. */
  readonly isTerminating: boolean
  readonly isOnHostNetwork: boolean
  /** As they were written. */
  readonly podIP: string
  readonly hostIP: string
  /** `Pending`, `Running`, `Succeeded`, `Failed`, `Unknown`. */
  readonly phase: string
  /** Of the whole pod: `Evicted`, `NodeLost`. */
  readonly reason: string
  readonly message: string
  readonly conditions: readonly PodCondition[]
  readonly initContainers: readonly Container[]
  /** The one that people work in: named `workspace`, or else the first. */
  readonly main: Container | undefined
  /** Cores that all of it together may use; `undefined` where one of its containers has no limit. */
  readonly cpuLimit: number | undefined
}

export interface PodCondition {
  readonly type: string
  readonly isTrue: boolean
  readonly reason: string
  readonly message: string
  readonly since: Timestamp | undefined
}

/** Upstream's name of it. */
const mainContainer = 'workspace'

export function readPod({ metadata, deletionTimestamp, body }: WireObject): Pod {
  const spec = fieldsOf(body.spec)
  const status = fieldsOf(body.status)
  const names = objectsOf(spec.containers).map(({ name }) => textOf(name))
  const main = names.includes(mainContainer) ? mainContainer : names[0]
  return {
    metadata: identityOf(metadata),
    // A pod is an instance, and this is where pods come from.
    instanceUid: metadata.uid as string as InstanceUid,
    createdAt: timeOf(metadata.creationTimestamp) ?? 0,
    owner: controllerOf(metadata.ownerReferences),
    isTerminating: deletionTimestamp !== undefined,
    isOnHostNetwork: spec.hostNetwork === true,
    ...{ podIP: textOf(status.podIP), hostIP: textOf(status.hostIP) },
    ...{ phase: textOf(status.phase), reason: textOf(status.reason), message: textOf(status.message) },
    conditions: objectsOf(status.conditions).map((condition) => ({
      type: textOf(condition.type),
      isTrue: condition.status === 'True',
      reason: textOf(condition.reason),
      message: textOf(condition.message),
      since: timeOf(condition.lastTransitionTime),
    })),
    initContainers: readContainers(status.initContainerStatuses),
    main: readContainers(status.containerStatuses).find(({ name }) => name === main),
    cpuLimit: cpuLimitOf(objectsOf(spec.containers)),
  }
}

function cpuLimitOf(containers: readonly Fields[]): number | undefined {
  const limits = containers.map(({ resources }) => cpuOf(fieldsOf(fieldsOf(resources).limits).cpu))
  return limits.reduce((sum, one) => (sum === undefined || one === undefined ? undefined : sum + one), 0)
}

/** Without labels and annotations, which nobody asks for and which may be long. */
export function identityOf({ namespace, name, uid, resourceVersion }: Followed['metadata']): Followed['metadata'] {
  return { namespace, name, uid, resourceVersion }
}

/** There is one at most; of two, which no API server lets through, none counts. */
export function controllerOf(owners: readonly OwnerReference[]): OwnerReference | undefined {
  const controllers = owners.filter((owner) => owner.controller === true)
  return controllers.length === 1 ? controllers[0] : undefined
}

export function conditionOf(pod: Pod, type: string): PodCondition | undefined {
  return pod.conditions.find((condition) => condition.type === type)
}

/** It will never run again. */
export function isOver(pod: Pod): boolean {
  return pod.phase === 'Succeeded' || pod.phase === 'Failed'
}
