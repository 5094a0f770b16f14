/**
 * What ties a workspace's session cookie to the browser that it was given to, in path mode. `__Host-` asks for `Path=/` and so can't protect
 * it there: a sibling host may plant a cookie of the same name for the whole domain, and with the planter's own, valid value in it
 * the visitor would work in the planter's name. So there it is good only beside a second cookie, which is random, `__Host-`, and part
 * of its MAC. On plain HTTP no prefix works, and nothing can be done.
 */
import { randomBytes } from 'node:crypto'
import { cookieValues } from '#http/cookies.ts'
import type { CookieScope } from './authentication.ts'
import { type CookiePolicy, ownCookiePlace, setCookie } from './cookie-names.ts'
import type { SignedScope } from './session-cookie.ts'

/** Seconds; it is set again with every hand-over. */
const maxAge = 30 * 24 * 3600
const form = /^[A-Za-z0-9_-]{43}$/

function isTied({ externalScheme }: CookiePolicy, { path }: CookieScope): boolean {
  return externalScheme === 'https' && path !== '/'
}

/** Where a cookie from this browser would be good. `undefined`: nowhere, because the browser has nothing that it could be tied to. */
export function signedScopeOf(
  policy: CookiePolicy,
  scope: CookieScope,
  cookieHeader: string | undefined,
): SignedScope | undefined {
  if (!isTied(policy, scope)) return scope
  const browser = tieIn(policy, cookieHeader)
  return browser === undefined ? undefined : { ...scope, browser }
}

/** For a new session cookie: the scope to sign it for, and what to set beside it. */
export function tieTo(
  policy: CookiePolicy,
  scope: CookieScope,
  cookieHeader: string | undefined,
): { readonly scope: CookieScope & SignedScope; readonly setCookies: readonly string[] } {
  if (!isTied(policy, scope)) return { scope, setCookies: [] }
  const browser = tieIn(policy, cookieHeader) ?? randomBytes(32).toString('base64url')
  return {
    scope: { ...scope, browser },
    setCookies: [setCookie(policy, ownCookiePlace(policy, 'browser'), browser, maxAge)],
  }
}

function tieIn(policy: CookiePolicy, cookieHeader: string | undefined): string | undefined {
  const [value, ...others] = cookieValues(cookieHeader, ownCookiePlace(policy, 'browser').name)
  return value !== undefined && others.length === 0 && form.test(value) ? value : undefined
}
