/** What the console and the API ask about sessions: one's own, and ending them. */

import type { Identity } from '#identity/identity.ts'
import type { Session } from '#identity/session.ts'
import { parseSessionName } from '#identity/session-id.ts'
import type { Audit, AuditActor } from '#observe/audit.ts'
import type { Actor } from '#routes/visitor.ts'
import type { SessionView } from '#surface/messages.ts'
import { notFound, type Outcome } from '#surface/problem.ts'
import { type AccessPolicy, isAdministrator } from '#workspace/access.ts'
import type { Identities } from './identity.ts'

export interface SessionDeskParts {
  readonly identities: Pick<Identities, 'sessions'>
  readonly policy: AccessPolicy
  readonly audit: Audit
  /** From then on nobody waits for the end of a session. */
  readonly closing: AbortSignal
}

export function sessionDesk({ identities: { sessions }, policy, audit, closing }: SessionDeskParts) {
  /** His own, and everybody's for administrators. */
  const visible = (actor: Actor, session: Session) =>
    (session.issuer === actor.session.issuer && session.subject === actor.session.subject) ||
    isAdministrator(actor.session.identity, policy)
  const all = () =>
    sessions
      .find(() => true)
      .flatMap((record) => {
        const name = parseSessionName(record.metadata.name)
        return (name && sessions.get(name)) ?? []
      })
  const endings = new Map<string, AbortController>()
  const following = sessions.subscribe((change) => {
    if (change.type !== 'ended') return
    endings.get(change.session.name)?.abort()
    endings.delete(change.session.name)
  })
  closing.addEventListener('abort', () => following[Symbol.dispose](), { once: true })
  return {
    actorOf,
    /** As the latest of his sessions says. */
    identityOf(username: string): Identity | undefined {
      const his = all().filter(({ identity }) => identity.username === username)
      return his.sort((a, b) => b.createdAt - a.createdAt)[0]?.identity
    },
    list(actor: Actor): readonly SessionView[] {
      return all()
        .filter((session) => visible(actor, session))
        .map((session) => viewOf(session, actor))
    },
    async end(actor: Actor, name: string): Promise<Outcome<undefined>> {
      const parsed = parseSessionName(name)
      const session = parsed && sessions.get(parsed)
      if (!session) return { ok: false, problem: notFound }
      if (!visible(actor, session)) {
        const nowhere = { workspace: undefined, port: undefined }
        audit.record({ event: 'deny', ...actorOf(actor), ...nowhere, reason: 'may-not-end-session' })
        return { ok: false, problem: notFound }
      }
      await sessions.end(session.name, 'revoked')
      const said = actorOf(actor)
      audit.record({ event: 'session-ended', ...said, session: session.name, reason: `revoked-by:${said.user}` })
      return { ok: true, value: undefined }
    },
    /** Aborted at the very end of the actor's session. */
    untilEnded(actor: Actor): AbortSignal {
      const { name } = actor.session
      if (!sessions.get(name)) return AbortSignal.abort()
      const ending = endings.get(name) ?? new AbortController()
      endings.set(name, ending)
      return ending.signal
    },
  }
}

function actorOf(actor: Actor): AuditActor {
  const { session, requestId, address } = actor
  return { user: session.identity.username, session: session.name, requestId, client: address }
}

function viewOf(session: Session, actor: Actor): SessionView {
  const { name, kind, issuer, userAgent, device, identity } = session
  const text = (time: number) => new Date(time).toISOString()
  return {
    name,
    kind,
    current: name === actor.session.name,
    username: identity.username,
    issuer,
    userAgent,
    ...(device === undefined ? {} : { device }),
    createdAt: text(session.createdAt),
    expiresAt: text(session.expiresAt),
    notAfter: text(session.notAfter),
  }
}
