/**
 * Logging in: OpenID Connect's authorization code flow with PKCE, state, nonce and the issuer's name in the answer (RFC 9207). Every outcome is a value,
 * every refusal has a reason of its own, and the store is first written to when the issuer has vouched for the person.
 */
import { hasCode } from '#errors.ts'
import type { Clock, Timestamp } from '#lib/clock.ts'
import type { Log } from '#observe/log.ts'
import { authorizationFault, hasRepeatedParameter, needsPerson } from './authorization-response.ts'
import type { CookiePolicy } from './cookie-names.ts'
import { FinishedAttempts } from './finished-attempts.ts'
import type { Issuer } from './issuer.ts'
import type { Issuers } from './issuers.ts'
import type { LoginFault } from './login-fault.ts'
import { type HeldAttempt, type LoginState, type LoginStates, loginStates } from './login-state.ts'
import { mapClaims } from './mapping.ts'
import { consoleFrontPage, parseReturnTo, type ReturnTo, type ReturnToRules } from './return-to.ts'
import type { Sealer } from './seal.ts'
import type { NewLogin } from './session-spec.ts'
import type { SessionStore } from './session-store.ts'
import type { UsernameClaims } from './username-claim.ts'
import type { Vouched } from './vouching.ts'

export interface LoginRequest {
  /** Which issuer, by its id in the settings. */
  readonly issuer?: string | undefined
  readonly returnTo: ReturnTo
  /** Without asking the person anything; where that fails, the login starts over and asks. */
  readonly isSilent?: boolean
  /** Given back by {@link Logins.finish}; sealed meanwhile. */
  readonly attachment?: string | undefined
  readonly cookieHeader: string | undefined
}

export type LoginStart =
  | { readonly kind: 'redirect'; readonly location: string; readonly setCookies: readonly string[] }
  /** Several issuers, or none: the person has to say where. */
  | { readonly kind: 'choose'; readonly issuers: readonly { readonly id: string; readonly displayName: string }[] }
  /** The issuer can't be asked now. */
  | { readonly kind: 'unavailable'; readonly issuer: string }

/** A login to make a session of; what is missing is said by whoever asked for it. */
export type FinishedLogin = Omit<NewLogin, 'kind' | 'userAgent' | 'device'>

export type LoginFinish =
  | {
      readonly kind: 'ok'
      readonly login: FinishedLogin
      /** When this browser began it. */
      readonly startedAt: Timestamp
      /** By its id, where to begin again. */
      readonly issuer: string
      readonly returnTo: ReturnTo
      readonly attachment: string | undefined
      readonly setCookies: readonly string[]
    }
  | {
      readonly kind: 'refused'
      readonly reason: LoginFault
      readonly returnTo: ReturnTo
      readonly setCookies: readonly string[]
    }
  /** Nothing was wrong but the time or the cookie: the next attempt, which needs no further word from the person as a rule. */
  | { readonly kind: 'restarted'; readonly start: LoginStart }
  /** `away`: who can't be reached, the issuer or the store in which a login is kept. */
  | {
      readonly kind: 'unavailable'
      readonly away: 'issuer' | 'store'
      readonly issuer: string
      readonly returnTo: ReturnTo
      readonly setCookies: readonly string[]
    }

export interface Logins {
  start(request: LoginRequest): Promise<LoginStart>
  /** Of a `GET` navigation to the callback: its query. */
  finish(query: URLSearchParams, cookieHeader: string | undefined): Promise<LoginFinish>
}

export interface LoginOptions {
  readonly issuers: Issuers
  readonly sealer: Sealer
  readonly usernames: UsernameClaims
  readonly sessions: Pick<SessionStore, 'isLocked'>
  readonly cookies: CookiePolicy
  readonly returnTo: ReturnToRules
  /** What others finished too; its own alone when absent. */
  readonly finishedAttempts?: FinishedAttempts
  readonly clock: Clock
  readonly log: Log
}

