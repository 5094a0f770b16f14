/** One login of one browser or command line, or one token of a machine, as the rest of Gatehouse sees it: a snapshot, replaced when it changes. */
import type { Brand } from '#lib/brand.ts'
import type { Timestamp } from '#lib/clock.ts'
import type { Identity } from './identity.ts'

/** base32(SHA-256(session id)): the record's name. The id itself is stored nowhere. */
export type SessionName = Brand<string, 'SessionName'>

export interface Session {
  readonly name: SessionName
  readonly kind: 'browser' | 'cli' | 'machine'
  readonly identity: Identity
  readonly issuer: string
  /** The issuer's `sub`, before mapping. */
  readonly subject: string
  readonly userAgent: string
  /** What a person calls the machine of a command line. */
  readonly device?: string
  readonly createdAt: Timestamp
  /** Until then it is good without asking the issuer again. Moved by renewal. */
  readonly expiresAt: Timestamp
  /** Never lives past this. */
  readonly notAfter: Timestamp
}
