/**
 * The names of Gatehouse's cookies and how they are set. On HTTPS browsers enforce what the prefixes say: a `__Host-` cookie comes from exactly
 * this host and no sibling can set one (RFC 6265bis section 4.1.3). On plain HTTP no prefix works, and cookies of `localhost` reach
 * every port, so there the name carries the external port.
 */
import { serializeSetCookie } from '#http/cookies.ts'
import type { CookieScope } from './authentication.ts'

export interface CookiePolicy {
  readonly externalScheme: 'http' | 'https'
  readonly externalPort: number
}

export interface CookiePlace {
  readonly name: string
  readonly path: string
}

/** `__Host-` where the path allows it. In path mode workspaces share one origin, so there the path is all that keeps cookies apart. */
export function sessionCookieName(policy: CookiePolicy, scope: CookieScope): string {
  if (policy.externalScheme === 'https') return scope.path === '/' ? '__Host-gatehouse' : '__Secure-gatehouse'
  return scope.path === '/' ? `gatehouse-${policy.externalPort}` : `gatehouse-ws-${policy.externalPort}`
}

/** A cookie beside the session's, at `/` because `__Host-` asks for it, and because any path of a host may need to read it. */
export function ownCookiePlace(policy: CookiePolicy, suffix: string): CookiePlace {
  const stem = policy.externalScheme === 'https' ? '__Host-gatehouse' : `gatehouse-${policy.externalPort}`
  return { name: `${stem}-${suffix}`, path: '/' }
}

/** Every cookie that Gatehouse sets in any scope, scheme and version; none of them reaches an upstream or is taken from one. */
const ownPrefixes = ['__host-gatehouse', '__secure-gatehouse', 'gatehouse-'] as const

/** Upper and lower case alike: browsers enforce the prefixes so (RFC 6265bis section 5.4), and some servers look cookies up so. */
export function isOwnCookie(name: string): boolean {
  const lower = name.toLowerCase()
  return ownPrefixes.some((prefix) => lower.startsWith(prefix))
}

/** A `Set-Cookie` value; `maxAge` in seconds, 0 deletes. */
export function setCookie(policy: CookiePolicy, place: CookiePlace, value: string, maxAge: number): string {
  return serializeSetCookie({
    ...place,
    value,
    maxAge,
    secure: policy.externalScheme === 'https',
    httpOnly: true,
    sameSite: 'Lax',
  })
}

export function setSessionCookie(policy: CookiePolicy, scope: CookieScope, value: string, maxAge: number): string {
  return setCookie(policy, { name: sessionCookieName(policy, scope), path: scope.path }, value, maxAge)
}

export function clearSessionCookie(policy: CookiePolicy, scope: CookieScope): string {
  return setSessionCookie(policy, scope, '', 0)
}
