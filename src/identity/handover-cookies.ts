/**
 * What a browser keeps during a hand-over: nonces, which tie a ticket to the browser that asked for it, and a short memory of the hand-overs
 * that were completed, so that a loop is noticed. Both belong to one scope.
 *
 * Each nonce has a cookie of its own, named by its hash: ten tabs that begin at the same instant would otherwise overwrite each other's.
 * Who begins while one is there uses that one, so there are no more than tabs that began together.
 */
import { createHash, randomBytes } from 'node:crypto'
import { cookieValues } from '#http/cookies.ts'
import { encodeBase32 } from '#lib/base32.ts'
import type { Brand } from '#lib/brand.ts'
import type { Milliseconds, Timestamp } from '#lib/clock.ts'
import type { CookieScope } from './authentication.ts'
import { type CookiePolicy, ownCookiePlace, setCookie } from './cookie-names.ts'
import type { Sealer } from './seal.ts'

/** SHA-256 of a nonce in base64url: all of it that a URL carries. */
export type NonceHash = Brand<string, 'NonceHash'>

/** Seconds; long enough for somebody to find a password and a second factor. */
const nonceMaxAge = 3600
const loopWindow: Milliseconds = 30_000
const mostRemembered = 4
const loopPurpose = 'handover/completed'

export function parseNonceHash(text: string): NonceHash | undefined {
  // The form of a hash is all there is to check; a ticket for one that no browser has the nonce of is worth nothing.
  return /^[A-Za-z0-9_-]{43}$/.test(text) ? (text as NonceHash) : undefined
}

export class HandoverCookies {
  readonly #policy: CookiePolicy
  readonly #sealer: Sealer

  constructor(options: { readonly cookies: CookiePolicy; readonly sealer: Sealer }) {
    this.#policy = options.cookies
    this.#sealer = options.sealer
  }

  /** A nonce that the browser has already, or a new one; set again in either case, so that it lives on. */
  offerNonce(
    scope: CookieScope,
    cookieHeader: string | undefined,
  ): { readonly hash: NonceHash; readonly setCookie: string } {
    const nonce = this.#heldNonce(scope, cookieHeader) ?? randomBytes(32).toString('base64url')
    const hash = hashOf(nonce)
    return { hash, setCookie: setCookie(this.#policy, this.#noncePlace(scope, hash), nonce, nonceMaxAge) }
  }

  holdsNonce(scope: CookieScope, hash: NonceHash, cookieHeader: string | undefined): boolean {
    const values = cookieValues(cookieHeader, this.#noncePlace(scope, hash).name)
    return values.slice(0, mostRemembered).some((value) => hashOf(value) === hash)
  }

  clearNonce(scope: CookieScope, hash: NonceHash): string {
    return setCookie(this.#policy, this.#noncePlace(scope, hash), '', 0)
  }

  /** When hand-overs of this scope were completed in the last 30 s, as far as the browser tells. */
  completed(scope: CookieScope, cookieHeader: string | undefined, now: Timestamp): readonly Timestamp[] {
    const [sealed] = cookieValues(cookieHeader, this.#loopPlace(scope).name)
    const text = sealed && this.#sealer.open(loopPurpose, sealed, { associatedData: belongsTo(scope) })
    // Sealed by us, so it has the form we gave it.
    const times = text ? text.split(' ').map(Number) : []
    return times.filter((time) => now - time < loopWindow)
  }

  rememberCompleted(scope: CookieScope, cookieHeader: string | undefined, now: Timestamp): string {
    const times = [...this.completed(scope, cookieHeader, now), now].slice(-mostRemembered)
    const sealed = this.#sealer.seal(loopPurpose, times.join(' '), {
      associatedData: belongsTo(scope),
      expiresAt: now + loopWindow,
    })
    return setCookie(this.#policy, this.#loopPlace(scope), sealed, loopWindow / 1000)
  }

  #heldNonce(scope: CookieScope, cookieHeader: string | undefined): string | undefined {
    const stem = ownCookiePlace(this.#policy, `nonce-${tagOf(scope)}-`).name
    for (const pair of (cookieHeader ?? '').split(';')) {
      const [name = '', nonce = ''] = pair.trim().split('=', 2)
      if (name.startsWith(stem) && name === this.#noncePlace(scope, hashOf(nonce)).name) return nonce
    }
    return undefined
  }

  #noncePlace(scope: CookieScope, hash: NonceHash) {
    return ownCookiePlace(this.#policy, `nonce-${tagOf(scope)}-${hash.slice(0, 12)}`)
  }

  #loopPlace(scope: CookieScope) {
    return ownCookiePlace(this.#policy, `loop-${tagOf(scope)}`)
  }
}

function hashOf(nonce: string): NonceHash {
  // This is the definition of a nonce's hash.
  return createHash('sha256').update(nonce).digest('base64url') as NonceHash
}

function belongsTo(scope: CookieScope): readonly string[] {
  return [scope.kind, scope.authority, scope.path]
}

/** Tells scopes of one host apart in the names of cookies; a collision would only make two of them share a nonce. */
function tagOf(scope: CookieScope): string {
  return encodeBase32(
    createHash('sha256')
      .update(JSON.stringify(belongsTo(scope)))
      .digest(),
  ).slice(0, 8)
}
