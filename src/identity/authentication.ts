/** What a request's credentials turned out to be. Every outcome is a value; the gateway decides what follows. */
import type { Brand } from '#lib/brand.ts'
import type { Session } from './session.ts'

/**
 * What a cookie is bound to, and part of its HMAC: the exact host with its external port, and in path mode the workspace's prefix as well,
 * so that a cookie of one place is worth nothing at another. `console`: `<domain>` itself.
 */
export interface CookieScope {
  readonly kind: 'console' | 'workspace'
  /** `host[:port]` as the browser names it, lower case. */
  readonly authority: string
  /** `/`, or in path mode's workspaces `/workspaces/<namespace>/<name>/` (always ends in a slash). */
  readonly path: string
}

/** The raw value of the one cookie that can speak for this scope. */
export type SessionCookie = Brand<string, 'SessionCookie'>

export type Authentication =
  | { readonly kind: 'session'; readonly session: Session; readonly via: 'cookie' | 'bearer' }
  | { readonly kind: 'anonymous'; readonly reason: AnonymousReason }
  /** The store can't be asked: neither a login nor a refusal would be true. */
  | { readonly kind: 'unavailable' }

export type AnonymousReason =
  | 'none'
  | 'malformed'
  | 'unknown-key'
  | 'bad-signature'
  | 'unknown-session'
  | 'expired'
  | 'locked'

/** Both fields come from one request; a bearer is looked at only when there is no cookie. */
export interface Credentials {
  readonly cookie: string | undefined
  /** The token of `Authorization: Bearer`, when it has Gatehouse's own form. */
  readonly bearer: string | undefined
}

export interface Authenticator {
  /**
   * The answer from memory, without waiting: no cryptography when the same cookie was seen before.
   * `undefined`: only {@link resolve} can tell.
   */
  peek(credentials: Credentials, scope: CookieScope): Authentication | undefined
  /** As {@link peek}, but asks the store for a session that is not known yet (single-flight, not found is kept for 2 s). */
  resolve(credentials: Credentials, scope: CookieScope): Promise<Authentication>
  /** The cookie's name in this scope: `__Host-`, `__Secure-`, or with the port where only plain HTTP is spoken. */
  cookieName(scope: CookieScope): string
  /** Has this bearer a form of Gatehouse's own? Any other one is the app's affair, and reaches it. */
  isOwnBearer(token: string): boolean
  /** Is this one of Gatehouse's own cookie names, in any scope? Such cookies never reach an upstream. */
  isOwnCookie(name: string): boolean
}
