/**
 * The hand-over: how a browser that is logged in at `<domain>` gets a cookie for a workspace's host, without the console's cookie ever leaving
 * its own. The host gives the browser a nonce and sends it to `<domain>`, which answers with a ticket: sealed, for that host and that nonce,
 * good for 30 s and once. A ticket that somebody else planted or picked up therefore opens nothing.
 */

import { randomBytes } from 'node:crypto'
import Type from 'typebox'
import type { Clock, Milliseconds } from '#lib/clock.ts'
import { checkerOf } from '#lib/schema.ts'
import type { CookieScope } from './authentication.ts'
import { tieTo } from './browser-tie.ts'
import { mostClockDifference, rememberedFor } from './clock-difference.ts'
import type { CookiePolicy } from './cookie-names.ts'
import { HandoverCookies, type NonceHash, parseNonceHash } from './handover-cookies.ts'
import type { KeyRing } from './key-ring.ts'
import type { Once } from './once.ts'
import { createSealer, type Sealer } from './seal.ts'
import type { Session } from './session.ts'
import { newSessionCookie } from './session-cookie.ts'
import { parseSessionId, type SessionId, sessionNameOf } from './session-id.ts'
import type { SessionStore } from './session-store.ts'

export type HandoverStart =
  /** `nonceHash` goes to `<domain>` in the URL, the cookie to the browser. `count`: hand-overs of this scope in the last 30 s, with this one. */
  | { readonly kind: 'started'; readonly nonceHash: NonceHash; readonly setCookie: string; readonly count: number }
  /** Two were completed within 30 s and the browser still has no session here: a third would not help. */
  | { readonly kind: 'loop'; readonly count: number }

export interface TicketFor {
  readonly id: SessionId
  readonly scope: CookieScope
  readonly nonceHash: NonceHash
  /** A path on that host, as the hand-over's caller has parsed it. */
  readonly to: string
}

export type TicketRefusal =
  | 'malformed'
  | 'expired'
  | 'wrong-host'
  | 'wrong-nonce'
  | 'session-ended'
  | 'used'
  /** The store can't be asked. */
  | 'unavailable'

export type TicketOutcome =
  /** `setCookies`: the session's for this scope, and what the hand-over itself remembers or forgets. */
  | {
      readonly kind: 'accepted'
      readonly session: Session
      readonly to: string
      readonly setCookies: readonly string[]
    }
  /** `to`, where the ticket was ours and for this host: where to go on for somebody who has a session here by now (another tab was first). */
  | { readonly kind: 'refused'; readonly reason: TicketRefusal; readonly to: string | undefined }

export interface Handovers {
  startHandover(scope: CookieScope, cookieHeader: string | undefined): HandoverStart
  issueTicket(ticket: TicketFor): string
  acceptTicket(
    ticket: string,
    at: { readonly scope: CookieScope; readonly cookieHeader: string | undefined },
  ): Promise<TicketOutcome>
}

export interface HandoverOptions {
  readonly keyRing: KeyRing
  readonly sessions: Pick<SessionStore, 'look'>
  readonly once: Pick<Once, 'claim'>
  readonly cookies: CookiePolicy
  /** Names this process: its tickets are judged by its own clock to the second, those of others by as much more as clocks may differ. */
  readonly replica: string
  readonly clock: Clock
}

const ticketLife: Milliseconds = 30_000
const usedFor = rememberedFor(ticketLife)
const loopAt = 3
const purpose = 'handover/ticket'

const Ticket = Type.Object({
  jti: Type.String(),
  id: Type.String(),
  scope: Type.Array(Type.String(), { minItems: 3, maxItems: 3 }),
  nonceHash: Type.String(),
  to: Type.String(),
  /** By the clock of the replica `by`. */
  expiresAt: Type.Number(),
  by: Type.String(),
})
const checkTicket = checkerOf(Ticket)

export function createHandovers(options: HandoverOptions): Handovers {
  return new SealedHandovers(options)
}

interface OpenTicket {
  readonly jti: string
  readonly id: SessionId
  readonly scope: string
  readonly nonceHash: NonceHash
  readonly to: string
  readonly expiresAt: number
  readonly by: string
}

