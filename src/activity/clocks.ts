/**
 * The clocks of one workspace, and what they come to: when it was last active. Values, merged by maximum, so that it does not matter which
 * replica saw what, or in which order it is told.
 */
import type { Milliseconds, Timestamp } from '#lib/clock.ts'
import type { Sight } from './sight.ts'

/** Something that was seen, and when: milliseconds since 1970. */
export interface Evidence {
  readonly at: Timestamp
  /** As {@link Sight.source}. */
  readonly source: string
  /** Who did it, where it is known. */
  readonly user?: string
}

export interface Clocks {
  /** A stream was open. */
  readonly connected?: Evidence
  /** A person did something. */
  readonly interactive?: Evidence
  /** Work counts as running until then. */
  readonly busy?: Evidence
  /** Something happened that can't be told apart. */
  readonly unknown?: Evidence
  /** A terminal or a console was used: what was started there may run on and say nothing. */
  readonly terminal?: Evidence
  /** Somebody asked that it is kept until then, whoever works in it. */
  readonly kept?: Evidence
}

export type ClockName = keyof Clocks

const names = [
  'connected',
  'interactive',
  'busy',
  'unknown',
  'terminal',
  'kept',
] as const satisfies readonly ClockName[]

/** For so long from now somebody may ask that it is kept. */
export const longestKeep: Milliseconds = 3_600_000
/** A terminal that has printed something counts as at work for so long; a kernel that works tells when it is done. */
export const outputLease: Milliseconds = 60_000
/** What nobody understands counts as activity for no longer than this after the last gesture: an open tab is not to live for ever. */
export const longestUnknown: Milliseconds = 8 * 3_600_000

/** The clocks after something was seen; the same ones where it says nothing. */
export function see(clocks: Clocks, { class: is, source }: Sight, at: Timestamp, user?: string): Clocks {
  if (is === 'background') return clocks
  const evidence = { at: is === 'busy' ? at + outputLease : at, source, ...(user === undefined ? {} : { user }) }
  const terminal = terminals.test(source) ? { terminal: { ...evidence, at } } : {}
  return merge(clocks, { [is]: evidence, ...terminal })
}

/** Sources of {@link Sight}. */
const terminals = /^(?:editor:terminal|terminals?:|rpc:console|ssh:)/

/** Of each clock the later. */
export function merge(one: Clocks, other: Clocks): Clocks {
  const merged: { -readonly [name in ClockName]?: Evidence } = {}
  for (const name of names) {
    const later = laterOf(one[name], other[name])
    if (later) merged[name] = later
  }
  return merged
}

/** Each of them later by this span. */
export function moved(clocks: Clocks, span: Milliseconds): Clocks {
  const later: { -readonly [name in ClockName]?: Evidence } = {}
  for (const name of names) {
    const seen = clocks[name]
    if (seen) later[name] = { ...seen, at: seen.at + span }
  }
  return later
}

function laterOf(one: Evidence | undefined, other: Evidence | undefined): Evidence | undefined {
  if (!one || !other) return one ?? other
  if (one.at !== other.at) return one.at > other.at ? one : other
  return orderOf(one) >= orderOf(other) ? one : other
}

/** Of two of one moment, any rule does that knows no first and second. */
function orderOf({ source, user = '' }: Evidence): string {
  return JSON.stringify([source, user])
}

export interface ActivityPolicy {
  /** An open stream is activity, whatever passes through it. */
  readonly connectedCounts: boolean
  /** Work counts for no longer than this after the last gesture; for as long as it goes on if absent. */
  readonly maxBusy?: Milliseconds | undefined
}

/**
 * The last moment that counts as activity; in the future while work counts as running. `startedAt`: somebody wanted it then, so it counts as a
 * gesture where there is none.
 */
export function lastActive(clocks: Clocks, startedAt: Timestamp, policy: ActivityPolicy): Evidence {
  const gesture = lastGesture(clocks, startedAt)
  const { unknown, busy, connected } = clocks
  const until = (one: Evidence | undefined, end: Timestamp) => one && { ...one, at: Math.min(one.at, end) }
  const work = until(busy, workEnds(clocks, startedAt, policy))
  const unclear = until(unknown, gesture.at + longestUnknown)
  return [work, unclear, policy.connectedCounts ? connected : undefined].reduce<Evidence>(
    (latest, one) => (one && one.at > latest.at ? one : latest),
    gesture,
  )
}

/** Whatever works after that counts for nothing. Infinite where the policy names no end. */
export function workEnds(clocks: Clocks, startedAt: Timestamp, { maxBusy }: ActivityPolicy): Timestamp {
  return lastGesture(clocks, startedAt).at + (maxBusy ?? Number.POSITIVE_INFINITY)
}

function lastGesture({ interactive }: Clocks, startedAt: Timestamp): Evidence {
  const start = { at: startedAt, source: 'start' }
  return laterOf(interactive, start) ?? start
}
