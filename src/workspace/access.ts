/**
 * May this identity use this port of this workspace? A pure decision over what is known; every allow names its grant.
 * On a cluster, Kubernetes RBAC is asked after a grant was found, never before: nobody can make the gateway ask about invented names.
 */
import type { Identity } from '#identity/identity.ts'
import type { Timestamp } from '#lib/clock.ts'
import { portForward, webUi } from './connections.ts'
import { isNarrowed, type ShareGrantee, type WorkspaceShare } from './share.ts'
import { ownerOf, type Workspace, type WorkspacePort } from './workspace.ts'

export type Grant =
  | { readonly kind: 'owner' }
  | { readonly kind: 'public' }
  | { readonly kind: 'share'; readonly share: WorkspaceShare; readonly until: Timestamp | undefined }
  | { readonly kind: 'administrator' }

export type DenyReason = 'no-grant' | 'port-not-granted' | 'connection-type-not-granted'

export type AccessDecision =
  | { readonly allowed: true; readonly grant: Grant }
  | { readonly allowed: false; readonly reason: DenyReason }

/** What the administrator decides about access. */
export interface AccessPolicy {
  /** For workspaces that say nothing. */
  readonly defaultAccessType: 'OwnerOnly' | 'Public'
  readonly administrators: { readonly groups: readonly string[]; readonly users: readonly string[] }
  /** Absent where nobody but the administrator writes objects, as on a laptop. */
  readonly trust?: Trust
}

/** What admission to the store keeps true of objects. What leans on something that nobody keeps true is off. */
export interface Trust {
  /** Who a workspace names as its owner is who made it. */
  readonly owners: boolean
  /** Shares, and the verdicts in their status, are written by those alone who may. */
  readonly shares: boolean
  /** Of a workspace our own account can change the wish to run alone, so that who has stolen it can do no more. */
  readonly starts: boolean
}

/** What is known of one workspace and its shares; shares that are not accepted, or name another UID, are not among them. */
export interface Subject {
  readonly workspace: Workspace
  readonly shares: readonly WorkspaceShare[]
}

export interface Wanted {
  readonly port: WorkspacePort
  readonly connectionType: string
}

export function decideAccess(
  subject: Subject,
  identity: Identity,
  wanted: Wanted,
  policy: AccessPolicy,
  now: Timestamp,
): AccessDecision {
  const grants = grantsOf(subject, identity, policy, now)
  if (grants.length === 0) return { allowed: false, reason: 'no-grant' }
  const onPort = grants.filter((grant) => coversPort(grant, wanted.port))
  if (onPort.length === 0) return { allowed: false, reason: 'port-not-granted' }
  const [grant] = onPort.filter((candidate) => coversConnectionType(candidate, wanted.connectionType))
  return grant ? { allowed: true, grant } : { allowed: false, reason: 'connection-type-not-granted' }
}

/** Every reason to let this identity in, the most lasting first. */
export function grantsOf(subject: Subject, identity: Identity, policy: AccessPolicy, now: Timestamp): readonly Grant[] {
  const grants: Grant[] = []
  if (isOwner(subject, identity, policy, now)) grants.push({ kind: 'owner' })
  if (isAdministrator(identity, policy)) grants.push({ kind: 'administrator' })
  if ((subject.workspace.spec.accessType ?? policy.defaultAccessType) === 'Public') grants.push({ kind: 'public' })
  return grants.concat(sharesFor(subject, identity, policy, now))
}

/** Start and stop: a Public workspace may be opened by everybody, but is started and stopped by the same people as any other. */
export function mayModify(subject: Subject, identity: Identity, policy: AccessPolicy, now: Timestamp): boolean {
  if (policy.trust?.starts === false) return false
  return (
    isOwner(subject, identity, policy, now) ||
    isAdministrator(identity, policy) ||
    sharesFor(subject, identity, policy, now).some((grant) => grant.share.spec.access === 'modify')
  )
}

/** Sharing on, and seeing who has access. */
export function mayShare(subject: Subject, identity: Identity, policy: AccessPolicy, now: Timestamp): boolean {
  return isOwner(subject, identity, policy, now) || isAdministrator(identity, policy)
}

export function isAdministrator(identity: Identity, policy: AccessPolicy): boolean {
  const { groups, users } = policy.administrators
  return users.includes(identity.username) || identity.groups.some((group) => groups.includes(group))
}

/**
 * The owner's name is compared only when there is one: an empty name owns nothing. An owner has all of a workspace, so that a share which appoints one and
 * is narrowed contradicts itself: it opens what it is narrowed to, and no more.
 */
function isOwner(subject: Subject, identity: Identity, policy: AccessPolicy, now: Timestamp): boolean {
  const owner = policy.trust?.owners === false ? undefined : ownerOf(subject.workspace)
  if (owner !== undefined && owner === identity.username) return true
  return sharesFor(subject, identity, policy, now).some(
    ({ share: { spec } }) => spec.access === 'own' && !isNarrowed(spec),
  )
}

type ShareGrant = Extract<Grant, { kind: 'share' }>

function sharesFor(subject: Subject, identity: Identity, policy: AccessPolicy, now: Timestamp): readonly ShareGrant[] {
  if (policy.trust?.shares === false) return []
  return subject.shares
    .filter((share) => isNamedIn(share, identity))
    .map((share): ShareGrant => ({ kind: 'share', share, until: expiryOf(share) }))
    .filter((grant) => grant.until === undefined || now < grant.until)
    .sort((a, b) => (b.until ?? Number.POSITIVE_INFINITY) - (a.until ?? Number.POSITIVE_INFINITY))
}

/** By name or by a group; whether the share is in force is another question. */
export function isNamedIn(share: WorkspaceShare, identity: Identity): boolean {
  return share.spec.grantees.some((grantee) => isGrantee(grantee, identity))
}

export function expiryOf(share: WorkspaceShare): Timestamp | undefined {
  return share.spec.expiresAt === undefined ? undefined : Date.parse(share.spec.expiresAt)
}

function isGrantee(grantee: ShareGrantee, identity: Identity): boolean {
  switch (grantee.kind) {
    case 'User':
      return grantee.name === identity.username
    case 'Group':
      return identity.groups.includes(grantee.name)
    case 'ServiceAccount':
      return (
        identity.kind === 'machine' &&
        identity.username === `system:serviceaccount:${grantee.namespace}:${grantee.name}`
      )
  }
}

function coversPort(grant: Grant, port: WorkspacePort): boolean {
  const ports = grant.kind === 'share' ? grant.share.spec.ports : undefined
  return ports === undefined || ports.includes(port.name)
}

/**
 * Only who has named it may have a port as it is, since whoever speaks there says who he is himself: no field of ours stands in between. What is open to
 * everybody is open to browsers; a shell is nothing that a whole company is given by one word.
 */
function coversConnectionType(grant: Grant, connectionType: string): boolean {
  switch (grant.kind) {
    case 'owner':
    case 'administrator':
      return true
    case 'public':
      return connectionType === webUi
    case 'share': {
      const types = grant.share.spec.connectionTypes
      return types === undefined ? connectionType !== portForward : types.includes(connectionType)
    }
  }
}

/** For logs, audit lines and people: `owner`, `share:team-a/for-bob`. */
export function sayGrant(grant: Grant): string {
  return grant.kind === 'share' ? `share:${grant.share.metadata.namespace}/${grant.share.metadata.name}` : grant.kind
}
