/**
 * What an operator of somebody else's is told of a workspace that it stops by what it is told: since when nobody works and nothing runs. It counts on from
 * there by a timeout and a clock of its own; told is a time by which it comes to what was decided here, and to nothing else.
 */
import type { Milliseconds, Timestamp } from '#lib/clock.ts'
import type { Evidence } from './clocks.ts'

export type LastActive =
  /** By the time of the store. */
  | { readonly kind: 'at'; readonly at: Timestamp }
  /** It can't be told, so nothing is said that it could be stopped by. */
  | { readonly kind: 'unknown'; readonly message: string }
  /** It asks for nothing that it could be stopped by, or it is Gatehouse that stops it. */
  | { readonly kind: 'not-told' }

/** What was decided, as far as it matters to that operator. */
export type Decided =
  | { readonly kind: 'idle'; readonly because: 'inactivity' | 'lifetime'; readonly last: Evidence }
  | { readonly kind: 'not-idle'; readonly idleAt?: Timestamp }
  | { readonly kind: 'unknown'; readonly message: string }

export interface LastActiveQuestion {
  readonly now: Timestamp
  /** By how much that is ahead of the time of the store. */
  readonly ahead: Milliseconds
  /** Of the operator: longer ago than that is idle. */
  readonly timeout: Milliseconds
}

/** Its own time has passed where it compares. */
const margin: Milliseconds = 1_000

/**
 * As long as it is not idle, no more than half of the timeout ago, so that an operator whose clock is ahead by less than the rest stops nothing. What has
 * lived for as long as is allowed is idle by two timeouts, however lately somebody worked in it.
 */
export function lastActiveFor(decision: Decided, { now, ahead, timeout }: LastActiveQuestion): LastActive {
  switch (decision.kind) {
    case 'unknown':
      return { kind: 'unknown', message: decision.message }
    case 'not-idle': {
      const counted = (decision.idleAt ?? now + timeout) - timeout
      return { kind: 'at', at: Math.min(now, Math.max(counted, now - timeout / 2)) - ahead }
    }
    case 'idle': {
      const least = decision.because === 'lifetime' ? 2 * timeout : timeout + margin
      return { kind: 'at', at: Math.min(decision.last.at, now - least) - ahead }
    }
  }
}
