/**
 * Whose pod it is: from controller to controller, by UIDs, up to a Workspace. Labels prove nothing, since whoever makes a pod writes them; an owner
 * reference that names a UID is made good by the object that has it, in the pod's own namespace, as the garbage collector understands it
 * (Kubernetes, "Owners and Dependents": an owner in another namespace is none).
 */
import type { OwnerReference, Uid } from '#resources/contract.ts'
import type { WireObject } from '#resources/kubernetes/wire-object.ts'
import type { Followed } from '#resources/source.ts'
import { parseWorkspaceRef, type WorkspaceRef } from '#surface/workspace-ref.ts'
import { controllerOf, identityOf, type Pod } from './pod.ts'

/** What may stand between a Pod and its Workspace. */
export const ownerKinds = ['ReplicaSet', 'Deployment', 'StatefulSet'] as const
export type OwnerKind = (typeof ownerKinds)[number]

/** An object between a Pod and its Workspace, as its metadata tells. */
export interface Owner extends Followed {
  readonly kind: OwnerKind
  readonly owner: OwnerReference | undefined
}

export function readOwner(kind: OwnerKind, { metadata }: WireObject): Owner {
  return { metadata: identityOf(metadata), kind, owner: controllerOf(metadata.ownerReferences) }
}

export interface Belonging {
  readonly ref: WorkspaceRef
  readonly workspaceUid: Uid
}

/** Each kind and what it is controlled by; anything else belongs to nobody. */
const above: Readonly<Record<'Pod' | OwnerKind, readonly string[]>> = {
  Pod: ['ReplicaSet', 'StatefulSet', 'Workspace'],
  ReplicaSet: ['Deployment'],
  Deployment: ['Workspace'],
  StatefulSet: ['Workspace'],
}

/**
 * Whether there is such a Workspace with that UID is not known here. `undefined` as soon as one link is missing, or names an object that is
 * not what it is named.
 */
export function belongingOf(pod: Pod, owners: ReadonlyMap<Uid, Owner>): Belonging | undefined {
  let kind: 'Pod' | OwnerKind = 'Pod'
  let reference = pod.owner
  // Each step goes up in `above`, which has no cycle.
  while (reference && above[kind].includes(reference.kind) && isOfGroup(reference)) {
    if (reference.kind === 'Workspace') return belongingTo(pod.metadata.namespace, reference)
    const owner = owners.get(reference.uid)
    if (!owner || !isNamed(owner, reference, pod.metadata.namespace)) return undefined
    kind = owner.kind
    reference = owner.owner
  }
  return undefined
}

function belongingTo(namespace: string, { name, uid }: OwnerReference): Belonging | undefined {
  const ref = parseWorkspaceRef(namespace, name)
  return ref && { ref, workspaceUid: uid }
}

function isNamed({ kind, metadata }: Owner, reference: OwnerReference, namespace: string): boolean {
  return kind === reference.kind && metadata.name === reference.name && metadata.namespace === namespace
}

function isOfGroup({ apiVersion, kind }: OwnerReference): boolean {
  const group = kind === 'Workspace' ? 'workspace.jupyter.org' : 'apps'
  return apiVersion.startsWith(`${group}/`)
}
