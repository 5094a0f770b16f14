/**
 * Is a workspace idle? A value, from what is known at one moment, with the evidence for it. Whatever is missing, failed or can't be told is a reason
 * not to stop it, and says so.
 */
import type { Milliseconds, Timestamp } from '#lib/clock.ts'
import { type Clocks, type Evidence, lastActive, longestKeep, merge, workEnds } from './clocks.ts'
import type { IdlePolicy } from './idle-policy.ts'
import { type Load, leadOf } from './load.ts'
import { unheardLease } from './workspace-record.ts'
import { writeEvery, writePeriod } from './write-turn.ts'

/** What the app itself said when it was asked. */
export type AppAnswer = Busy | RestingAnswer

/** Something runs in it now. */
interface Busy {
  readonly kind: 'busy'
  readonly source: string
  /** All else that it said: it counts where work counts no more. */
  readonly besides?: RestingAnswer
}

/** Of no work that runs. */
export type RestingAnswer =
  /** The last time that somebody did something, or that something ran, as far as it knows. */
  | {
      readonly kind: 'said'
      readonly evidence: readonly Evidence[]
      /** Something of which it can't be told what it is: counts as what is unknown. */
      readonly unclear?: string
      /** A terminal is open, in which a program may run that prints nothing. */
      readonly hasTerminals?: true
      /** What was started in a terminal is known to it, and in what it says. */
      readonly knowsPrograms?: true
    }
  /** For people: `it answered 404 to /api/idle`. */
  | { readonly kind: 'failed'; readonly problem: string }
  | { readonly kind: 'not-asked' }

export interface IdleQuestion {
  readonly policy: IdlePolicy
  /** Of the one who decides. */
  readonly now: Timestamp
  /** By how much that is ahead of the time that everybody else goes by: the app, and whoever wrote the policy. */
  readonly ahead?: Milliseconds
  /** When this run of it began, as far as is known. */
  readonly startedAt: Timestamp | undefined
  /** Of all replicas, with times that are possible ({@link possibleClocks}). `undefined`: there is no record of it. */
  readonly clocks: Clocks | undefined
  /** Since when it is known without a gap what all replicas write; `undefined`: it is not. */
  readonly heardSince: Timestamp | undefined
  readonly app: AppAnswer
  readonly load: Load
}

export type IdleReason =
  /** Somebody did something, or something ran, within the timeout. */
  | 'active'
  | 'busy'
  /** Somebody asked for it. */
  | 'kept'
  | 'paused'
  | 'not-running'
  | 'no-record'
  | 'not-heard'
  | 'not-asked'
  | 'load-not-read'
  | 'app-failed'
  | 'policy-unknown'
  | 'stops-off'

export type IdleDecision =
  | {
      readonly kind: 'idle'
      readonly because: 'inactivity' | 'lifetime'
      readonly last: Evidence
      /** For that long, at the moment of the decision. */
      readonly idleFor: Milliseconds
    }
  | {
      readonly kind: 'not-idle'
      readonly reason: IdleReason
      readonly message: string
      readonly last?: Evidence
      /** When it will be idle if nothing happens. */
      readonly idleAt?: Timestamp
    }
  /** It can't be told, so it is not stopped. */
  | { readonly kind: 'unknown'; readonly reason: IdleReason; readonly message: string; readonly last?: Evidence }

/** A replica's clock may be ahead of that of the one who decides by so much. */
export const longestAhead: Milliseconds = 30_000

/** For the look that finds that it is its turn, and for the write itself. */
const writingTime: Milliseconds = 3_000

/**
 * So long after the last gap every replica has had the time to write down what it saw, also during the gap. A gesture waits for one period after the last
 * write; what is slight for two, behind gestures that went ahead of their turns.
 */
export function settlingTime(timeout: Milliseconds): Milliseconds {
  return 2 * writePeriod(timeout) + writingTime
}

/** When something that was written was heard of. */
export interface Hearing {
  readonly heardAt: Timestamp
  /** By the clock of whoever wrote it; `undefined`: it need not have been just now. */
  readonly writtenAt: Timestamp | undefined
}

/**
 * What a replica says, as it is heard for the first time. How long ago things were is known from the replica itself, so that a clock that is behind makes
 * nobody look idle; what came late counts for longer, never for less. Times that lie in the future, by its clock or somebody's hand, hold nothing up for
 * longer than from now on. Work is known to run for some time ahead.
 */
