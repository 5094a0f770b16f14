/** The secret that names a session, and the name under which its record is kept. */
import { createHash, randomBytes } from 'node:crypto'
import { encodeBase32 } from '#lib/base32.ts'
import type { Brand } from '#lib/brand.ts'
import type { SessionName } from './session.ts'

/** 32 random bytes in base64url. Known to the browser or the command line alone; never stored, never logged. */
export type SessionId = Brand<string, 'SessionId'>

const idForm = /^[A-Za-z0-9_-]{43}$/
const nameForm = /^[a-z2-7]{52}$/

export function newSessionId(): SessionId {
  // 32 random bytes are what a session id is.
  return randomBytes(32).toString('base64url') as SessionId
}

export function parseSessionId(text: string): SessionId | undefined {
  // Its form was just checked; whether it is known is asked under its name.
  return idForm.test(text) ? (text as SessionId) : undefined
}

/** base32(SHA-256(id)): whoever reads the store learns no id. */
export function sessionNameOf(id: SessionId): SessionName {
  // This is the definition of a session's name.
  return encodeBase32(createHash('sha256').update(id).digest()) as SessionName
}

/** For names that come from a URL or the store. */
export function parseSessionName(text: string): SessionName | undefined {
  // Its form was just checked; whether there is such a session is the store's question.
  return nameForm.test(text) ? (text as SessionName) : undefined
}
