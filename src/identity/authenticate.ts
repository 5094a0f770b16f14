/**
 * From a request's credentials to a session. The usual answer comes from memory and costs no cryptography: a cookie that has been verified once
 * in a scope is remembered with its key and its session, and both are looked at again each time, so that a key taken out of the ring
 * and a session that has ended are seen at once.
 */
import { LRUCache } from 'lru-cache'
import type { AnonymousReason, Authentication, Authenticator, CookieScope, Credentials } from './authentication.ts'
import { signedScopeOf } from './browser-tie.ts'
import { type CookiePolicy, isOwnCookie, sessionCookieName } from './cookie-names.ts'
import type { KeyRing } from './key-ring.ts'
import type { RingKey } from './ring-key.ts'
import type { SessionName } from './session.ts'
import { bearerPrefix, pickSessionCookie, type SignedScope, verifySessionValue } from './session-cookie.ts'
import { type SessionId, sessionNameOf } from './session-id.ts'
import type { SessionLookup } from './session-lookup.ts'
import type { SessionStore } from './session-store.ts'

export interface SessionAuthenticator extends Authenticator {
  /** The id in the visitor's own cookie, when it stands for a live session: for the hand-over alone. */
  sessionIdOf(cookieHeader: string | undefined, scope: CookieScope): SessionId | undefined
}

export interface AuthenticatorOptions {
  readonly keyRing: KeyRing
  readonly sessions: Pick<SessionStore, 'peek' | 'look'>
  readonly cookies: CookiePolicy
  /** `host[:port]` of `<domain>`: what a command line's secret is bound to. */
  readonly consoleAuthority: string
}

/** A value that this process has verified in one scope. */
interface Known {
  readonly key: RingKey
  readonly name: SessionName
}

/** A Cookie field of which one value alone could speak for a scope, and was good. */
interface Recent extends Known {
  readonly scope: CookieScope
}

interface SentCookies {
  readonly scope: SignedScope
  readonly values: readonly string[]
}

type Via = 'cookie' | 'bearer'

type Step =
  | { readonly kind: 'answer'; readonly answer: Authentication }
  | { readonly kind: 'ask-key'; readonly kid: string }
  | { readonly kind: 'ask-session'; readonly name: SessionName; readonly via: Via }

type Examined =
  | ({ readonly kind: 'known' } & Known)
  | { readonly kind: 'unknown-key'; readonly kid: string }
  | { readonly kind: 'refused'; readonly reason: AnonymousReason }

const mostKnown = 10_000
const mostRecent = 10_000
/** Characters of a Cookie field that is remembered as a whole. */
const longestRecent = 1_024

export function createAuthenticator(options: AuthenticatorOptions): SessionAuthenticator {
  return new CachedAuthenticator(options)
}

class CachedAuthenticator implements SessionAuthenticator {
  readonly #options: AuthenticatorOptions
  readonly #bearerScope: SignedScope
  /** Holds verified values alone, so that nobody can push them out with made-up ones. */
  readonly #known = new LRUCache<string, Known>({ max: mostKnown })
  /** Asked on every request, so it keeps no order: when it is full it starts afresh, and what was known is still known. */
  readonly #recent = new Map<string, Recent>()

  constructor(options: AuthenticatorOptions) {
    this.#options = options
    this.#bearerScope = { kind: 'cli', authority: options.consoleAuthority, path: '/' }
  }

  peek(credentials: Credentials, scope: CookieScope): Authentication | undefined {
    const step = this.#step(credentials, scope)
    return step.kind === 'answer' ? step.answer : undefined
  }

  async resolve(credentials: Credentials, scope: CookieScope): Promise<Authentication> {
    const step = this.#step(credentials, scope)
    if (step.kind !== 'ask-key') return this.#settle(step)
    try {
      await this.#options.keyRing.lookUp(step.kid)
    } catch {
      // The ring's own watch reports that the store is away; here it is an outcome.
      return { kind: 'unavailable' }
    }
    return this.#settle(this.#step(credentials, scope))
  }

