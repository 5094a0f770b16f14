/**
 * When a workspace's record may be written again. What weighs more need not wait behind what weighs less: it goes at once, and the turns after it are
 * forfeited for that, so that there is no more than one write in a period on average.
 */
import type { Milliseconds, Timestamp } from '#lib/clock.ts'
import { type Clocks, type Evidence, lastActive } from './clocks.ts'

/** `slight`: it counts, but is nobody's gesture. */
export type Weight = 'none' | 'slight' | 'full'

export interface WriteTurn {
  readonly writtenAt: Timestamp
  /** What the last write brought. */
  readonly weight: Weight
  /** When it is the turn of what weighs nothing. */
  readonly next: Timestamp
}

export const neverWritten: WriteTurn = {
  ...{ writtenAt: Number.NEGATIVE_INFINITY, weight: 'none', next: Number.NEGATIVE_INFINITY },
}

/** How often a replica writes what it saw of a workspace, at most. */
export function writeEvery(timeout: Milliseconds | undefined): Milliseconds {
  return Math.min(60_000, timeout === undefined ? 60_000 : timeout / 10)
}

/** A second more than need be: three replicas at which everybody works in 5,000 workspaces ask less of the store than it is to bear, and not as much. */
const margin: Milliseconds = 1_000

/** Between two writes of one record, on average. `timeout`: of its workspace, where one is known. */
export function writePeriod(timeout: Milliseconds | undefined): Milliseconds {
  return writeEvery(timeout) + margin
}

/** Turns that may be taken ahead. */
const ahead: Readonly<Record<Weight, number>> = { none: 0, slight: 1, full: 2 }

export function mayWrite(turn: WriteTurn, weight: Weight, now: Timestamp, period: Milliseconds): boolean {
  const isFirstOfItsWeight = ahead[weight] > ahead[turn.weight] || now - turn.writtenAt >= period
  return isFirstOfItsWeight && now >= turn.next - ahead[weight] * period
}

export function turnAfter(turn: WriteTurn, weight: Weight, now: Timestamp, period: Milliseconds): WriteTurn {
  return { writtenAt: now, weight, next: Math.max(turn.next, now) + period }
}

export interface NewsRules {
  readonly connectedCounts: boolean
  /** Of the run that goes on, as far as is known. */
  readonly startedAt: Timestamp | undefined
}

/** What these clocks say beyond those that were written. */
export function newsOf(clocks: Clocks, written: Clocks, { connectedCounts, startedAt }: NewsRules): Weight {
  const isFull = (['interactive', 'busy', 'kept'] as const).some((name) => isLater(clocks[name], written[name]))
  if (isFull) return 'full'
  if (connectedCounts && isLater(clocks.connected, written.connected)) return 'slight'
  return isLater(clocks.unknown, written.unknown) && countsStill(clocks, written, startedAt) ? 'slight' : 'none'
}

/** What is unknown counts for some hours after the last gesture; where none is known, somebody else may know of one. */
function countsStill({ interactive, unknown }: Clocks, written: Clocks, startedAt: Timestamp | undefined): boolean {
  if (!unknown || (!interactive && startedAt === undefined)) return true
  const alone = (one: Evidence | undefined): Clocks => ({
    ...(interactive ? { interactive } : {}),
    ...(one ? { unknown: one } : {}),
  })
  const last = (one: Evidence | undefined) => lastActive(alone(one), startedAt ?? 0, { connectedCounts: false }).at
  return last(unknown) > last(written.unknown)
}

function isLater(one: Evidence | undefined, other: Evidence | undefined): boolean {
  return one !== undefined && (other === undefined || one.at > other.at)
}
