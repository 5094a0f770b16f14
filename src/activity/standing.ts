/**
 * How it stands with one workspace, from what one process knows of it at a moment: the same question for whoever stops it and for whoever shows people
 * why it is idle or not.
 */
import type { Milliseconds, Timestamp } from '#lib/clock.ts'
import type { Activity } from './activity-record.ts'
import { type Clocks, type Evidence, merge } from './clocks.ts'
import { type AppAnswer, decideIdle, type IdleDecision } from './idle-decision.ts'
import type { IdlePolicy, IdleRule } from './idle-policy.ts'
import type { Load } from './load.ts'

export interface Known {
  readonly now: Timestamp
  /** As {@link IdleQuestion.ahead}; `undefined`: it should be known, and is not. */
  readonly ahead: Milliseconds | undefined
  /** The store keeps true what stops lean on. */
  readonly mayStop: boolean
  readonly isRunning: boolean
  /** What all replicas have written of this run; `undefined`: nothing. */
  readonly written: Activity | undefined
  /** What this replica has seen itself. */
  readonly seen: Clocks
  /** As {@link IdleQuestion.heardSince}. */
  readonly heardSince: Timestamp | undefined
}

export function decideKnown(known: Known, policy: IdlePolicy, app: AppAnswer, load: Load): IdleDecision {
  const { now, ahead, written, seen, heardSince } = known
  // What somebody else stops leans on nothing of that.
  const isOurs = policy.operatorTimeout === undefined
  if (isOurs && !known.mayStop) {
    return { kind: 'unknown', reason: 'stops-off', message: 'Stops are off: a policy is missing.' }
  }
  if (!known.isRunning) {
    return { kind: 'not-idle', reason: 'not-running', message: 'It does not run, or is not ready.' }
  }
  if (written?.isUnreadable) {
    return { kind: 'unknown', reason: 'not-heard', message: 'One of its records can not be read.' }
  }
  if (ahead === undefined) {
    return {
      kind: 'unknown',
      reason: 'not-heard',
      message: 'How far its clock is from that of the store is not known.',
    }
  }
  const clocks = written && merge(written.clocks, seen)
  return decideIdle({ policy, now, ahead, startedAt: written?.run?.since, clocks, heardSince, app, load })
}

/** Why it is idle, or why not, as far as somebody who stops nothing can tell. */
export interface Standing {
  readonly kind: IdleDecision['kind']
  /** An {@link IdleReason}, `off`, or why it is idle. */
  readonly reason: string
  /** For people; names none. */
  readonly message: string
  readonly last?: Evidence
  /** When it counts as idle if nothing happens. */
  readonly idleAt?: Timestamp
}

export interface Reading {
  readonly at: Timestamp
  readonly rule: IdleRule
  /** Of the run that goes on. */
  readonly startedAt: Timestamp | undefined
  /** Of all replicas. */
  readonly clocks: Clocks
  readonly standing: Standing
  /** When it has run for as long as is allowed. */
  readonly stopsAt: Timestamp | undefined
  /** The sooner of both, where one is known. */
  readonly end: Ending | undefined
}

export interface Ending {
  readonly at: Timestamp
  readonly because: 'inactivity' | 'lifetime'
  readonly isNear: boolean
}

/** `decided`: what whoever decides has found last, where this process knows it. */
export function readingOf(known: Known, rule: IdleRule, decided: Standing | undefined): Reading {
  const { now, written, seen, isRunning } = known
  const clocks = merge(written?.clocks ?? {}, seen)
  const startedAt = isRunning ? written?.run?.since : undefined
  const standing = standingOf(known, rule, decided)
  const policy = rule.kind === 'on' ? rule.policy : undefined
  const stopsAt = startedAt === undefined || !policy?.maxLifetime ? undefined : startedAt + policy.maxLifetime
  const end = policy && isRunning ? endOf({ standing, stopsAt, policy, now }) : undefined
  return { at: now, rule, startedAt, clocks, standing, stopsAt, end }
}