export function possibleClocks(clocks: Clocks, hearing: Hearing): Clocks {
  const limit = hearing.heardAt + longestAhead
  const within = (name: keyof Clocks, latest: Timestamp) => {
    const evidence = clocks[name]
    return evidence && { [name]: { ...evidence, at: possibleTime(evidence.at, latest, trusted(clocks, hearing)) } }
  }
  return {
    ...within('connected', limit),
    ...within('interactive', limit),
    ...within('busy', limit + unheardLease),
    ...within('unknown', limit),
    ...within('terminal', limit),
    ...within('kept', limit + longestKeep),
  }
}

/** When a run began: never after it was heard of. */
export function possibleStart(since: Timestamp, clocks: Clocks, hearing: Hearing): Timestamp {
  return possibleTime(since, hearing.heardAt, trusted(clocks, hearing))
}

function possibleTime(at: Timestamp, latest: Timestamp, { heardAt, writtenAt }: Hearing): Timestamp {
  const shifted = writtenAt === undefined ? at : heardAt - (writtenAt - at)
  return Math.min(latest, at > latest ? shifted : Math.max(at, shifted))
}

/** A Gatehouse that knows nothing of `writtenAt` leaves there what another one wrote. */
function trusted({ connected, interactive, unknown }: Clocks, { heardAt, writtenAt }: Hearing): Hearing {
  const latest = Math.max(...[connected, interactive, unknown].map((one) => one?.at ?? 0))
  return { heardAt, writtenAt: writtenAt !== undefined && latest <= writtenAt + longestAhead ? writtenAt : undefined }
}

/** Whether what the app says could still make a difference. */
export function needsTheApp(decision: IdleDecision): boolean {
  return decision.kind === 'unknown' && decision.reason === 'not-asked'
}

/** Whether its load should be known soon, or could still make a difference. */
export function needsLoad(decision: IdleDecision, { timeout }: IdlePolicy, now: Timestamp): boolean {
  switch (decision.kind) {
    case 'idle':
      return decision.because === 'inactivity'
    case 'not-idle':
      return decision.idleAt !== undefined && decision.idleAt - now <= leadOf(timeout)
    case 'unknown':
      return loadMatters.has(decision.reason)
  }
}

const loadMatters: ReadonlySet<IdleReason> = new Set(['not-asked', 'load-not-read', 'app-failed'])

export function decideIdle(question: IdleQuestion): IdleDecision {
  const { policy, now, ahead = 0, startedAt, clocks } = question
  if (policy.pausedUntil !== undefined && now - ahead < policy.pausedUntil) {
    const until = new Date(policy.pausedUntil).toISOString()
    return { kind: 'not-idle', reason: 'paused', message: `Idle workspaces are not stopped until ${until}.` }
  }
  if (startedAt === undefined || clocks === undefined) {
    const message = 'Nothing is known yet of what it was last doing.'
    return { kind: 'unknown', reason: 'no-record', message }
  }
  const { maxLifetime } = policy
  const lived = now - startedAt
  if (maxLifetime !== undefined && lived > maxLifetime) {
    const last = { at: startedAt, source: 'start' }
    return { kind: 'idle', because: 'lifetime', last, idleFor: lived }
  }
  const seen = lastActive(clocks, startedAt, policy)
  return stillActive(seen, question) ?? decideUnseen(seen, question)
}

/** By traffic nobody works and nothing runs; what can the others say against it? */
function decideUnseen(seen: Evidence, question: IdleQuestion): IdleDecision {
  const { policy, now, heardSince, app, load } = question
  const unknown = (reason: IdleReason, message: string): IdleDecision => ({
    kind: 'unknown',
    reason,
    message,
    last: seen,
  })
  if (heardSince === undefined || now - heardSince < settlingTime(policy.timeout)) {
    return unknown('not-heard', 'What the other replicas have seen is not known for certain.')
  }
  if (load.kind === 'not-read') return unknown('load-not-read', 'It is not known yet how busy its processors are.')
  const work = app.kind === 'busy' ? { at: Math.min(now, endOfWork(question)), source: app.source } : undefined
  if (work?.at === now) {
    return { kind: 'not-idle', reason: 'busy', message: sayActive(work), last: work, idleAt: now + policy.timeout }
  }
  const rest = app.kind === 'busy' ? (app.besides ?? nothingElse) : app
  switch (rest.kind) {
    case 'not-asked':
      return unknown('not-asked', 'It has not been asked itself yet.')
    case 'failed':
      return unknown('app-failed', `It could not be asked what it is doing: ${rest.problem}.`)
    case 'said':
      return decideSaid(seen, work ? { ...rest, evidence: [...rest.evidence, work] } : rest, question)
  }
}