class SealedHandovers implements Handovers {
  readonly #options: HandoverOptions
  readonly #sealer: Sealer
  readonly #cookies: HandoverCookies

  constructor(options: HandoverOptions) {
    this.#options = options
    this.#sealer = createSealer(options)
    this.#cookies = new HandoverCookies({ cookies: options.cookies, sealer: this.#sealer })
  }

  startHandover(scope: CookieScope, cookieHeader: string | undefined): HandoverStart {
    const count = this.#cookies.completed(scope, cookieHeader, this.#options.clock.now()).length + 1
    if (count >= loopAt) return { kind: 'loop', count }
    const { hash, setCookie } = this.#cookies.offerNonce(scope, cookieHeader)
    return { kind: 'started', nonceHash: hash, setCookie, count }
  }

  issueTicket({ id, scope, nonceHash, to }: TicketFor): string {
    const jti = randomBytes(16).toString('base64url')
    const { clock, replica: by } = this.#options
    const expiresAt = clock.now() + ticketLife
    return this.#sealer.seal(purpose, JSON.stringify({ jti, id, scope: partsOf(scope), nonceHash, to, expiresAt, by }))
  }

  async acceptTicket(
    text: string,
    { scope, cookieHeader }: { readonly scope: CookieScope; readonly cookieHeader: string | undefined },
  ): Promise<TicketOutcome> {
    const ticket = this.#opened(text)
    if (!ticket) return refused('malformed')
    if (ticket.scope !== JSON.stringify(partsOf(scope))) return refused('wrong-host')
    if (this.#isOver(ticket)) return refused('expired', ticket.to)
    if (!this.#cookies.holdsNonce(scope, ticket.nonceHash, cookieHeader)) return refused('wrong-nonce', ticket.to)
    const found = await this.#options.sessions.look(sessionNameOf(ticket.id))
    if (found.kind === 'unavailable') return refused('unavailable', ticket.to)
    if (found.kind !== 'live') return refused('session-ended', ticket.to)
    const claim = await this.#claim(ticket.jti)
    if (claim !== 'first') return refused(claim, ticket.to)
    return {
      kind: 'accepted',
      session: found.session,
      to: ticket.to,
      setCookies: this.#cookiesFor(ticket, found.session, scope, cookieHeader),
    }
  }

  #cookiesFor(
    ticket: OpenTicket,
    session: Session,
    scope: CookieScope,
    cookieHeader: string | undefined,
  ): readonly string[] {
    const tied = tieTo(this.#options.cookies, scope, cookieHeader)
    return [
      newSessionCookie(this.#options, session, ticket.id, tied.scope),
      ...tied.setCookies,
      this.#cookies.clearNonce(scope, ticket.nonceHash),
      this.#cookies.rememberCompleted(scope, cookieHeader, this.#options.clock.now()),
    ]
  }

  #isOver({ expiresAt, by }: OpenTicket): boolean {
    const { clock, replica } = this.#options
    return clock.now() >= expiresAt + (by === replica ? 0 : mostClockDifference)
  }

  /** Last of all checks, so that nobody can use up a ticket that is not theirs. */
  async #claim(jti: string): Promise<'first' | 'used' | 'unavailable'> {
    try {
      return (await this.#options.once.claim(JSON.stringify(['ticket', jti]), usedFor)) ? 'first' : 'used'
    } catch {
      // Nobody knows whether it was used, so it opens nothing; the visitor is told to try again.
      return 'unavailable'
    }
  }

  #opened(text: string): OpenTicket | undefined {
    const json = this.#sealer.open(purpose, text)
    if (json === undefined) return undefined
    const checked = checkTicket(JSON.parse(json))
    if (!checked.ok) return undefined
    const id = parseSessionId(checked.value.id)
    const nonceHash = parseNonceHash(checked.value.nonceHash)
    if (id === undefined || nonceHash === undefined) return undefined
    return { ...checked.value, id, nonceHash, scope: JSON.stringify(checked.value.scope) }
  }
}

function partsOf(scope: CookieScope): readonly string[] {
  return [scope.kind, scope.authority, scope.path]
}

function refused(reason: TicketRefusal, to?: string): TicketOutcome {
  return { kind: 'refused', reason, to }
}
