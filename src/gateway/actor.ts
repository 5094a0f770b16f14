/** Who asks the console and the API for something, and whether he may: every refusal is written down. */
import type { Identity } from '#identity/identity.ts'
import type { Session } from '#identity/session.ts'
import type { Clock, Timestamp } from '#lib/clock.ts'
import type { Audit, AuditActor } from '#observe/audit.ts'
import { notFound, type Outcome, problem } from '#surface/problem.ts'
import { refKey, type WorkspaceRef } from '#surface/workspace-ref.ts'
import { type AccessPolicy, grantsOf, type Subject } from '#workspace/access.ts'
import type { Directory, WorkspaceEntry } from '#workspace/directory.ts'

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
  /** What those are told who do not hold it. */
  readonly refusal: string
}

export interface PermitParts {
  readonly directory: Directory
  readonly policy: AccessPolicy
  readonly audit: Audit
  readonly clock: Clock
}

/** The workspace, to those who hold the right. 403 to those who may only open it; 404 to those who may not even know. */
export function permit(parts: PermitParts, actor: Actor, ref: WorkspaceRef, right: Right): Outcome<WorkspaceEntry> {
  const { directory, policy, audit, clock } = parts
  const { identity } = actor.session
  const now = clock.now()
  const entry = directory.get(ref)
  const mayKnow = entry !== undefined && grantsOf(entry, identity, policy, now).length > 0
  if (mayKnow && right.isHeld(entry, identity, policy, now)) return { ok: true, value: entry }
  const reason = mayKnow ? `may-not-${right.name}` : entry ? 'no-grant' : 'no-such-workspace'
  audit.record({ event: 'deny', ...auditActor(actor), workspace: refKey(ref), port: undefined, reason })
  return { ok: false, problem: mayKnow ? problem('forbidden', 403, right.refusal) : notFound }
}
