/**
 * For how long claims on renewals have been there, as this replica saw it: a claim says until when it holds by the clock of whoever made it, which may
 * be another time than here (client-go judges leases in the same way).
 */
import { LRUCache } from 'lru-cache'
import type { Milliseconds, Timestamp } from '#lib/clock.ts'
import { mostClockDifference } from './clock-difference.ts'
import type { SessionName } from './session.ts'
import type { SessionSpec } from './session-record.ts'

type RenewalClaim = NonNullable<SessionSpec['renewal']>

interface Seen {
  readonly claim: string
  readonly at: Timestamp
}

export class SeenClaims {
  readonly #seen = new LRUCache<SessionName, Seen>({ max: 10_000 })

  /** Whoever made it is assumed to have given up: nothing of it has changed for its whole `life`, or it is over by any clock. */
  isAbandoned(name: SessionName, { by, until }: RenewalClaim, life: Milliseconds, now: Timestamp): boolean {
    if (Date.parse(until) + mostClockDifference <= now) return true
    const claim = JSON.stringify([by, until])
    const seen = this.#seen.get(name)
    if (seen?.claim === claim) return now - seen.at >= life
    this.#seen.set(name, { claim, at: now })
    return false
  }
}
