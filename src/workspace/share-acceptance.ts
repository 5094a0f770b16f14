/**
 * A share grants nothing until it was accepted: its author may share, its workspaces exist, and their UIDs are written down,
 * so that a namesake created later inherits nothing.
 */
import { hasCode } from '#errors.ts'
import type { Resources, Uid } from '#resources/contract.ts'
import { isNarrowed, type ShareStatus, shareKind, type WorkspaceShare } from './share.ts'

/**
 * Whose word a share is. `RbacGranted`: of somebody with the verb `share` on its workspaces, and `own` where it appoints owners.
 * `unverified`: somebody wrote the object, and nothing proves that he was allowed to share.
 */
export type Authorship = 'OwnerGranted' | 'AdministratorGranted' | 'RbacGranted' | 'ManifestGranted' | 'unverified'

/** For people. */
export const ownersHaveAll =
  'Owners have all of a workspace: leave out ports and connectionTypes, or choose another access.'

/** What the status of a share should say; a value, so that it can be compared before it is written. */
export function judgeShare(
  share: WorkspaceShare,
  authorship: Authorship,
  uidOf: (name: string) => Uid | undefined,
  now: string,
): ShareStatus {
  const found = share.spec.workspaces.map(({ name }) => ({ name, uid: uidOf(name) }))
  const missing = found.filter((named) => named.uid === undefined).map((named) => named.name)
  const verdict = (status: 'True' | 'False', reason: string, message: string): ShareStatus => ({
    workspaces: status === 'True' ? found.flatMap(({ name, uid }) => (uid === undefined ? [] : [{ name, uid }])) : [],
    observedGeneration: share.metadata.generation,
    conditions: [{ type: 'Accepted', status, reason, message, lastTransitionTime: now }],
  })
  if (authorship === 'unverified')
    return verdict('False', 'AuthorUnverified', 'Nothing proves that its author may share these workspaces.')
  if (share.spec.access === 'own' && isNarrowed(share.spec)) return verdict('False', 'OwnershipNarrowed', ownersHaveAll)
  if (missing.length > 0)
    return verdict('False', 'WorkspaceNotFound', `No such workspace in this namespace: ${missing.join(', ')}.`)
  if (share.spec.access === 'own' && authorship === 'OwnerGranted') {
    return verdict('False', 'OwnershipNotGranted', 'Only an administrator makes somebody an owner.')
  }
  return verdict('True', authorship, '')
}

export function isAccepted(share: WorkspaceShare): boolean {
  return share.status.conditions.some((condition) => condition.type === 'Accepted' && condition.status === 'True')
}

/** Does it still wait for a verdict on its present spec? */
export function isUnjudged(share: WorkspaceShare): boolean {
  return share.status.observedGeneration !== share.metadata.generation
}

/** Writes the verdict; a share changed or deleted meanwhile is judged again by whoever sees that change. */
export async function writeVerdict(
  resources: Resources,
  share: WorkspaceShare,
  status: ShareStatus,
): Promise<WorkspaceShare | undefined> {
  const { namespace, name, uid, resourceVersion } = share.metadata
  try {
    return await resources.patchStatus(shareKind, { namespace, name }, { ...status }, { uid, resourceVersion })
  } catch (error) {
    if (hasCode(error, 'conflict', 'not_found')) return undefined
    throw error
  }
}