/** By what has passed and was written; its app and its processors are asked by whoever decides, alone. */
export function decideByTraffic(known: Known, policy: IdlePolicy): IdleDecision {
  return decideKnown(known, policy, { kind: 'not-asked' }, { kind: 'missing', problem: 'nobody reads it here' })
}

function standingOf(known: Known, rule: IdleRule, decided: Standing | undefined): Standing {
  if (rule.kind === 'unknown') return { kind: 'unknown', reason: 'policy-unknown', message: rule.problem }
  if (rule.kind === 'off') return { kind: 'not-idle', reason: 'off', message: 'Nobody asks that it stops by itself.' }
  const own = standingBy(decideByTraffic(known, rule.policy))
  // What remains is known to those who ask the app, and to them alone.
  const isOpen = own.reason === 'not-asked' || own.reason === 'not-heard'
  // What Gatehouse finds idle it stops at once; what somebody else stops stays idle until he does.
  const isIdleStill = own.reason === 'not-asked' && rule.policy.operatorTimeout !== undefined
  const isTold = decided?.kind !== 'idle' || isIdleStill
  return isOpen && decided && isTold && isOfNow(decided, known.now) ? decided : own
}

/** What held until a moment that is over holds no more; of what is idle it is when it was found so. */
function isOfNow({ kind, idleAt }: Standing, now: Timestamp): boolean {
  return kind === 'idle' || idleAt === undefined || idleAt >= now
}

/** What whoever decides has written down. */
export function standingByVerdict({
  idle,
  reason,
  message,
  idleAt,
}: NonNullable<Activity['verdict']>): Standing | undefined {
  const kind = idle ? 'idle' : kinds.get(reason)
  if (kind === undefined) return undefined
  return { kind, reason, message, ...(idleAt === undefined ? {} : { idleAt: Date.parse(idleAt) }) }
}

/** Of reasons not to stop something; one of a newer Gatehouse is not among them. */
const kinds: ReadonlyMap<string, Standing['kind']> = new Map([
  ...(['active', 'busy', 'kept', 'paused', 'not-running'] as const).map((reason) => [reason, 'not-idle'] as const),
  ...(
    ['no-record', 'not-heard', 'not-asked', 'load-not-read', 'app-failed', 'policy-unknown', 'stops-off'] as const
  ).map((reason) => [reason, 'unknown'] as const),
])

export function standingBy(decision: IdleDecision): Standing {
  if (decision.kind !== 'idle') return decision
  const { because, last } = decision
  const message = because === 'lifetime' ? 'It has run for as long as is allowed.' : 'Nobody works, and nothing runs.'
  return { kind: 'idle', reason: because, message, last }
}

interface EndQuestion {
  readonly standing: Standing
  readonly stopsAt: Timestamp | undefined
  readonly policy: IdlePolicy
  readonly now: Timestamp
}

/** While stops are paused or off nothing ends; what is to be asked yet may end at any moment. */
function endOf({ standing, stopsAt, policy, now }: EndQuestion): Ending | undefined {
  const { kind, reason, idleAt } = standing
  if (reason === 'paused' || reason === 'stops-off') return undefined
  const mayEndNow = kind === 'idle' || reason === 'not-asked'
  const byIdleness = idleAt ?? (mayEndNow ? now : undefined)
  const soonest = Math.min(byIdleness ?? Number.POSITIVE_INFINITY, stopsAt ?? Number.POSITIVE_INFINITY)
  if (!Number.isFinite(soonest)) return undefined
  const because = soonest === stopsAt ? 'lifetime' : 'inactivity'
  const span = because === 'lifetime' ? longestWarning : warningBefore(policy.timeout)
  return { at: soonest, because, isNear: soonest - now <= span }
}

const longestWarning: Milliseconds = 5 * 60_000

/** So long before its end people are warned: half of a short timeout, since a longer warning would be there whenever somebody pauses. */
export function warningBefore(timeout: Milliseconds): Milliseconds {
  return Math.min(longestWarning, timeout / 2)
}
