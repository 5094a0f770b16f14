/** Why somebody may or may not use a workspace: the checks of access, one by one, for its owner and administrators to read. */
import type { Identity } from '#identity/identity.ts'
import type { Timestamp } from '#lib/clock.ts'
import { type AccessPolicy, decideAccess, grantsOf, sayGrant } from '#workspace/access.ts'
import type { WorkspaceEntry } from '#workspace/directory.ts'
import { ownerOf } from '#workspace/workspace.ts'

export interface Check {
  readonly check: string
  readonly passed: boolean
  readonly detail: string
}

export interface Explanation {
  readonly allowed: boolean
  readonly grant: string | undefined
  readonly reason: string
  readonly checks: readonly Check[]
}

/** For the main port; a share that covers other ports only is listed with that. */
export function explainAccess(
  entry: WorkspaceEntry,
  identity: Identity,
  policy: AccessPolicy,
  now: Timestamp,
): Explanation {
  const [port] = entry.ports
  const decision = decideAccess(entry, identity, { port, connectionType: 'web-ui' }, policy, now)
  const found = grantsOf(entry, identity, policy, now)
  const owner = ownerOf(entry.workspace)
  const accessType = entry.workspace.spec.accessType ?? policy.defaultAccessType
  const has = (kind: string) => found.some((grant) => grant.kind === kind)
  const checks: Check[] = [
    {
      check: 'owner',
      passed: has('owner'),
      detail: owner === undefined ? 'The workspace names no owner.' : `The owner is ${owner}.`,
    },
    { check: 'public', passed: has('public'), detail: `The access type is ${accessType}.` },
    ...entry.shares.map((share): Check => {
      const name = share.metadata.name
      const applies = found.some((grant) => grant.kind === 'share' && grant.share === share)
      const ports = share.spec.ports === undefined ? 'all ports' : `the ports ${share.spec.ports.join(', ')}`
      const until = share.spec.expiresAt === undefined ? '' : ` until ${share.spec.expiresAt}`
      return { check: `share ${name}`, passed: applies, detail: `Gives ${share.spec.access} on ${ports}${until}.` }
    }),
    {
      check: 'administrators',
      passed: has('administrator'),
      detail: `Administrators are the groups ${policy.administrators.groups.join(', ') || '(none)'}.`,
    },
  ]
  return decision.allowed
    ? { allowed: true, grant: sayGrant(decision.grant), reason: `Allowed by ${sayGrant(decision.grant)}.`, checks }
    : { allowed: false, grant: undefined, reason: denials[decision.reason], checks }
}

const denials = {
  'no-grant': 'Not the owner, not public, no live share, no administrator.',
  'port-not-granted': 'A share exists, but not for the main port.',
  'connection-type-not-granted': 'A share exists, but not for this type of connection.',
} as const
