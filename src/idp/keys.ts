/** The provider's signing keys and the key of its cookies: made once, kept in the table, so that a restart ends no login. */
import { generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto'
import { Type } from 'typebox'
import { checkerOf } from '#lib/schema.ts'
import type { KeyValueTable } from './table.ts'

/** A private JWK with its `kid`. */
export type SigningKey = Readonly<Record<string, unknown>>

const checkKeys = checkerOf(Type.Array(Type.Record(Type.String(), Type.Unknown()), { minItems: 1 }))
const checkCookieKey = checkerOf(Type.String({ minLength: 32 }))

/** RSA, because every OpenID client has to understand RS256 (OpenID Connect Core 1.0 section 15.1). */
function newSigningKey(): SigningKey {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  return { ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), use: 'sig', alg: 'RS256' }
}

/** The first one signs; the others only still verify. */
export function signingKeys(table: KeyValueTable): readonly SigningKey[] {
  const kept = checkKeys(table.get('keys'))
  return kept.ok ? kept.value : saveKeys(table, [newSigningKey()])
}

/** A new key signs from now on. Tokens of the old ones stay valid, unless they are forgotten (`keepOld: false`). */
export function rotateSigningKeys(table: KeyValueTable, options: { keepOld: boolean }): readonly SigningKey[] {
  const old = options.keepOld ? signingKeys(table).slice(0, 2) : []
  return saveKeys(table, [newSigningKey(), ...old])
}

export function cookieKey(table: KeyValueTable): string {
  const kept = checkCookieKey(table.get('cookie-key'))
  if (kept.ok) return kept.value
  const made = randomBytes(32).toString('base64url')
  table.set('cookie-key', made)
  return made
}

function saveKeys(table: KeyValueTable, keys: readonly SigningKey[]): readonly SigningKey[] {
  table.set('keys', keys)
  return keys
}