/** Times a login starts over by itself; a browser that has lost the cookie of a fresh attempt keeps none. */
const mostRestarts = 2

export function createLogins(options: LoginOptions): Logins {
  return new OidcLogins(options)
}

class OidcLogins implements Logins {
  readonly #options: LoginOptions
  readonly #states: LoginStates
  readonly #finished: FinishedAttempts

  constructor(options: LoginOptions) {
    this.#options = options
    this.#states = loginStates(options)
    this.#finished = options.finishedAttempts ?? new FinishedAttempts(options.clock)
  }

  start(request: LoginRequest): Promise<LoginStart> {
    return this.#begin(request, 0)
  }

  async finish(query: URLSearchParams, cookieHeader: string | undefined): Promise<LoginFinish> {
    const read = this.#read(query, cookieHeader)
    switch (read.kind) {
      case 'refused':
        return this.#refuse(read.reason, read.state, '')
      case 'lost':
        return { kind: 'restarted', start: await this.#again(read.state, cookieHeader, read.state.isSilent) }
      case 'attempt':
        return this.#answer(query, read, cookieHeader)
    }
  }

  #read(query: URLSearchParams, cookieHeader: string | undefined): ReadAttempt {
    const sealed = query.get('state') ?? ''
    if (sealed === '') return { kind: 'refused', reason: 'state_missing', state: undefined }
    const state = this.#states.open(sealed)
    const issuer = state && this.#options.issuers.byId(state.issuer)
    if (!state || !issuer) return { kind: 'refused', reason: 'state_foreign', state: undefined }
    if (hasRepeatedParameter(query)) return { kind: 'refused', reason: 'parameter_repeated', state }
    const held = this.#states.held(state, cookieHeader)
    if (held) return { kind: 'attempt', state, sealed, issuer, held }
    return state.restarts < mostRestarts
      ? { kind: 'lost', state }
      : { kind: 'refused', reason: 'cookies_refused', state }
  }

  async #answer(query: URLSearchParams, attempt: Attempt, cookieHeader: string | undefined): Promise<LoginFinish> {
    const { state, issuer } = attempt
    if (!this.#finished.finish(state.attempt)) return this.#refuse('state_replayed', state, '')
    try {
      const fault = authorizationFault(query, await issuer.metadata())
      if (fault === undefined) return await this.#redeem(query, attempt)
      if (fault === 'provider_error' && state.isSilent && needsPerson(query)) {
        return { kind: 'restarted', start: await this.#again(state, cookieHeader, false) }
      }
      return this.#refuse(fault, state, query.get('error') ?? '')
    } catch (error) {
      if (hasCode(error, 'issuer_unavailable')) return this.#unavailable(state, 'issuer')
      if (hasCode(error, 'store_unavailable')) return this.#unavailable(state, 'store')
      throw error
    }
  }

  async #begin(request: LoginRequest, restarts: number): Promise<LoginStart> {
    const { issuers } = this.#options
    const only = issuers.all.length === 1 ? issuers.all[0] : undefined
    const issuer = request.issuer === undefined ? only : issuers.byId(request.issuer)
    if (!issuer)
      return { kind: 'choose', issuers: issuers.all.map(({ settings: { id, displayName } }) => ({ id, displayName })) }
    const { id } = issuer.settings
    const { returnTo, isSilent = false, attachment, cookieHeader } = request
    const what = { issuer: id, returnTo, isSilent, restarts, ...(attachment === undefined ? {} : { attachment }) }
    const { setCookies, ...attempt } = this.#states.begin(what, cookieHeader)
    try {
      const location = await issuer.authorizationUrl({ ...attempt, isSilent })
      return { kind: 'redirect', location: location.href, setCookies }
    } catch (error) {
      if (hasCode(error, 'issuer_unavailable')) return { kind: 'unavailable', issuer: id }
      throw error
    }
  }