  cookieName(scope: CookieScope): string {
    return sessionCookieName(this.#options.cookies, scope)
  }

  isOwnBearer(token: string): boolean {
    return token.startsWith(bearerPrefix)
  }

  isOwnCookie(name: string): boolean {
    return isOwnCookie(name)
  }

  sessionIdOf(cookieHeader: string | undefined, scope: CookieScope): SessionId | undefined {
    const authentication = this.peek({ cookie: cookieHeader, bearer: undefined }, scope)
    if (authentication?.kind !== 'session') return undefined
    const sent = this.#cookiesOf(cookieHeader, scope)
    for (const value of sent.values) {
      const verified = verifySessionValue(this.#options.keyRing, value, sent.scope)
      if (verified.kind === 'verified') return verified.id
    }
    return undefined
  }

  #step({ cookie, bearer }: Credentials, scope: CookieScope): Step {
    const recent = cookie === undefined ? undefined : this.#recent.get(cookie)
    if (recent && isSameScope(recent.scope, scope) && this.#isInRing(recent.key))
      return this.#found(recent.name, 'cookie')
    const sent = this.#cookiesOf(cookie, scope)
    if (sent.values.length > 0) {
      const examined = sent.values.map((value) => this.#examine(value, sent.scope))
      const [one] = examined
      if (examined.length === 1 && one?.kind === 'known') this.#remember(cookie ?? '', { ...one, scope })
      return this.#decide(examined, 'cookie')
    }
    if (bearer === undefined) return anonymous('none')
    if (!bearer.startsWith(bearerPrefix)) return anonymous('malformed')
    return this.#decide([this.#examine(bearer.slice(bearerPrefix.length), this.#bearerScope)], 'bearer')
  }

  /** What may speak for this scope, and where it would be good. */
  #cookiesOf(cookieHeader: string | undefined, scope: CookieScope): SentCookies {
    const values = cookieHeader === undefined ? [] : pickSessionCookie(cookieHeader, this.cookieName(scope))
    const signed = values.length === 0 ? scope : signedScopeOf(this.#options.cookies, scope, cookieHeader)
    return signed === undefined ? { scope, values: [] } : { scope: signed, values }
  }

  #examine(value: string, scope: SignedScope): Examined {
    const place = memoryKey(value, scope)
    const known = this.#known.get(place)
    if (known && this.#isInRing(known.key)) return { kind: 'known', ...known }
    if (known) this.#known.delete(place)
    const verified = verifySessionValue(this.#options.keyRing, value, scope)
    switch (verified.kind) {
      case 'verified': {
        const entry = { key: verified.key, name: sessionNameOf(verified.id) }
        this.#known.set(place, entry)
        return { kind: 'known', ...entry }
      }
      case 'unknown-key':
        return verified
      case 'malformed':
      case 'bad-signature':
        return { kind: 'refused', reason: verified.kind }
    }
  }

  /**
   * The one that is ours, or none: two of ours in one scope can't come from one browser's own login, so one of them was planted
   * by another host, and which one can't be told.
   */
  #decide(examined: readonly Examined[], via: Via): Step {
    const known = examined.filter((value) => value.kind === 'known')
    const [one] = known
    if (one) {
      if (known.some((other) => other.name !== one.name)) return anonymous('malformed')
      return this.#found(one.name, via)
    }
    const unknownKey = examined.find((value) => value.kind === 'unknown-key')
    if (unknownKey) return { kind: 'ask-key', kid: unknownKey.kid }
    const refused = examined.find((value) => value.kind === 'refused')
    return anonymous(refused?.reason ?? 'none')
  }

  #found(name: SessionName, via: Via): Step {
    const found = this.#options.sessions.peek(name)
    return found ? { kind: 'answer', answer: authenticationOf(found, via) } : { kind: 'ask-session', name, via }
  }

  #isInRing(key: RingKey): boolean {
    return this.#options.keyRing.find(key.kid) === key
  }

  #remember(cookie: string, recent: Recent): void {
    if (cookie.length > longestRecent) return
    if (this.#recent.size >= mostRecent) this.#recent.clear()
    this.#recent.set(cookie, recent)
  }

  async #settle(step: Step): Promise<Authentication> {
    switch (step.kind) {
      case 'answer':
        return step.answer
      case 'ask-key':
        return { kind: 'anonymous', reason: 'unknown-key' }
      case 'ask-session':
        return authenticationOf(await this.#options.sessions.look(step.name), step.via)
    }
  }
}

function authenticationOf(found: SessionLookup | { readonly kind: 'unavailable' }, via: Via): Authentication {
  switch (found.kind) {
    case 'live': {
      // A browser's id is no bearer and the other way round, whatever has signed it.
      const isOfItsKind = (found.session.kind === 'cli') === (via === 'bearer')
      return isOfItsKind
        ? { kind: 'session', session: found.session, via }
        : { kind: 'anonymous', reason: 'unknown-session' }
    }
    case 'ended':
      return { kind: 'anonymous', reason: reasonOf(found.why) }
    case 'unknown':
      return { kind: 'anonymous', reason: 'unknown-session' }
    case 'unavailable':
      return found
  }
}

function reasonOf(why: string): AnonymousReason {
  return why === 'expired' || why === 'locked' ? why : 'unknown-session'
}

function anonymous(reason: AnonymousReason): Step {
  return { kind: 'answer', answer: { kind: 'anonymous', reason } }
}

function isSameScope(one: CookieScope, other: CookieScope): boolean {
  return one === other || (one.kind === other.kind && one.authority === other.authority && one.path === other.path)
}

/** The lengths make it unambiguous: `a` + `bc` is not `ab` + `c` (CVE-2026-71326, CVE-2026-33496). */
function memoryKey(value: string, scope: SignedScope): string {
  const browser = scope.kind === 'cli' ? '' : (scope.browser ?? '')
  const lengths = `${scope.authority.length} ${scope.path.length} ${browser.length}`
  return `${scope.kind} ${lengths} ${scope.authority}${scope.path}${browser}${value}`
}