const nothingElse: RestingAnswer = { kind: 'said', evidence: [] }

function decideSaid(seen: Evidence, app: AppAnswer & { kind: 'said' }, question: IdleQuestion): IdleDecision {
  const { now, ahead = 0, load } = question
  const end = endOfWork(question)
  // An endpoint tells of people as well, and of whom it tells is its own affair.
  const latest = ({ source }: Evidence) => (source === 'endpoint' ? now : Math.min(now, end))
  // Never moved back: the app's clock is its node's, which may be right where the store's is ahead of both.
  const said = app.evidence.map((one) => ({ ...one, at: Math.min(latest(one), one.at + Math.max(0, ahead)) }))
  const used = load.kind === 'busy' ? { at: Math.min(load.at, end), source: 'load:cpu' } : undefined
  const unseen = unclearIn(question, app.unclear ?? unseenProgram(app, question))
  const last = [...said, used, unseen].reduce<Evidence>(
    (latest, one) => (one && one.at > latest.at ? one : latest),
    seen,
  )
  return stillActive(last, question) ?? { kind: 'idle', because: 'inactivity', last, idleFor: now - last.at }
}

function endOfWork({ clocks = {}, startedAt = 0, policy }: IdleQuestion): Timestamp {
  return workEnds(clocks, startedAt, policy)
}

/**
 * What was started in a terminal of this run may run on and print nothing: what it uses tells, and nothing else does where nobody knows of it. Nor is
 * anything known of what was seen at work, or could be seen and was not just now.
 */
function unseenProgram(app: AppAnswer & { kind: 'said' }, question: IdleQuestion): string | undefined {
  const { clocks, startedAt, load } = question
  if (load.kind === 'quiet') return undefined
  if (load.kind === 'between') return 'load:between'
  if (app.hasTerminals) return 'app:terminal-open'
  const isOfThisRun = (seen: Evidence | undefined) => seen !== undefined && seen.at >= (startedAt ?? 0)
  const hasWorked = clocks?.busy?.source === 'load:cpu' && isOfThisRun(clocks.busy)
  if (load.kind === 'missing' && (load.isPassing || hasWorked)) return 'load:missing'
  return isOfThisRun(clocks?.terminal) && !app.knowsPrograms ? 'load:missing' : undefined
}

/** Bounded as everything is that is unknown. */
function unclearIn({ policy, now, clocks, startedAt }: IdleQuestion, source: string | undefined): Evidence | undefined {
  if (source === undefined || clocks === undefined || startedAt === undefined) return undefined
  return lastActive(merge(clocks, { unknown: { at: now, source } }), startedAt, policy)
}

function stillActive(last: Evidence, { policy, now, clocks, load }: IdleQuestion): IdleDecision | undefined {
  const keptUntil = clocks?.kept?.at ?? now
  if (keptUntil > Math.max(now, last.at + policy.timeout)) {
    const message = `It is kept until ${new Date(keptUntil).toISOString()}.`
    return { kind: 'not-idle', reason: 'kept', message, last, idleAt: keptUntil }
  }
  if (now - last.at > policy.timeout) return undefined
  const reason = last.at > now ? 'busy' : 'active'
  const isBlind = load.kind === 'missing' && (last.source === 'load:missing' || last.source === 'app:terminal-open')
  const why = isBlind ? ` Whether a program still runs in it can't be told: ${load.problem}.` : ''
  return { kind: 'not-idle', reason, message: sayActive(last) + why, last, idleAt: last.at + policy.timeout }
}

/** Tells of no person: who may ask for more reads the evidence itself. */
function sayActive({ at, source }: Evidence): string {
  return `Last active at ${new Date(at).toISOString()} (${source}).`
}

/** Until then nothing that happens makes it idle: what is written meanwhile puts the end off, and never ahead. */
export function lookAgainAt(decision: IdleDecision, { timeout, maxLifetime }: IdlePolicy, now: Timestamp): Timestamp {
  if (decision.kind !== 'not-idle' || decision.idleAt === undefined || maxLifetime !== undefined) return now
  return Math.min(decision.idleAt, now + writeEvery(timeout))
}
