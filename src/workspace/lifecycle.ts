/** Start and stop: the wish is written to `spec.desiredStatus`, and nothing else of a Workspace ever is. */
import type { Resources } from '#resources/contract.ts'
import type { WorkspaceEntry } from './directory.ts'
import { type Workspace, workspaceKind } from './workspace.ts'

export type DesiredStatus = 'Running' | 'Stopped'

/** Done already: nothing is written. Throws `not_found`, `store_unavailable`, and `conflict` when it was re-created meanwhile. */
export async function wish(
  resources: Resources,
  entry: Pick<WorkspaceEntry, 'ref' | 'uid' | 'workspace'>,
  desiredStatus: DesiredStatus,
): Promise<Workspace> {
  if (entry.workspace.spec.desiredStatus === desiredStatus) {
    // As far as was heard: somebody may have asked for the opposite a moment ago, here or at another replica.
    const found = await resources.get(workspaceKind, entry.ref)
    if (found?.metadata.uid === entry.uid && found.spec.desiredStatus === desiredStatus) return entry.workspace
  }
  return resources.patchSpec(workspaceKind, entry.ref, { desiredStatus }, { uid: entry.uid })
}
