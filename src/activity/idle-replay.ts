/** What another timeout would have done to a workspace in the days that are recorded: the same decision, span by span. */
import type { Milliseconds, Timestamp } from '#lib/clock.ts'
import { type Clocks, merge } from './clocks.ts'
import { type History, marks, mostSpans, spanLength, spanOf } from './history.ts'
import { decideIdle } from './idle-decision.ts'

export interface Recorded {
  readonly history: History
  /** Since when it runs now; `undefined`: it does not. */
  readonly runsSince: Timestamp | undefined
  /** Whether an open stream counts as activity in it. */
  readonly connectedCounts: boolean
}

export interface Replay {
  /** For how long it ran. */
  readonly ran: Milliseconds
  /** For how long it would not have. */
  readonly saved: Milliseconds
  /** How often it would have been stopped. */
  readonly stops: number
  /** After how many of these somebody worked in it again within the timeout. */
  readonly returns: number
  /** After how many of these something ran in it before anybody came back. */
  readonly broken: number
}

/** As it would be at the moment. */
type Phase =
  | { readonly kind: 'off' }
  | { readonly kind: 'runs'; readonly startedAt: Timestamp; readonly clocks: Clocks }
  | { readonly kind: 'stopped'; readonly at: Timestamp }

/** Of the seven days before `now`. What was seen in a span counts as seen at its end. */
export function replay(recorded: Recorded, timeout: Milliseconds, now: Timestamp): Replay {
  const candidate = { timeout, connectedCounts: recorded.connectedCounts }
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
  readonly connectedCounts: boolean
}

interface Next {
  readonly phase: Phase
  readonly isStop: boolean
  readonly isReturn: boolean
  readonly isBroken: boolean
}

function after(before: Phase, span: Span, candidate: Candidate): Next {
  const { runs, seen, begin } = span
  const nothing = { isStop: false, isReturn: false, isBroken: false }
  if (!runs) return { phase: { kind: 'off' }, ...nothing }
  const hasGesture = (seen & marks.interactive) !== 0
  // Work that was not begun by anybody would not have gone on, and is assumed to: the figures of what follows can't do without it.
  const isWanted = hasGesture || (seen & marks.busy) !== 0
  if (before.kind === 'stopped' && !isWanted) return { phase: before, ...nothing }
  const running: Phase = before.kind === 'runs' ? before : { kind: 'runs', startedAt: begin, clocks: {} }
  const { phase, isStop } = afterRunning(running, span, candidate)
  if (before.kind !== 'stopped') return { ...nothing, phase, isStop }
  const isReturn = hasGesture && begin - before.at <= candidate.timeout
  return { phase, isStop, isReturn, isBroken: !hasGesture }
}

function afterRunning(
  { startedAt, clocks }: Phase & { kind: 'runs' },
  { seen, end }: Span,
  candidate: Candidate,
): { readonly phase: Phase; readonly isStop: boolean } {
  const running = { kind: 'runs', startedAt, clocks: merge(clocks, clocksOf(seen, end)) } as const
  const isStop = isIdle(running, candidate, end)
  return { phase: isStop ? { kind: 'stopped', at: end } : running, isStop }
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
function isIdle({ startedAt, clocks }: Phase & { kind: 'runs' }, candidate: Candidate, now: Timestamp): boolean {
  const nothingElse = {
    endpoint: undefined,
    maxLifetime: undefined,
    pausedUntil: undefined,
    operatorTimeout: undefined,
  }
  const policy = { ...candidate, ...nothingElse }
  const known = {
    heardSince: Number.NEGATIVE_INFINITY,
    app: { kind: 'said', evidence: [] },
    load: { kind: 'quiet' },
  } as const
  return decideIdle({ policy, now, startedAt, clocks, ...known }).kind === 'idle'
}
