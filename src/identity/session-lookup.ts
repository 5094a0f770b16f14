/**
 * Read your own writes: a session that this replica has not heard of yet is asked for once, consistently. What that costs the store is bounded:
 * one read a session at a time, an unknown one is remembered for 2 s, and all together stay below a rate.
 */
import { LRUCache } from 'lru-cache'
import type { Clock, Milliseconds, Timestamp } from '#lib/clock.ts'
import { singleFlight } from '#lib/single-flight.ts'
import type { Log } from '#observe/log.ts'
import type { Session, SessionName } from './session.ts'
import type { SessionEnd, SessionTable } from './session-table.ts'

export type SessionLookup =
  | { readonly kind: 'live'; readonly session: Session }
  | { readonly kind: 'ended'; readonly why: SessionEnd }
  | { readonly kind: 'unknown' }

export interface SessionLooker {
  /** From memory; `undefined`: only the store can tell. */
  peek(name: SessionName): SessionLookup | undefined
  look(name: SessionName): Promise<SessionLookup | { readonly kind: 'unavailable' }>
}

const unknownFor: Milliseconds = 2_000
const readsPerSecond = 100

const unknown = { kind: 'unknown' } as const
const unavailable = { kind: 'unavailable' } as const

export function sessionLooker(options: {
  readonly table: SessionTable
  readonly clock: Clock
  readonly log: Log
  /** Reads the record consistently into the table. */
  readonly read: (name: SessionName) => Promise<void>
}): SessionLooker {
  const { table, clock, log, read } = options
  const unknownUntil = new LRUCache<SessionName, Timestamp>({ max: 10_000 })
  const flight = singleFlight<SessionName, 'read' | 'too-many'>()
  const takeTurn = turnsPerSecond(clock, readsPerSecond)

  const peek = (name: SessionName): SessionLookup | undefined => {
    const session = table.get(name)
    if (session) return { kind: 'live', session }
    const why = table.endOf(name)
    if (why !== undefined) return { kind: 'ended', why }
    return clock.now() < (unknownUntil.get(name) ?? 0) ? unknown : undefined
  }

  const readOnce = async (name: SessionName) => {
    if (!takeTurn()) return 'too-many'
    await read(name)
    if (!table.get(name)) unknownUntil.set(name, clock.now() + unknownFor)
    return 'read'
  }

  return {
    peek,
    async look(name) {
      const known = peek(name)
      if (known) return known
      try {
        if ((await flight(name, () => readOnce(name))) === 'too-many') return unavailable
      } catch (error) {
        log.warn({ component: 'sessions', session: name, error }, 'a session could not be read')
        return unavailable
      }
      return peek(name) ?? unknown
    },
  }
}

/** At most `most` turns in each second. */
function turnsPerSecond(clock: Clock, most: number): () => boolean {
  let second = 0
  let taken = 0
  return () => {
    const now = Math.floor(clock.now() / 1000)
    if (now !== second) {
      second = now
      taken = 0
    }
    taken += 1
    return taken <= most
  }
}
