/** What is said of the agent of a workspace to those who may see it: is it connected, since when, and is there anything wrong with it? */
import { hasCode } from '#errors.ts'
import type { LinkVisit } from '#link/link-visits.ts'
import type { WorkspaceView } from '#surface/messages.ts'
import type { Directory } from '#workspace/directory.ts'

export interface AgentStandingParts {
  readonly directory: Pick<Directory, 'get'>
  /** Absent: no workspace has one. */
  readonly agents?: {
    readonly isFor: (namespace: string) => boolean
    readonly links: { has(instance: string): boolean }
    readonly visits: { of(instance: string): LinkVisit | undefined }
    /** Absent: there is no other replica. */
    readonly peers?: object
    /** Whether another replica has links of it. Throws `store_unavailable`. */
    readonly isElsewhere: (instance: string) => Promise<boolean>
  }
}

/** The view with it, where the workspace is reached through one and runs. */
export async function withAgent(
  { directory, agents }: AgentStandingParts,
  view: WorkspaceView | undefined,
): Promise<WorkspaceView | undefined> {
  const instance = view && agents?.isFor(view.namespace) ? directory.get(view)?.instance?.instanceUid : undefined
  if (!view || !agents || instance === undefined) return view
  const visit = agents.visits.of(instance)
  if (agents.links.has(instance)) return { ...view, agent: { connected: true, ...said(visit, true) } }
  try {
    if (await agents.isElsewhere(instance)) return { ...view, agent: { connected: true } }
    // Since when it is at none of several replicas, none of them knows.
    return { ...view, agent: { connected: false, ...(agents.peers ? {} : said(visit, false)) } }
  } catch (error) {
    if (hasCode(error, 'store_unavailable')) return view
    throw error
  }
}

function said(visit: LinkVisit | undefined, isHere: boolean) {
  return visit?.isHere === isHere ? { since: new Date(visit.since).toISOString(), holds: visit.canHold } : {}
}
