/** What Kubernetes RBAC is asked about workspaces, in the words of the upstream contract and of the admission policies in `config/`. */
import type { Identity } from '#identity/identity.ts'
import type { Action, Reviewer, ReviewQuestion } from '#resources/reviewer.ts'
import type { Grant } from './access.ts'
import type { DirectoryChange, WorkspaceEntry } from './directory.ts'
import type { Reviews } from './reviews.ts'
import { ownerOf } from './workspace.ts'

const connecting: Action = {
  verb: 'create',
  group: 'connection.workspace.jupyter.org',
  resource: 'workspaceconnections',
}

/** May he open workspaces of this namespace, whatever his grants? */
export function mayConnectIn(namespace: string, subject: Identity): ReviewQuestion {
  return { subject, namespace, action: connecting }
}

/**
 * May he open this one, under this grant? One question a namespace, and so one answer for all of its workspaces; with upstream's own access
 * review, one a workspace. That review knows owners and public workspaces alone, so that a share or an administrator's grant needs the plain
 * right.
 */
export function mayConnect(
  reviews: Pick<Reviewer, 'isPerWorkspace'>,
  entry: WorkspaceEntry,
  subject: Identity,
  grant: Grant,
): ReviewQuestion {
  const { namespace, name } = entry.ref
  const isUpstreams =
    grant.kind === 'public' || (grant.kind === 'owner' && ownerOf(entry.workspace) === subject.username)
  if (!reviews.isPerWorkspace || !isUpstreams) return mayConnectIn(namespace, subject)
  return { subject, namespace, action: { ...connecting, name } }
}

/** May he share what is somebody else's (`share`), or appoint owners (`own`)? */
export function mayGrant(verb: 'share' | 'own', entry: Pick<WorkspaceEntry, 'ref'>, subject: Identity): ReviewQuestion {
  const { namespace, name } = entry.ref
  return { subject, namespace, action: { verb, group: 'workspace.jupyter.org', resource: 'workspaces', name } }
}

/** From now on answers from before a change of a workspace or its shares count no more in its namespace. */
export function dropOnChange(
  reviews: Pick<Reviews, 'changed'>,
  directory: { subscribe(listener: (change: DirectoryChange) => void): Disposable },
): Disposable {
  return directory.subscribe((change) => {
    if (isAnotherAccess(change)) reviews.changed(change.ref.namespace)
  })
}

/** What runs, and how well, is nothing that access rests on. */
function isAnotherAccess({ before, after }: DirectoryChange): boolean {
  if (!before || !after) return true
  return (
    before.uid !== after.uid ||
    before.workspace.metadata.generation !== after.workspace.metadata.generation ||
    ownerOf(before.workspace) !== ownerOf(after.workspace) ||
    before.shares.length !== after.shares.length ||
    before.shares.some((share, at) => share.metadata.resourceVersion !== after.shares[at]?.metadata.resourceVersion)
  )
}
