/** Why somebody may or may not use a workspace: the checks of access, one by one, for its owner and administrators to read. */
import type { Identity } from '#identity/identity.ts'
import type { Timestamp } from '#lib/clock.ts'
import { type AccessPolicy, decideAccess, type Grant, grantsOf, isNamedIn, sayGrant } from '#workspace/access.ts'
import type { WorkspaceEntry } from '#workspace/directory.ts'
import type { Decision } from '#workspace/reviews.ts'
import type { WorkspaceShare } from '#workspace/share.ts'
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

/** What RBAC said of him, or that it was not asked because he has no grant. */
export type ReviewAnswer = Decision | 'unasked'

/** For the main port; a share that covers other ports only is listed with that. `review`: `undefined` where there is no cluster. */
export function explainAccess(
  entry: WorkspaceEntry,
  identity: Identity,
  policy: AccessPolicy,
  now: Timestamp,
  review: ReviewAnswer | undefined,
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
    ...entry.shares.map((share) => shareCheck(share, identity, found)),
    {
      check: 'administrators',
      passed: has('administrator'),
      detail: `Administrators are the groups ${policy.administrators.groups.join(', ') || '(none)'}.`,
    },
    ...(review === undefined ? [] : [reviewCheck(entry, review)]),
  ]
  if (!decision.allowed) return { allowed: false, grant: undefined, reason: denials[decision.reason], checks }
  const grant = sayGrant(decision.grant)
  if (review === undefined || review === 'allowed')
    return { allowed: true, grant, reason: `Allowed by ${grant}.`, checks }
  return { allowed: false, grant, reason: reviewDenials[review], checks }
}

function shareCheck(share: WorkspaceShare, identity: Identity, found: readonly Grant[]): Check {
  const { access, ports, expiresAt } = share.spec
  const where = ports === undefined ? 'all ports' : `the ports ${ports.join(', ')}`
  const until = expiresAt === undefined ? '' : ` until ${expiresAt}`
  const passed = found.some((grant) => grant.kind === 'share' && grant.share === share)
  const failing = isNamedIn(share, identity) ? ' It is not in force.' : ' It does not name them.'
  const detail = `Gives ${access} on ${where}${until}.${passed ? '' : failing}`
  return { check: `share ${share.metadata.name}`, passed, detail }
}

function reviewCheck({ ref }: WorkspaceEntry, review: ReviewAnswer): Check {
  const right = `create workspaceconnections.connection.workspace.jupyter.org in the namespace ${ref.namespace}`
  return { check: 'kubernetes rbac', passed: review === 'allowed', detail: `To ${right}: ${reviewDetails[review]}.` }
}

const reviewDetails = {
  allowed: 'allowed',
  denied: 'not allowed',
  unavailable: 'the API server does not answer',
  unasked: 'not asked, since there is no grant',
} as const

const reviewDenials = {
  denied: 'Kubernetes RBAC does not let them open workspaces of this namespace.',
  unavailable: 'Nobody can tell at the moment: the API server does not answer.',
  unasked: 'There was no grant a moment ago. Ask again.',
} as const

const denials = {
  'no-grant': 'Not the owner, not public, no live share, no administrator.',
  'port-not-granted': 'A share exists, but not for the main port.',
  'connection-type-not-granted': 'A share exists, but not for this type of connection.',
} as const
