/**
 * What the load of a workspace says about work in it: of what traffic can't show, such as a program that was left running in a terminal. A value, from
 * one reading to the next; two thresholds, so that it does not waver.
 */
import type { Milliseconds, Timestamp } from '#lib/clock.ts'
import type { LoadReading } from '#runtime/contract.ts'

export type Load =
  /** Too little is known yet, and will be soon. */
  | { readonly kind: 'not-read' }
  /** Something ran at that moment. */
  | { readonly kind: 'busy'; readonly at: Timestamp }
  /** Nothing runs but what waits. */
  | { readonly kind: 'quiet' }
  /** More than an app at rest uses, and less than one at work. */
  | { readonly kind: 'between' }
  /** For people: `there is no metrics API`. `isPassing`: there is one, and it could not be read, so that what runs is not known for now. */
  | { readonly kind: 'missing'; readonly problem: string; readonly isPassing?: boolean | undefined }

/** In cores. */
export interface LoadRule {
  /** From here on something runs. */
  readonly busy: number
  /** Below that nothing does; in between it is what it was. At most {@link busy}. */
  readonly quiet: number
}

/** What was read of one instance so far. */
export type LoadStory =
  | Exclude<Load, { readonly kind: 'quiet' }>
  | { readonly kind: 'quiet'; readonly since: Timestamp; readonly at: Timestamp }

export const nothingRead: LoadStory = { kind: 'not-read' }

/** Figures that are older say nothing of now; nor do those of a clock that is ahead by more. */
export const longestStale: Milliseconds = 120_000

/** For how long before it would be stopped a workspace is looked at: what works in turns is to be seen at work. */
export function leadOf(timeout: Milliseconds): Milliseconds {
  return Math.min(timeout / 4, 5 * 60_000)
}

/** How often. */
export function readLoadEvery(timeout: Milliseconds): Milliseconds {
  return Math.min(Math.max(leadOf(timeout) / 5, 3_000), 30_000)
}

/** Figures are made in their own time, every fifteen seconds or so: one may begin that much later than it was looked for. */
const longestUneven: Milliseconds = 15_000

/** For so long it has to be quiet without a break. */
function proofOf(timeout: Milliseconds): Milliseconds {
  return Math.min(timeout / 12, 60_000)
}

export interface LoadMoment {
  readonly now: Timestamp
  /** Of the workspace. */
  readonly timeout: Milliseconds
  /** What was used before then was used by another run. */
  readonly startedAt?: Timestamp | undefined
}

/** The story goes on. */
export function loadAfter(before: LoadStory, reading: LoadReading, rule: LoadRule, moment: LoadMoment): LoadStory {
  if (reading.kind === 'missing') {
    const { problem, isPassing } = reading
    return { kind: 'missing', problem, isPassing }
  }
  // Nobody measured what lies before it.
  if (reading.kind === 'first') return nothingRead
  const problem = faultIn(reading, moment)
  return problem === undefined ? afterUse(before, reading, rule, moment) : { kind: 'missing', problem, isPassing: true }
}

type Used = Extract<LoadReading, { readonly kind: 'used' }>

function faultIn({ at, span, cores }: Used, { now, startedAt = 0 }: LoadMoment): string | undefined {
  if (!(cores >= 0 && span > 0)) return 'the figures make no sense'
  if (Math.abs(now - at) > longestStale) return 'the figures are not of now'
  return at - span < startedAt ? 'the figures are of a run before' : undefined
}

function afterUse(before: LoadStory, reading: Used, rule: LoadRule, { now, timeout }: LoadMoment): LoadStory {
  const { at, span, cores, isPartial = false } = reading
  const { busy, quiet } = within(rule, reading.limit)
  const isAtWork = cores >= busy || (cores >= quiet && before.kind === 'busy' && !isPartial)
  if (isAtWork) return { kind: 'busy', at: Math.min(at, now) }
  if (isPartial) return { kind: 'missing', problem: 'not all of its processes can be found' }
  if (before.kind === 'quiet' && at - span - before.at <= readLoadEvery(timeout) + longestUneven)
    return { ...before, at }
  return cores < quiet ? { kind: 'quiet', since: at - span, at } : { kind: 'between' }
}

/** What is known now. */
export function loadOf(story: LoadStory, timeout: Milliseconds): Load {
  switch (story.kind) {
    case 'busy':
      return story
    case 'quiet':
      return story.at - story.since >= proofOf(timeout) ? { kind: 'quiet' } : { kind: 'not-read' }
    default:
      return story
  }
}

/** One that may use but little is at work with less. */
function within({ busy, quiet }: LoadRule, limit: number | undefined): LoadRule {
  if (!limit) return { busy, quiet }
  return { busy: Math.min(busy, limit / 2), quiet: Math.min(quiet, limit / 4) }
}
