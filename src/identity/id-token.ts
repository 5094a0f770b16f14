/** What an ID token must say beyond what `openid-client` compares (OpenID Connect Core 1.0 sections 3.1.3.6 to 3.1.3.8). Pure. */
import { createHash } from 'node:crypto'
import type { Timestamp } from '#lib/clock.ts'
import type { Claims } from './claims.ts'
import { mostClockDifference } from './clock-difference.ts'
import type { LoginFault } from './login-fault.ts'

export interface IdTokenContext {
  readonly clientId: string
  readonly algorithm: string
  readonly accessToken: string
  /** The authorization code, where the token was given for one. */
  readonly code?: string | undefined
  readonly now: Timestamp
}

export function idTokenFault(claims: Claims, context: IdTokenContext): LoginFault | undefined {
  const { iat, azp } = claims
  if (typeof iat !== 'number') return 'token_claim_missing'
  if (iat * 1000 > context.now + mostClockDifference) return 'token_issued_in_future'
  // The library looks at it only beside several audiences; a token for another party is none for us in any case.
  if (azp !== undefined && azp !== context.clientId) return 'token_authorized_party'
  const isRight = (hash: unknown, value: string | undefined) =>
    hash === undefined || (value !== undefined && hash === leftHalf(value, context.algorithm))
  return isRight(claims.at_hash, context.accessToken) && isRight(claims.c_hash, context.code)
    ? undefined
    : 'id_token_hash'
}

/** The left half of the hash that belongs to the signature's algorithm; Ed25519 hashes with SHA-512. */
function leftHalf(value: string, algorithm: string): string {
  const digest = createHash(algorithm.startsWith('Ed') ? 'sha512' : 'sha256')
    .update(value, 'ascii')
    .digest()
  return digest.subarray(0, digest.length / 2).toString('base64url')
}
