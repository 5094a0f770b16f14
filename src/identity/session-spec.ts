/** What a login and a renewal make of a record, but for its seal: pure. */
import type { Milliseconds, Timestamp } from '#lib/clock.ts'
import type { Identity } from './identity.ts'
import { rfc3339Of } from './rfc3339.ts'
import type { Sealer } from './seal.ts'
import type { SessionName } from './session.ts'
import { displayText, nameOfRecord, type SessionSpec, type WorkspaceSession } from './session-record.ts'
import { type IssuerTokens, sealTokens } from './session-tokens.ts'

/** A login that the issuer has vouched for, after mapping. */
export interface NewLogin extends IssuerTokens {
  readonly kind: 'browser' | 'cli'
  readonly issuer: string
  readonly subject: string
  readonly identity: Identity
  readonly sid?: string | undefined
  /** As the client sent it; it is cleaned here. */
  readonly userAgent: string
  /** What the person called the machine of a command line. */
  readonly device?: string | undefined
}

/** What a renewal brought: tokens that are absent stay as they were. */
export interface Renewed extends IssuerTokens {
  readonly identity?: Identity | undefined
}

export interface SessionTerms {
  readonly now: Timestamp
  /** Without asking the issuer again. */
  readonly lifetime: Milliseconds
  /** At most. */
  readonly horizon: Milliseconds
  readonly sealer: Sealer
}

export function specOfLogin(login: NewLogin, name: SessionName, terms: SessionTerms): SessionSpec {
  const { now, lifetime, horizon, sealer } = terms
  return {
    kind: login.kind,
    issuer: login.issuer,
    subject: login.subject,
    username: login.identity.username,
    uid: login.identity.uid,
    groups: [...login.identity.groups],
    ...(login.sid === undefined ? {} : { sid: login.sid }),
    userAgent: displayText(login.userAgent),
    ...(login.device === undefined ? {} : { device: displayText(login.device) }),
    createdAt: rfc3339Of(now),
    expiresAt: rfc3339Of(now + Math.min(lifetime, horizon)),
    notAfter: rfc3339Of(now + horizon),
    ...sealTokens(sealer, name, login),
  }
}

/** Good for another lifetime, never past `notAfter`; the claim on its renewal is gone. */
export function renewedSpec(record: WorkspaceSession, renewed: Renewed, terms: SessionTerms): SessionSpec {
  const name = nameOfRecord(record)
  const { renewal: _released, ...spec } = record.spec
  const { identity } = renewed
  return {
    ...spec,
    ...(identity && { username: identity.username, uid: identity.uid, groups: [...identity.groups] }),
    ...sealTokens(terms.sealer, name, renewed),
    expiresAt: rfc3339Of(Math.min(terms.now + terms.lifetime, Date.parse(spec.notAfter))),
  }
}
