/**
 * The session cookie: `kid.id.mac`. The MAC covers the id and the one place where the cookie is good, so that a cookie that leaks
 * from a workspace's host is worth nothing at another workspace or at the console. A command line's secret has the same form with a scope of its own.
 *
 * It is one short cookie and never chunked: whatever is longer or shorter is refused without a look at it.
 */
import { createHmac, type KeyObject, timingSafeEqual } from 'node:crypto'
import { cookieValues } from '#http/cookies.ts'
import type { Clock } from '#lib/clock.ts'
import { Secret } from '#settings/secret.ts'
import type { CookieScope } from './authentication.ts'
import { type CookiePolicy, setSessionCookie } from './cookie-names.ts'
import type { KeyRing } from './key-ring.ts'
import type { RingKey } from './ring-key.ts'
import type { Session } from './session.ts'
import { parseSessionId, type SessionId } from './session-id.ts'

/** Where a signed session id is good. `browser`: beside this other cookie alone. `cli`: as a bearer, with `authority` the console's. */
export type SignedScope =
  | (CookieScope & { readonly browser?: string })
  | { readonly kind: 'cli'; readonly authority: string; readonly path: '/' }

export type Verified =
  | { readonly kind: 'verified'; readonly id: SessionId; readonly key: RingKey }
  | { readonly kind: 'malformed' }
  | { readonly kind: 'unknown-key'; readonly kid: string }
  | { readonly kind: 'bad-signature' }

/** What stands in front of a command line's secret, so that it can be told from tokens of others, and found by secret scanners. */
export const bearerPrefix = 'gatehouse_'

const form = /^([0-9a-f]{8})\.([A-Za-z0-9_-]{43})\.([A-Za-z0-9_-]{43})$/
const exactLength = 8 + 1 + 43 + 1 + 43

/** More cookies of one name than any browser sends by itself; the work for one request is bounded by it. */
const mostCandidates = 4

/** The cookie's value, or with {@link bearerPrefix} in front a command line's secret. */
export function signSessionId(keyRing: KeyRing, id: SessionId, scope: SignedScope): string {
  const key = keyRing.current()
  return `${key.kid}.${id}.${macOf(key.cookies, id, scope)}`
}

/** What a command line keeps and sends as its bearer; shown to it once. */
export function bearerOf(keyRing: KeyRing, id: SessionId, consoleAuthority: string): Secret {
  return new Secret(bearerPrefix + signSessionId(keyRing, id, { kind: 'cli', authority: consoleAuthority, path: '/' }))
}

/** The `Set-Cookie` value that logs a browser in at one place, until the session can't live any longer. */
export function newSessionCookie(
  by: { readonly keyRing: KeyRing; readonly cookies: CookiePolicy; readonly clock: Clock },
  session: Session,
  id: SessionId,
  scope: CookieScope & SignedScope,
): string {
  const seconds = Math.ceil((session.notAfter - by.clock.now()) / 1000)
  return setSessionCookie(by.cookies, scope, signSessionId(by.keyRing, id, scope), Math.max(seconds, 0))
}

/** Says nothing about whether there is such a session. */
export function verifySessionValue(keyRing: KeyRing, value: string, scope: SignedScope): Verified {
  const parts = value.length === exactLength ? form.exec(value) : null
  const [, kid = '', idText = '', mac = ''] = parts ?? []
  const id = parseSessionId(idText)
  if (id === undefined) return { kind: 'malformed' }
  const key = keyRing.find(kid)
  if (!key) return { kind: 'unknown-key', kid }
  // The texts are compared, not the bytes: base64url has several spellings of the same bytes, and only one of them is ours.
  const isOurs = timingSafeEqual(Buffer.from(mac), Buffer.from(macOf(key.cookies, id, scope)))
  return isOurs ? { kind: 'verified', id, key } : { kind: 'bad-signature' }
}

/** Everything sent under the cookie's name, in order, four at most: another host or path may have set one of the same name. */
export function pickSessionCookie(rawCookieHeader: string | undefined, name: string): readonly string[] {
  const values = cookieValues(rawCookieHeader, name)
  return values.length > mostCandidates ? values.slice(0, mostCandidates) : values
}

function macOf(key: KeyObject, id: SessionId, scope: SignedScope): string {
  // A JSON array, because no two lists of strings have the same one.
  const input = JSON.stringify([id, scope.kind, scope.authority, scope.path, ...tieOf(scope)])
  return createHmac('sha256', key).update(input).digest('base64url')
}

/** As a list, so that a scope without one is signed as it always was. */
function tieOf(scope: SignedScope): readonly string[] {
  return scope.kind === 'cli' || scope.browser === undefined ? [] : [scope.browser]
}