  async #again(state: LoginState, cookieHeader: string | undefined, isSilent: boolean): Promise<LoginStart> {
    const { issuer, attachment } = state
    const returnTo = this.#returnTo(state)
    const start = await this.#begin({ issuer, returnTo, isSilent, attachment, cookieHeader }, state.restarts + 1)
    if (start.kind !== 'redirect') return start
    return { ...start, setCookies: [this.#states.clear(state), ...start.setCookies] }
  }

  async #redeem(query: URLSearchParams, attempt: Attempt): Promise<LoginFinish> {
    const { state, sealed, issuer, held } = attempt
    const answer = await issuer.redeem(query, { ...held, state: sealed })
    switch (answer.kind) {
      case 'refused':
        return this.#refuse(answer.reason, state, answer.detail)
      case 'unavailable':
        this.#options.log.warnOfMany(
          { component: 'identity', issuer: state.issuer, reason: 'issuer_unavailable' },
          `the issuer failed: ${answer.detail}`,
        )
        return this.#unavailable(state, 'issuer')
      case 'vouched':
        return this.#accept(answer, attempt)
    }
  }

  async #accept({ claims, tokens }: Vouched, { state, issuer, held }: Attempt): Promise<LoginFinish> {
    const { sessions, usernames, log } = this.#options
    const mapping = mapClaims(claims, issuer.settings)
    if (mapping.kind === 'refused') return this.#refuse(mapping.reason, state, '')
    const { identity, dropped } = mapping
    for (const { group, reason } of dropped) {
      log.warn(
        { component: 'identity', issuer: state.issuer, user: identity.username, name: group, reason },
        'a group was left out',
      )
    }
    if (sessions.isLocked(identity.username)) return this.#refuse('locked', state, identity.username)
    const issuerName = issuer.settings.issuer
    const claim = await usernames.claim(identity.username, issuerName, identity.uid)
    if (claim === 'taken') return this.#refuse('username_taken', state, identity.username)
    const sid = typeof claims.sid === 'string' && claims.sid !== '' ? claims.sid : undefined
    return {
      kind: 'ok',
      login: { issuer: issuerName, subject: identity.uid, identity, sid, ...tokens },
      startedAt: held.startedAt,
      issuer: state.issuer,
      returnTo: this.#returnTo(state),
      attachment: state.attachment,
      setCookies: [this.#states.clear(state)],
    }
  }

  /** `undefined` for an attempt that is none of ours: then there is nothing to go back to. */
  #refuse(reason: LoginFault, state: LoginState | undefined, detail: string): LoginFinish {
    const { log } = this.#options
    log.warnOfMany(
      { component: 'identity', issuer: state?.issuer, reason },
      detail === '' ? 'a login was refused' : `a login was refused: ${detail}`,
    )
    const returnTo = state ? this.#returnTo(state) : consoleFrontPage
    return { kind: 'refused', reason, returnTo, setCookies: state ? [this.#states.clear(state)] : [] }
  }

  #unavailable(state: LoginState, away: 'issuer' | 'store'): LoginFinish {
    const setCookies = [this.#states.clear(state)]
    return { kind: 'unavailable', away, issuer: state.issuer, returnTo: this.#returnTo(state), setCookies }
  }

  /** Read again: what was ours when the login began may no longer be. */
  #returnTo({ returnTo }: LoginState): ReturnTo {
    return parseReturnTo(returnTo, this.#options.returnTo) ?? consoleFrontPage
  }
}

interface Attempt {
  readonly kind: 'attempt'
  readonly state: LoginState
  readonly sealed: string
  readonly issuer: Issuer
  readonly held: HeldAttempt
}

type ReadAttempt =
  | Attempt
  /** Ours, but this browser doesn't have its cookie, or no longer. */
  | { readonly kind: 'lost'; readonly state: LoginState }
  | { readonly kind: 'refused'; readonly reason: LoginFault; readonly state: LoginState | undefined }
