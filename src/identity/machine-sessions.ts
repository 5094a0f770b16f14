/**
 * Sessions of machines: each stands for one token and lives in this replica's memory alone, since any replica can make it again from the token.
 * It ends with the token, when its owner is locked, or when the API server no longer knows the token, which is asked for with its requests, and
 * without any for as long as it has something open.
 */
import { createHash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { messageOf } from '#errors.ts'
import { encodeBase32 } from '#lib/base32.ts'
import { type Clock, type Milliseconds, OnwardDate, type Timestamp } from '#lib/clock.ts'
import { singleFlight } from '#lib/single-flight.ts'
import type { Log } from '#observe/log.ts'
import type { AnonymousReason } from './authentication.ts'
import { type Claims, isClaims } from './claims.ts'
import type { IssuerKeys } from './issuer-keys.ts'
import { audiencesOf, judgeMachine, type MachineRules } from './machine-claims.ts'
import type { Session, SessionName } from './session.ts'
import { parseSessionName } from './session-id.ts'

export interface MachineIssuer extends MachineRules {
  readonly keys: IssuerKeys
  /** Asks whoever gave the token whether it still holds (Kubernetes' TokenReview). Throws when nobody answers. */
  readonly review?: (token: string) => Promise<boolean>
}

export type MachineAnswer =
  | { readonly kind: 'session'; readonly session: Session }
  | { readonly kind: 'anonymous'; readonly reason: AnonymousReason }
  | { readonly kind: 'unavailable' }

export interface MachineSessions {
  /**
   * Is it meant for us, by one of our issuers? Says nothing of whether it is good: no app may see what could be good here. What the same issuer has made
   * for somebody else, such as the app, is none of ours.
   */
  isOurs(token: string): boolean
  /** From memory, without verifying anything; `undefined`: only {@link resolve} can tell. */
  peek(token: string): MachineAnswer | undefined
  resolve(token: string): Promise<MachineAnswer>
  get(name: SessionName): Session | undefined
  /** Those whose names are locked by now end at once, with what they hold open. */
  endLocked(): void
  /** `why`: `expired` where its time was up. */
  subscribe(listener: (change: MachineSessionEnd) => void): Disposable
}

export interface MachineSessionEnd {
  readonly type: 'ended'
  readonly session: Session
  readonly why: 'expired' | 'withdrawn'
}

export interface MachineSessionsOptions {
  readonly issuers: readonly MachineIssuer[]
  readonly isLocked: (username: string) => boolean
  /** Whether something is open for it; never, if absent. */
  readonly isLive?: (name: SessionName) => boolean
  readonly clock: Clock
  readonly log: Log
}

interface Known {
  readonly session: Session
  readonly timers: Disposable
  /** Asked again from then on, by a date that is never put back. */
  readonly reviewAt: Timestamp
  /** Refused from then on, by the same date, if nobody could be asked. */
  readonly staleAt: Timestamp
}

/** Three parts of base64url (RFC 7515 section 3.1), at most 8 KiB. */
const compactForm = /^[A-Za-z0-9_-]{1,4096}\.[A-Za-z0-9_-]{1,8192}\.[A-Za-z0-9_-]{1,2048}$/
const mostKnown = 5_000
const reviewEvery: Milliseconds = 60_000
/** After a review that nobody answered. */
const tryAgainAfter: Milliseconds = 5_000
/** As for access: an earlier yes stands for so long while nobody answers. */
const staleWhileUnreachable: Milliseconds = 5 * 60_000

export function openMachineSessions(options: MachineSessionsOptions): MachineSessions {
  return new TokenSessions(options)
}

class TokenSessions implements MachineSessions {
  readonly #options: MachineSessionsOptions
  readonly #date: OnwardDate
  readonly #listeners = new Set<Parameters<MachineSessions['subscribe']>[0]>()
  readonly #flight = singleFlight<string, MachineAnswer>()
  readonly #known: LRUCache<SessionName, Known>

  constructor(options: MachineSessionsOptions) {
    this.#options = options
    this.#date = new OnwardDate(options.clock)
    // Who is pushed out is verified again with its next request; what it holds open would be ended too late.
    this.#known = new LRUCache({ max: mostKnown, dispose: (known, _name, why) => this.#forget(known, why) })
  }

  isOurs(token: string): boolean {
    return this.#issuerOf(token) !== undefined
  }

  peek(token: string): MachineAnswer | undefined {
    const known = this.#known.get(nameOf(token))
    if (!known) return undefined
    if (this.#options.isLocked(known.session.identity.username)) {
      this.#known.delete(known.session.name)
      return { kind: 'anonymous', reason: 'locked' }
    }
    const { session } = known
    const isOld = this.#date.now() >= known.reviewAt || this.#options.clock.now() >= session.notAfter
    return isOld ? undefined : { kind: 'session', session }
  }

  resolve(token: string): Promise<MachineAnswer> {
    const answer = this.peek(token)
    return answer ? Promise.resolve(answer) : this.#flight(token, () => this.#verify(token))
  }

  get(name: SessionName): Session | undefined {
    return this.#known.get(name)?.session
  }

  endLocked(): void {
    const locked = [...this.#known].filter(([, { session }]) => this.#options.isLocked(session.identity.username))
    for (const [name] of locked) this.#known.delete(name)
  }

  subscribe(listener: Parameters<MachineSessions['subscribe']>[0]): Disposable {
    this.#listeners.add(listener)
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) }
  }

  async #verify(token: string): Promise<MachineAnswer> {
    const issuer = compactForm.test(token) ? this.#issuerOf(token) : undefined
    if (!issuer) return { kind: 'anonymous', reason: 'malformed' }
    const { clock, log, isLocked } = this.#options
    try {
      const signature = await issuer.keys.verify(token)
      if (signature.kind === 'refused') return this.#refuse(issuer, signature.reason)
      const verdict = judgeMachine(signature.claims, issuer, clock.now())
      if (verdict.kind === 'refused') return this.#refuse(issuer, verdict.reason)
      if (isLocked(verdict.identity.username)) return { kind: 'anonymous', reason: 'locked' }
      return await this.#reviewed(token, issuer, {
        name: nameOf(token),
        kind: 'machine',
        identity: verdict.identity,
        issuer: issuer.issuer,
        subject: verdict.identity.username,
        userAgent: '',
        createdAt: verdict.issuedAt,
        expiresAt: verdict.until,
        notAfter: verdict.until,
      })
    } catch (error) {
      log.warn(
        { component: 'machines', issuer: issuer.issuer, reason: messageOf(error) },
        'a token could not be verified',
      )
      return { kind: 'unavailable' }
    }
  }

  async #reviewed(token: string, issuer: MachineIssuer, session: Session): Promise<MachineAnswer> {
    const before = this.#known.get(session.name)
    const now = this.#date.now()
    try {
      if (issuer.review && !(await issuer.review(token))) {
        this.#known.delete(session.name)
        return this.#refuse(issuer, 'token_revoked')
      }
      return {
        kind: 'session',
        session: this.#keep(token, issuer, {
          session: before?.session ?? session,
          reviewAt: now + reviewEvery,
          staleAt: now + staleWhileUnreachable,
        }),
      }
    } catch (error) {
      if (!before || now >= before.staleAt) throw error
      this.#options.log.warn(
        { component: 'machines', reason: messageOf(error) },
        'a token could not be reviewed; the last answer stands',
      )
      return { kind: 'session', session: this.#keep(token, issuer, { ...before, reviewAt: now + tryAgainAfter }) }
    }
  }

  #keep(token: string, issuer: MachineIssuer, known: Omit<Known, 'timers'>): Session {
    const { clock } = this.#options
    const { session, reviewAt } = known
    const untilReview = reviewAt - this.#date.now()
    const timers = new DisposableStack()
    timers.use(clock.after(session.notAfter - clock.now(), () => void this.#known.delete(session.name)))
    if (issuer.review) timers.use(clock.after(untilReview, () => this.#reviewLive(token, issuer, session)))
    this.#known.set(session.name, { ...known, timers })
    return session
  }

  /** Who asks for nothing more, and has something open, is reviewed as if he did. */
  #reviewLive(token: string, issuer: MachineIssuer, { name }: Session): void {
    const { log, isLive } = this.#options
    const known = this.#known.peek(name)
    if (!known || !isLive?.(name)) return
    this.#flight(token, () => this.#reviewed(token, issuer, known.session)).catch((error: unknown) => {
      // No earlier yes stands any more.
      log.warn(
        { component: 'machines', reason: messageOf(error) },
        'what a machine has open can not be reviewed, and ends',
      )
      this.#known.delete(name)
    })
  }

  #forget({ session, timers }: Known, why: string): void {
    timers[Symbol.dispose]()
    if (why === 'set') return
    const isPast = this.#options.clock.now() >= session.notAfter
    for (const listener of this.#listeners) listener({ type: 'ended', session, why: isPast ? 'expired' : 'withdrawn' })
  }

  /**
   * By unverified claims, which decide nothing but whose keys are tried, and who may see the token. So it is found in whatever could be read as one by
   * somebody less strict, however long.
   */
  #issuerOf(token: string): MachineIssuer | undefined {
    const { issuers } = this.#options
    const claims = issuers.length === 0 ? undefined : unverifiedClaims(token)
    if (claims === undefined) return undefined
    return issuers.find(({ issuer, audience }) => claims.iss === issuer && audiencesOf(claims).includes(audience))
  }

  #refuse({ issuer }: MachineIssuer, reason: string): MachineAnswer {
    this.#options.log.debug({ component: 'machines', issuer, reason }, "a machine's token was refused")
    if (reason === 'token_expired') return { kind: 'anonymous', reason: 'expired' }
    return { kind: 'anonymous', reason: 'bad-signature' }
  }
}

function unverifiedClaims(token: string): Claims | undefined {
  try {
    const claims: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'))
    return isClaims(claims) ? claims : undefined
  } catch {
    // No JSON, no claims: it is none of ours.
    return undefined
  }
}

/** Of the form of every session's name; the token itself is kept nowhere. */
function nameOf(token: string): SessionName {
  const name = parseSessionName(encodeBase32(createHash('sha256').update(`machine\0${token}`).digest()))
  if (name === undefined) throw new TypeError('a hash is always a session name')
  return name
}
