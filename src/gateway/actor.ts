/** Who asks the console and the API for something, and whether he may: every refusal is written down. */
import type { Identity } from '#identity/identity.ts'
import type { Session } from '#identity/session.ts'
import type { Clock, Timestamp } from '#lib/clock.ts'
import type { Audit, AuditActor } from '#observe/audit.ts'
import type { ReviewQuestion } from '#resources/reviewer.ts'
import { notFound, type Outcome, problem } from '#surface/problem.ts'
import { refKey, type WorkspaceRef } from '#surface/workspace-ref.ts'
import { type AccessPolicy, grantsOf, type Subject } from '#workspace/access.ts'
import type { Directory, WorkspaceEntry } from '#workspace/directory.ts'
import { mayConnect, mayGrant } from '#workspace/reviewing.ts'
import type { Decision, Reviews } from '#workspace/reviews.ts'

/** An authenticated visitor, and the request he asks with. */
export interface Actor {
  readonly session: Session
  readonly requestId: string
  readonly address: string
}

/** The actor as the audit trail names him. */
export function auditActor(actor: Actor): AuditActor {
  const { session, requestId, address } = actor
  return { user: session.identity.username, session: session.name, requestId, client: address }
}

/** Something that not everybody may do who may open a workspace. */
export interface Right {
  /** For the audit trail: `start`, `share`. */
  readonly name: string
  readonly isHeld: (subject: Subject, identity: Identity, policy: AccessPolicy, now: Timestamp) => boolean
  /** In a cluster those hold it as well to whom RBAC gives this verb on the workspace. */
  readonly verb?: 'share'
  /** What those are told who do not hold it. */
  readonly refusal: string
}

export interface PermitParts {
  readonly directory: Directory
  readonly policy: AccessPolicy
  readonly reviews?: Reviews
  readonly audit: Audit
  readonly clock: Clock
}

/** Somebody who has a grant for a workspace, and may open it as far as RBAC is concerned. */
export type Acquaintance =
  | { readonly kind: 'knows'; readonly entry: WorkspaceEntry }
  | { readonly kind: 'stranger'; readonly reason: 'no-such-workspace' | 'no-grant' | 'rbac' }
  | { readonly kind: 'unavailable' }

type AcquaintanceParts = Pick<PermitParts, 'directory' | 'policy' | 'reviews' | 'clock'>

/** The first asks, the second sees the answer; a third for answers that a change has overtaken. */
const mostReviews = 3

/** Asks RBAC where there is a grant. The grant is looked at again after every wait: it may have been taken back meanwhile. */
export async function acquaint(parts: AcquaintanceParts, identity: Identity, ref: WorkspaceRef): Promise<Acquaintance> {
  for (let reviewed = 0; reviewed < mostReviews; reviewed += 1) {
    const known = acquaintance(parts, identity, ref)
    if (known.kind !== 'unasked') return known
    await known.reviews.decide(known.question)
  }
  return { kind: 'unavailable' }
}

type Unasked = { readonly kind: 'unasked'; readonly reviews: Reviews; readonly question: ReviewQuestion }

function acquaintance(parts: AcquaintanceParts, identity: Identity, ref: WorkspaceRef): Acquaintance | Unasked {
  const { directory, policy, reviews, clock } = parts
  const entry = directory.get(ref)
  if (!entry) return { kind: 'stranger', reason: 'no-such-workspace' }
  const [grant] = grantsOf(entry, identity, policy, clock.now())
  if (!grant) return { kind: 'stranger', reason: 'no-grant' }
  if (!reviews) return { kind: 'knows', entry }
  const question = mayConnect(reviews, entry, identity, grant)
  const { kind } = reviews.standing(question)
  switch (kind) {
    case 'allowed':
      return { kind: 'knows', entry }
    case 'denied':
      return { kind: 'stranger', reason: 'rbac' }
    case 'unavailable':
      return { kind }
    case 'unasked':
      return { kind, reviews, question }
  }
}

/** Neither a yes nor a no would be true: the API server does not answer. */
export const notNow = problem('store_unavailable', 503)

/** The workspace, to those who hold the right. 403 to those who may only open it; 404 to those who may not even know. */
export async function permit(
  parts: PermitParts,
  actor: Actor,
  ref: WorkspaceRef,
  right: Right,
): Promise<Outcome<WorkspaceEntry>> {
  const { policy, audit, clock } = parts
  const { identity } = actor.session
  const known = await acquaint(parts, identity, ref)
  if (known.kind === 'unavailable') return { ok: false, problem: notNow }
  if (known.kind === 'knows') {
    const { entry } = known
    if (right.isHeld(entry, identity, policy, clock.now())) return { ok: true, value: entry }
    const decision = right.verb === undefined ? 'denied' : await decideRight(parts, right.verb, entry, identity)
    if (decision === 'allowed') return { ok: true, value: entry }
    if (decision === 'unavailable') return { ok: false, problem: notNow }
  }
  const reason = known.kind === 'knows' ? `may-not-${right.name}` : known.reason
  audit.record({ event: 'deny', ...auditActor(actor), workspace: refKey(ref), port: undefined, reason })
  return { ok: false, problem: known.kind === 'knows' ? problem('forbidden', 403, right.refusal) : notFound }
}

/** A right by RBAC, of somebody who has a grant already. */
export async function decideRight(
  { reviews }: Pick<PermitParts, 'reviews'>,
  verb: 'share' | 'own',
  entry: WorkspaceEntry,
  identity: Identity,
): Promise<Decision> {
  return reviews ? reviews.decide(mayGrant(verb, entry, identity)) : 'denied'
}
