/** Objects for the tests of the `Resources` contract: real kinds, so that a cluster with the project's CRDs can serve them too. */
import { randomBytes } from 'node:crypto'
import type { NewResource, ObjectName, OwnerReference, Resource } from '#resources/contract.ts'
import type { WorkspaceShare } from '#workspace/share.ts'
import type { Workspace } from '#workspace/workspace.ts'

const run = randomBytes(3).toString('hex')

/** Of this run alone, since a cluster may serve several at once. Exist in every implementation under test. */
export const namespaces = [`team-a-${run}`, `team-b-${run}`] as const

/** A name that no other test has, so that tests can share one store. */
export function freshName(): string {
  return `nb-${randomBytes(5).toString('hex')}`
}

export function newWorkspace(overrides: Partial<NewResource<Workspace>['metadata']> = {}): NewResource<Workspace> {
  return {
    metadata: { namespace: namespaces[0], name: freshName(), ...overrides },
    spec: { displayName: 'Notebook', desiredStatus: 'Stopped' },
  }
}

export function newShare(ownerReferences: readonly OwnerReference[]): NewResource<WorkspaceShare> {
  return {
    metadata: { namespace: namespaces[0], name: freshName(), ownerReferences },
    spec: { workspaces: [{ name: 'nb' }], grantees: [{ kind: 'User', name: 'bob' }], access: 'connect' },
  }
}

export function ownerReference(owner: Resource): OwnerReference {
  const { apiVersion, kind, metadata } = owner
  return { apiVersion, kind, name: metadata.name, uid: metadata.uid }
}

export function nameOf({ metadata: { namespace, name } }: { metadata: ObjectName }): ObjectName {
  return { namespace, name }
}
