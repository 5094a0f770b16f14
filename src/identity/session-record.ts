/** `WorkspaceSession`: how one login is kept. Readable by Gatehouse and administrators alone; holds no id and no token in the clear. */
import Type, { type Static } from 'typebox'
import { GatewayError } from '#errors.ts'
import { checkerOf, sayFaults } from '#lib/schema.ts'
import type { Resource, ResourceKind } from '#resources/contract.ts'
import { isReserved } from './mapping.ts'
import { isInstant, rfc3339 } from './rfc3339.ts'
import type { Session, SessionName } from './session.ts'
import { parseSessionName } from './session-id.ts'

const text = Type.String({ minLength: 1, maxLength: 4096 })

/** Open: a newer Gatehouse may add fields, and an older one must carry them along. */
const SessionSpec = Type.Object({
  kind: Type.Union([Type.Literal('browser'), Type.Literal('cli')]),
  issuer: text,
  /** The issuer's `sub`, before mapping. */
  subject: text,
  /** These three are the identity after mapping. */
  username: text,
  uid: text,
  groups: Type.Array(Type.String()),
  /** The issuer's session, for back-channel logout. */
  sid: Type.Optional(text),
  userAgent: Type.String({ maxLength: 256, default: '' }),
  /** What a person calls the machine of a command line. */
  device: Type.Optional(Type.String({ maxLength: 256 })),
  createdAt: rfc3339,
  expiresAt: rfc3339,
  notAfter: rfc3339,
  /** Sealed, and bound to this session's name. */
  refreshToken: Type.Optional(Type.String()),
  idToken: Type.Optional(Type.String()),
  /** Over whom it speaks for and until when ({@link file://./session-seal.ts}). */
  seal: Type.Optional(Type.String({ maxLength: 256 })),
  /** Which replica asks the issuer now, and until when others leave it alone. */
  renewal: Type.Optional(Type.Object({ by: text, until: rfc3339 })),
})

export type SessionSpec = Static<typeof SessionSpec>
export type WorkspaceSession = Resource<SessionSpec, undefined>

const check = checkerOf(SessionSpec)

export const sessionKind: ResourceKind<WorkspaceSession> = {
  group: 'gatehouse.dev',
  version: 'v1alpha1',
  kind: 'WorkspaceSession',
  plural: 'workspacesessions',
  parseSpec(value) {
    const checked = check(value)
    if (!checked.ok) throw invalid(sayFaults(checked.faults))
    const { createdAt, expiresAt, notAfter, renewal } = checked.value
    const times = [createdAt, expiresAt, notAfter, ...(renewal ? [renewal.until] : [])]
    if (!times.every(isInstant)) throw invalid('a time is no date')
    return checked.value
  },
  parseStatus: () => undefined,
}

/**
 * What the rest of Gatehouse sees. `undefined` for a record whose name is no session's: nobody can hold its id. Nor is one that speaks for a name of
 * Kubernetes' own: no login gives one, so somebody has written it in by hand.
 */
export function sessionOf(record: WorkspaceSession): Session | undefined {
  const name = parseSessionName(record.metadata.name)
  if (name === undefined) return undefined
  const { kind, issuer, subject, username, uid, groups, userAgent, device, createdAt, expiresAt, notAfter } =
    record.spec
  if ([username, ...groups].some(isReserved)) return undefined
  return {
    name,
    kind,
    identity: { kind: 'person', username, uid, groups },
    issuer,
    subject,
    userAgent,
    ...(device === undefined ? {} : { device }),
    createdAt: Date.parse(createdAt),
    expiresAt: Date.parse(expiresAt),
    notAfter: Date.parse(notAfter),
  }
}

/** Of a record that was in memory: there are no others. Throws `internal`. */
export function nameOfRecord(record: WorkspaceSession): SessionName {
  const name = parseSessionName(record.metadata.name)
  if (name === undefined) throw new GatewayError('internal', 'a record without the name of a session')
  return name
}

/** Text from a client, fit for a record and for people's eyes: without controls and directional tricks, 256 characters at most. */
export function displayText(raw: string): string {
  return raw
    .slice(0, 2048)
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, '')
    .slice(0, 256)
    .toWellFormed()
}

function invalid(message: string): GatewayError {
  return new GatewayError('invalid_resource', message)
}
