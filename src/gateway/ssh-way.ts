/** May somebody who knows a workspace come to it by this kind of connection, and why not? For pages, before anybody tries: a tunnel is admitted on its own. */
import type { Identity } from '#identity/identity.ts'
import type { Clock } from '#lib/clock.ts'
import { type AccessPolicy, decideAccess } from '#workspace/access.ts'
import type { WorkspaceEntry } from '#workspace/directory.ts'
import { problemOfDenial } from './denial.ts'
import { portOfTunnel, type TunnelPolicy, unmetByTunnel } from './tunnel-policy.ts'

export interface SshWayParts {
  readonly policy: AccessPolicy
  readonly tunnels: TunnelPolicy
  readonly clock: Clock
}

/** In words for him; `undefined` where he may. Whether it runs is another question, and so is RBAC. */
export function refusalOfWay(
  { policy, tunnels, clock }: SshWayParts,
  entry: WorkspaceEntry,
  identity: Identity,
  connectionType: string,
): string | undefined {
  const port = portOfTunnel(tunnels, entry, connectionType, undefined)
  if (!port) return problemOfDenial('connection-type-not-configured', 400).title
  const decision = decideAccess(entry, identity, { port, connectionType }, policy, clock.now())
  if (!decision.allowed) return `Nobody has given you ${connectionType}: a share can name it.`
  const unmet = unmetByTunnel(tunnels, entry, { dialect: 'tunnel', connectionType, instance: undefined })
  if (!unmet) return undefined
  const { title, detail = title } = problemOfDenial(unmet.reason, unmet.status, unmet.detail)
  // Of all kinds that it is true of it is said in the same words.
  return detail.replace(`${connectionType} needs`, 'this needs')
}
