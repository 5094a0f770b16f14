/** What another timeout would have done to a workspace in the days that are recorded: the same decision, span by span. */
import type { Milliseconds, Timestamp } from '#lib/clock.ts'
import { type ActivityPolicy, type Clocks, merge, workEnds } from './clocks.ts'
import { type History, marks, mostSpans, spanLength, spanOf } from './history.ts'
import { decideIdle } from './idle-decision.ts'

export interface Recorded {
  readonly history: History
  /** Since when it runs now; `undefined`: it does not. */
  readonly runsSince: Timestamp | undefined
  /** What counts as activity in it. */
  readonly counts: ActivityPolicy
}

export interface Replay {
  /** For how long it ran. */
  readonly ran: Milliseconds
  /** For how long it would not have. */
  readonly saved: Milliseconds
  /** How often it would have been stopped. */
  readonly stops: number
  /** After how many of these somebody worked in it again within the timeout, and nothing had run in it before. */
  readonly returns: number
  /** After how many of these something ran in it before anybody came back. */
  readonly broken: number
}

/** As it would be at the moment. */
type Phase = { readonly kind: 'off' } | Run | Stopped

interface Run {
  readonly kind: 'runs'
  readonly startedAt: Timestamp
  readonly clocks: Clocks
}

interface Stopped {
  readonly kind: 'stopped'
  readonly at: Timestamp
  /** What was stopped. */
  readonly run: Run
  /** Something has run in it since. */
  readonly isBroken: boolean
}

/** Of the seven days before `now`. What was seen in a span counts as seen at its end. */
export function replay(recorded: Recorded, timeout: Milliseconds, now: Timestamp): Replay {
  const candidate = { timeout, counts: recorded.counts }
  const sum = { ran: 0, saved: 0, stops: 0, returns: 0, broken: 0 }
  let phase: Phase = { kind: 'off' }
  for (let number = spanOf(now) - mostSpans + 1; number <= spanOf(now); number += 1) {
    const span = spanAt(recorded, number, now)
    const length = span.end - span.begin
    const before: Phase = phase
    const next = after(before, span, candidate)
    phase = next.phase
    sum.ran += span.runs ? length : 0
    sum.saved += before.kind === 'stopped' && phase.kind === 'stopped' ? length : 0
    sum.stops += next.isStop ? 1 : 0
    sum.returns += next.isReturn ? 1 : 0
    sum.broken += next.isBroken ? 1 : 0
  }
  return sum
}

interface Span {
  readonly runs: boolean
  readonly seen: number
  readonly begin: Timestamp
  readonly end: Timestamp
}

function spanAt({ history, runsSince }: Recorded, number: number, now: Timestamp): Span {
  const seen = history.get(number) ?? 0
  const begin = number * spanLength
  const end = Math.min(begin + spanLength, now)
  return { runs: seen !== 0 || (runsSince !== undefined && end > runsSince), seen, begin, end }
}

interface Candidate {
  readonly timeout: Milliseconds
  readonly counts: ActivityPolicy
}

interface Next {
  readonly phase: Phase
  readonly isStop: boolean
  readonly isReturn: boolean
  readonly isBroken: boolean
}

const nothing = { isStop: false, isReturn: false, isBroken: false }

function after(before: Phase, span: Span, candidate: Candidate): Next {
  if (!span.runs) return { ...nothing, phase: { kind: 'off' } }
  if (before.kind === 'stopped') return afterStop(before, span, candidate)
  return { ...nothing, ...afterRunning(before.kind === 'runs' ? before : beginning(span), span, candidate) }
}

function afterStop(before: Stopped, span: Span, candidate: Candidate): Next {
  const { seen, begin } = span
  const { at, run, isBroken } = before
  if ((seen & marks.interactive) !== 0) {
    const isReturn = !isBroken && begin - at <= candidate.timeout
    return { ...nothing, ...afterRunning(beginning(span), span, candidate), isReturn }
  }
  if ((seen & marks.busy) === 0) return { ...nothing, phase: before }
  const counts = begin < workEnds(run.clocks, run.startedAt, candidate.counts)
  // Work that was not begun by anybody would not have gone on, and is assumed to where it counts: the figures of what follows can't do without it.
  const next = counts ? afterRunning(run, span, candidate) : { phase: { ...before, isBroken: true } }
  return { ...nothing, ...next, isBroken: !isBroken }
}

function beginning({ begin }: Span): Run {
  return { kind: 'runs', startedAt: begin, clocks: {} }
}

function afterRunning(
  { startedAt, clocks }: Run,
  { seen, end }: Span,
  candidate: Candidate,
): Pick<Next, 'phase' | 'isStop'> {
  const run: Run = { kind: 'runs', startedAt, clocks: merge(clocks, clocksOf(seen, end)) }
  const isStop = isIdle(run, candidate, end)
  return { phase: isStop ? { kind: 'stopped', at: end, run, isBroken: false } : run, isStop }
}

function clocksOf(seen: number, at: Timestamp): Clocks {
  const clock = (mark: number, source: string) => ((seen & mark) === 0 ? undefined : { at, source })
  const [connected, interactive] = [clock(marks.connected, 'stream'), clock(marks.interactive, 'gesture')]
  const [busy, unknown] = [clock(marks.busy, 'work'), clock(marks.unknown, 'unknown')]
  return {
    ...(connected ? { connected } : {}),
    ...(interactive ? { interactive } : {}),
    ...(busy ? { busy } : {}),
    ...(unknown ? { unknown } : {}),
  }
}

/** Whatever was asked then has left its mark, or is not known. */
function isIdle({ startedAt, clocks }: Run, { timeout, counts }: Candidate, now: Timestamp): boolean {
  const nothingElse = {
    endpoint: undefined,
    maxLifetime: undefined,
    pausedUntil: undefined,
    operatorTimeout: undefined,
  }
  const policy = { timeout, ...counts, ...nothingElse }
  const known = {
    heardSince: Number.NEGATIVE_INFINITY,
    app: { kind: 'said', evidence: [] },
    load: { kind: 'quiet' },
  } as const
  return decideIdle({ policy, now, startedAt, clocks, ...known }).kind === 'idle'
}
