/** What a logout token must say, and must not (OpenID Connect Back-Channel Logout 1.0 sections 2.4 and 2.6). Pure; its signature is checked elsewhere. */

import type { Milliseconds, Timestamp } from '#lib/clock.ts'
import { type Claims, isClaims } from './claims.ts'
import { mostClockDifference } from './clock-difference.ts'
import type { TokenFault } from './login-fault.ts'

/** Whom a logout token is about. */
export interface LoggedOut {
  readonly subject: string | undefined
  readonly sid: string | undefined
  readonly jti: string
}

export type LogoutTokenFault =
  | TokenFault
  /** The type of another kind of token, which must not pass for a logout token. */
  | 'token_type'
  | 'event_missing'
  | 'nonce_present'
  | 'jti_missing'
  | 'nobody_named'
  | 'too_old'
  | 'replayed'

const event = 'http://schemas.openid.net/event/backchannel-logout'
/** Older ones are refused, so that a used `jti` needs to be remembered no longer. */
export const oldestLogoutToken: Milliseconds = 10 * 60_000

export function readLogoutToken(
  claims: Claims,
  expected: { readonly type: unknown; readonly issuer: string; readonly clientId: string; readonly now: Timestamp },
): LoggedOut | LogoutTokenFault {
  return addressFault(claims, expected) ?? timeFault(claims, expected.now) ?? contentOf(claims)
}

function addressFault(
  { iss, aud, azp }: Claims,
  expected: { readonly type: unknown; readonly issuer: string; readonly clientId: string },
): LogoutTokenFault | undefined {
  const type =
    typeof expected.type === 'string' ? expected.type.toLowerCase().replace(/^application\//, '') : expected.type
  if (type !== undefined && type !== 'logout+jwt' && type !== 'jwt') return 'token_type'
  if (iss !== expected.issuer) return 'token_issuer'
  const audiences = Array.isArray(aud) ? aud : [aud]
  if (!audiences.includes(expected.clientId)) return 'token_audience'
  return azp !== undefined && azp !== expected.clientId ? 'token_authorized_party' : undefined
}

function timeFault({ iat, exp }: Claims, now: Timestamp): LogoutTokenFault | undefined {
  if (typeof iat !== 'number' || typeof exp !== 'number') return 'token_claim_missing'
  if (exp * 1000 <= now - mostClockDifference) return 'token_expired'
  if (iat * 1000 > now + mostClockDifference) return 'token_issued_in_future'
  return iat * 1000 <= now - oldestLogoutToken ? 'too_old' : undefined
}

function contentOf({ events, nonce, jti, sub, sid }: Claims): LoggedOut | LogoutTokenFault {
  if (!isClaims(events) || !Object.hasOwn(events, event) || !isClaims(events[event])) return 'event_missing'
  // An ID token has one: it must not pass for a logout token.
  if (nonce !== undefined) return 'nonce_present'
  if (typeof jti !== 'string' || jti === '') return 'jti_missing'
  const named = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined)
  if (named(sub) === undefined && named(sid) === undefined) return 'nobody_named'
  return { subject: named(sub), sid: named(sid), jti }
}
