/**
 * Seven days of what a workspace was doing, in spans of five minutes: values that are merged without regard to who saw what first, and kept as a text of
 * one letter for spans that are alike, so that an idle night takes three characters. 2,016 characters at most.
 */
import type { Milliseconds, Timestamp } from '#lib/clock.ts'
import type { Clocks } from './clocks.ts'

export const spanLength: Milliseconds = 5 * 60_000
/** Seven days. */
export const mostSpans = 2_016

/** What was seen in a span; several may be. */
export const marks = { connected: 1, interactive: 2, busy: 4, unknown: 8, ran: 16 } as const

/** Marks by the number of the span since 1970. */
export type History = ReadonlyMap<number, number>

/** A mark of a span. */
export type Marked = readonly [span: number, marks: number]

/** For each sum of marks a letter. */
const letters = 'abcdefghijklmnopqrstuvwxyzABCDEF'

export function spanOf(at: Timestamp): number {
  return Math.floor(at / spanLength)
}

/** What the clocks of a replica show at a moment. */
export function marksAt({ connected, interactive, busy, unknown }: Clocks, now: Timestamp): readonly Marked[] {
  const seen = [
    [connected, marks.connected],
    [interactive, marks.interactive],
    [busy, marks.busy],
    [unknown, marks.unknown],
  ] as const
  return seen.flatMap(([evidence, mark]): readonly Marked[] =>
    evidence ? [[spanOf(Math.min(evidence.at, now)), mark]] : [],
  )
}

/** Adds to `history`. */
export function mark(history: Map<number, number>, marked: Iterable<Marked>): void {
  for (const [span, sum] of marked) history.set(span, (history.get(span) ?? 0) | sum)
}

export function mergeHistories(histories: readonly History[]): History {
  const merged = new Map<number, number>()
  for (const history of histories) mark(merged, history)
  return merged
}

/** `5934523:a12c3`: the number of the first span, then letters with how many times each. What is in the future or too long ago is left out. */
export function sayHistory(history: History, now: Timestamp): string {
  const last = spanOf(now)
  const spans = [...history.keys()].filter((span) => span <= last && span > last - mostSpans)
  if (spans.length === 0) return ''
  const [first, end] = [Math.min(...spans), Math.max(...spans)]
  const runs: string[] = []
  for (let span = first; span <= end; ) {
    const sum = history.get(span) ?? 0
    let next = span + 1
    while (next <= end && (history.get(next) ?? 0) === sum) next += 1
    runs.push(`${letters[sum]}${next - span === 1 ? '' : next - span}`)
    span = next
  }
  return `${first}:${runs.join('')}`
}

/** Nothing of a text that is none: it is evidence of nothing, and holds nothing up. */
export function readHistory(text: string | undefined): History {
  const history = new Map<number, number>()
  const [whole, start, runs = ''] = /^(\d{1,9}):((?:[a-zA-F]\d{0,4})*)$/.exec(text ?? '') ?? []
  if (whole === undefined) return history
  let span = Number(start)
  for (const [, letter = '', count = ''] of runs.matchAll(/([a-zA-F])(\d*)/g)) {
    const sum = letters.indexOf(letter)
    const times = count === '' ? 1 : Number(count)
    if (history.size + times > mostSpans) return new Map()
    for (const end = span + times; span < end; span += 1) history.set(span, sum)
  }
  return history
}
