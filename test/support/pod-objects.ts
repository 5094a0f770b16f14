/** Pods and what owns them, as an API server sends them. */
import type { Timestamp } from '#lib/clock.ts'
import { parseWireObject, type WireObject } from '#resources/kubernetes/wire-object.ts'
import { type Owner, type OwnerKind, readOwner } from '#runtime/pods/owner.ts'
import { type Pod, readPod } from '#runtime/pods/pod.ts'

export interface OwnerFields {
  readonly kind: string
  readonly name: string
  readonly uid: string
  readonly apiVersion?: string
  readonly controller?: boolean
}

export interface PodFields {
  readonly name?: string
  readonly namespace?: string
  readonly uid?: string
  readonly owners?: readonly OwnerFields[]
  readonly createdAt?: Timestamp
  readonly isTerminating?: boolean
  readonly spec?: Readonly<Record<string, unknown>>
  readonly status?: Readonly<Record<string, unknown>>
}

const epoch = Date.parse('2026-01-01T00:00:00Z')

/** One that runs at 10.1.0.7 on the node 10.0.0.1, without an owner. */
export function wirePod(fields: PodFields = {}): WireObject {
  const { spec = {}, status = {} } = fields
  return parseWireObject({
    metadata: metadataOf({ name: 'pod', ...fields }),
    spec: { containers: [{ name: 'workspace' }], ...spec },
    status: { phase: 'Running', podIP: '10.1.0.7', hostIP: '10.0.0.1', ...running(), ...status },
  })
}

export function pod(fields: PodFields = {}): Pod {
  return readPod(wirePod(fields))
}

export function owner(kind: OwnerKind, fields: PodFields = {}): Owner {
  return readOwner(kind, parseWireObject({ metadata: metadataOf({ name: kind.toLowerCase(), uid: kind, ...fields }) }))
}

/** `status` of a pod whose main container is in this state. */
export function running(state: object = { running: { startedAt: '2026-01-01T00:00:05Z' } }, more: object = {}) {
  return { containerStatuses: [{ name: 'workspace', ready: true, restartCount: 0, state, ...more }] }
}

/** The owner reference to a workspace. */
export function workspaceOwner(name = 'nb', uid = 'w1'): OwnerFields {
  return { kind: 'Workspace', name, uid, apiVersion: 'workspace.jupyter.org/v1alpha1' }
}

/** The owner reference to one of `apps/v1`. */
export function appOwner(kind: OwnerKind, name = kind.toLowerCase(), uid: string = kind): OwnerFields {
  return { kind, name, uid, apiVersion: 'apps/v1' }
}

function metadataOf({
  name = '',
  namespace = 'team',
  uid = 'p1',
  owners = [],
  createdAt = epoch,
  isTerminating,
}: PodFields) {
  return {
    ...{ name, namespace, uid, resourceVersion: '1', creationTimestamp: new Date(createdAt).toISOString() },
    ownerReferences: owners.map((fields) => ({ controller: true, ...fields })),
    ...(isTerminating ? { deletionTimestamp: '2026-01-01T01:00:00Z' } : {}),
  }
}
