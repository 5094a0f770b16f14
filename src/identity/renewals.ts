/**
 * When sessions are renewed: ahead of their end, while somebody uses them or has something open. Asked on every request, so the usual answer costs
 * a comparison. What would renew a session that has ended is given back.
 */

import { randomUUID } from 'node:crypto'
import type { Clock, Milliseconds, Timestamp } from '#lib/clock.ts'
import { singleFlight } from '#lib/single-flight.ts'
import type { Log } from '#observe/log.ts'
import type { Metrics } from '#observe/metrics.ts'
import type { Issuers } from './issuers.ts'
import { type Renewal, renewSession } from './renewal.ts'
import type { Sealer } from './seal.ts'
import { SeenClaims } from './seen-claims.ts'
import type { Session, SessionName } from './session.ts'
import type { SessionStore } from './session-store.ts'
import { giveTokensBack } from './token-return.ts'

export interface Renewals {
  /**
   * Somebody uses the session. `live`: by something that stays open, which keeps it renewed for as long as {@link RenewalsOptions.isLive} says so.
   * Never waits and never throws.
   */
  touch(session: Session, use: { readonly live: boolean }): void
  /** Whatever the time; one at a time for each session. Throws `store_unavailable`. */
  renewNow(name: SessionName): Promise<Renewal>
}

export interface RenewalsOptions {
  readonly sessions: SessionStore
  readonly issuers: Pick<Issuers, 'byUrl'>
  readonly sealer: Sealer
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Pick<Metrics, 'renewals'>
  /** Ends the timers. */
  readonly signal: AbortSignal
  /** Of a session after login and after each renewal; 1 h. */
  readonly lifetime?: Milliseconds
  /** Has the session anything open at this moment? */
  isLive(name: SessionName): boolean
}

/** Renewal begins when this part of a lifetime is left (10 minutes of an hour), but never earlier than {@link longestAhead}. */
const partAhead = 1 / 6
const longestAhead: Milliseconds = 10 * 60_000
const retryPause: Milliseconds = 30_000
/** Until another replica's renewal should have been heard of. */
const claimedPause: Milliseconds = 5_000

export function createRenewals(options: RenewalsOptions): Renewals {
  return new ScheduledRenewals(options)
}

class ScheduledRenewals implements Renewals {
  readonly #options: RenewalsOptions
  readonly #ahead: Milliseconds
  readonly #replica = randomUUID()
  readonly #seenClaims = new SeenClaims()
  readonly #flights = singleFlight<SessionName, Renewal>()
  /** Until when nothing is tried; infinite while something is. */
  readonly #pausedUntil = new Map<SessionName, Timestamp>()
  readonly #timers = new Map<SessionName, Disposable>()

  constructor(options: RenewalsOptions) {
    this.#options = options
    this.#ahead = Math.min(longestAhead, (options.lifetime ?? 3_600_000) * partAhead)
    const following = options.sessions.subscribe((change) => {
      if (change.type === 'ended') this.#forget(change.session.name)
    })
    const returning = giveTokensBack(options)
    const stop = () => {
      following[Symbol.dispose]()
      returning[Symbol.dispose]()
      for (const name of [...this.#timers.keys()]) this.#forget(name)
    }
    options.signal.addEventListener('abort', stop, { once: true })
  }

  touch(session: Session, { live }: { readonly live: boolean }): void {
    const { name, expiresAt, notAfter } = session
    const now = this.#options.clock.now()
    const early = expiresAt - this.#ahead - now
    if (early > 0) {
      if (live) this.#lookAgain(name, early)
      return
    }
    if (expiresAt >= notAfter) return
    const paused = (this.#pausedUntil.get(name) ?? 0) - now
    if (paused <= 0) void this.#renew(name)
    else if (live && Number.isFinite(paused)) this.#lookAgain(name, paused)
  }

  renewNow(name: SessionName): Promise<Renewal> {
    return this.#flights(name, () =>
      renewSession({ ...this.#options, replica: this.#replica, seenClaims: this.#seenClaims }, name),
    )
  }

  async #renew(name: SessionName): Promise<void> {
    this.#pausedUntil.set(name, Number.POSITIVE_INFINITY)
    const outcome = await this.renewNow(name).catch((error: unknown): Renewal => {
      this.#options.log.warn({ component: 'renewal', session: name, error }, 'a session could not be renewed')
      return { kind: 'failed', reason: 'store_unavailable' }
    })
    this.#settle(name, outcome)
  }

  #settle(name: SessionName, outcome: Renewal): void {
    const session = this.#options.sessions.get(name)
    if (!session) {
      this.#forget(name)
      return
    }
    const pause = pauseAfter(outcome, session.expiresAt - this.#options.clock.now())
    if (pause === 0) this.#pausedUntil.delete(name)
    else this.#pausedUntil.set(name, this.#options.clock.now() + pause)
    if (this.#options.isLive(name)) this.touch(session, { live: true })
  }

  /** What stays open makes no requests that would remind us. */
  #lookAgain(name: SessionName, delay: Milliseconds): void {
    if (this.#timers.has(name) || this.#options.signal.aborted) return
    const timer = this.#options.clock.after(delay, () => {
      this.#timers.delete(name)
      const session = this.#options.sessions.get(name)
      if (session && this.#options.isLive(name)) this.touch(session, { live: true })
    })
    this.#timers.set(name, timer)
  }

  #forget(name: SessionName): void {
    this.#timers.get(name)?.[Symbol.dispose]()
    this.#timers.delete(name)
    this.#pausedUntil.delete(name)
  }
}

/** `rest`: of the session's life, which is all there is when it can't be renewed. */
function pauseAfter(outcome: Renewal, rest: Milliseconds): Milliseconds {
  switch (outcome.kind) {
    case 'renewed':
    case 'ended':
      return 0
    case 'claimed':
      return claimedPause
    case 'failed':
      return retryPause
    case 'not-renewable':
      return rest
  }
}
