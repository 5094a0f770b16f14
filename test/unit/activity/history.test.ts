import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type History,
  marksAt,
  mergeHistories,
  mostSpans,
  readHistory,
  sayHistory,
  spanLength,
  spanOf,
} from '#activity/history.ts'
import { type Recorded, replay } from '#activity/idle-replay.ts'

const last = 5_934_523
/** In the middle of a span. */
const now = last * spanLength + spanLength / 2
const minute = 60_000
const hour = 60 * minute

const history: fc.Arbitrary<History> = fc
  .array(fc.tuple(fc.integer({ min: last - mostSpans + 1, max: last }), fc.integer({ min: 1, max: 31 })), {
    maxLength: 60,
  })
  .map((pairs) => new Map(pairs))
const marked = (some: History) =>
  new Map([...some].filter(([, sum]) => sum !== 0).sort(([one], [other]) => one - other))

describe('seven days', () => {
  test('are read as they were written, in 2,026 characters at most', () => {
    const all = fc.array(fc.integer({ min: 0, max: 31 }), { minLength: mostSpans, maxLength: mostSpans })
    const whole = all.map((sums): History => new Map(sums.map((sum, index) => [last - index, sum])))
    fc.assert(
      fc.property(fc.oneof(history, whole), (some) => {
        const text = sayHistory(some, now)
        expect(text.length).toBeLessThanOrEqual(mostSpans + 10)
        expect(marked(readHistory(text))).toEqual(marked(some))
      }),
      { numRuns: 40 },
    )
  })

  test('of a day’s work and six idle nights are a few dozen characters', () => {
    const busy = Array.from({ length: 96 }, (_, index) => [last - index, index % 7 < 5 ? 19 : 17] as const)
    const idle = Array.from({ length: 1_800 }, (_, index) => [last - 200 - index, 16] as const)
    expect(sayHistory(new Map([...busy, ...idle]), now).length).toBeLessThan(100)
  })

  test('of several replicas come to the same in whatever order, and however often', () => {
    fc.assert(
      fc.property(history, history, history, (one, two, three) => {
        const sum = marked(mergeHistories([one, two, three]))
        expect(marked(mergeHistories([mergeHistories([three, one]), two, one]))).toEqual(sum)
      }),
    )
  })

  test('leave out what is older, and what is yet to come', () => {
    const text = sayHistory(
      new Map([
        [last - mostSpans, 2],
        [last - 1, 2],
        [last + 1, 2],
      ]),
      now,
    )
    expect(text).toBe(`${last - 1}:c`)
  })

  test('that are none are evidence of nothing', () => {
    for (const text of [undefined, '', 'x', '1:', '5:Z', '5:a99999', `1:${'a9999'.repeat(9)}`, '-1:a', '1:a\n'])
      expect(readHistory(text).size).toBe(0)
    fc.assert(fc.property(fc.string(), (text) => void expect(readHistory(text).size).toBeLessThanOrEqual(mostSpans)))
  })

  test('tell what the clocks of a replica show', () => {
    const at = (before: number) => ({ at: now - before, source: 'x' })
    const clocks = {
      connected: at(0),
      interactive: at(hour),
      busy: at(-minute),
      unknown: at(2 * hour),
      terminal: at(0),
    }
    expect(marksAt(clocks, now)).toEqual([
      [spanOf(now), 1],
      [spanOf(now - hour), 2],
      [spanOf(now), 4],
      [spanOf(now - 2 * hour), 8],
    ])
  })
})

/** Spans of five minutes before now, the last of them 0. */
function recorded(spans: Readonly<Record<number, number>>, more: Partial<Recorded> = {}): Recorded {
  const pairs = Object.entries(spans).map(([before, sum]) => [last - Number(before), sum] as const)
  return { history: new Map(pairs), runsSince: undefined, counts: { connectedCounts: false }, ...more }
}

const half = 30 * minute
const policy = fc.record({
  connectedCounts: fc.boolean(),
  maxBusy: fc.option(
    fc.integer({ min: 1, max: 600 }).map((minutes) => minutes * minute),
    { nil: undefined },
  ),
})
/** It ran for ten hours; `seen` besides. */
const ranWith = (seen: Readonly<Record<number, number>>, more: Partial<Recorded> = {}) =>
  recorded({ ...Object.fromEntries(Array.from({ length: 120 }, (_, before) => [before + 1, 16])), ...seen }, more)

describe('another timeout, in the days that are recorded', () => {
  test('stops what nobody used, and saves the rest of its run', () => {
    const told = replay(ranWith({}), half, now)
    expect(told).toMatchObject({ ran: 10 * hour, stops: 1, returns: 0, broken: 0 })
    // A start counts as a gesture, and what is seen in a span as seen at its end.
    expect(told.saved).toBe(10 * hour - 35 * minute)
  })

  test('saves nothing where somebody works, or something runs, all the time', () => {
    for (const sum of [18, 20])
      expect(
        replay(ranWith(Object.fromEntries(Array.from({ length: 24 }, (_, n) => [5 * n + 1, sum]))), half, now),
      ).toMatchObject({ saved: 0, stops: 0 })
  })

  test('counts who comes back within the timeout, and not who comes back the next morning', () => {
    expect(replay(ranWith({ 115: 18, 105: 18 }), half, now)).toMatchObject({ stops: 2, returns: 1 })
    expect(replay(ranWith({ 115: 18, 30: 18 }), half, now)).toMatchObject({ stops: 2, returns: 0 })
  })

  test('counts what ran before anybody came back', () => {
    expect(replay(ranWith({ 60: 20 }), half, now)).toMatchObject({ returns: 0, broken: 1, stops: 2 })
  })

  test('takes an open stream for activity only where it counts', () => {
    const tab = Object.fromEntries(Array.from({ length: 120 }, (_, before) => [before + 1, 17]))
    expect(replay(ranWith(tab), half, now).stops).toBe(1)
    expect(replay(ranWith(tab, { counts: { connectedCounts: true } }), half, now).stops).toBe(0)
  })

  describe('that lets work count for two hours after the last gesture', () => {
    const counts = { connectedCounts: false, maxBusy: 2 * hour }
    const atWork = Object.fromEntries(Array.from({ length: 120 }, (_, before) => [before + 1, 20]))

    test('stops what works on half an hour later, counts its work as lost once, and saves the rest', () => {
      // A start counts as a gesture.
      expect(replay(ranWith(atWork, { counts }), half, now)).toEqual({
        ...{ ran: 10 * hour, saved: 10 * hour - 2 * hour - 35 * minute },
        ...{ stops: 1, returns: 0, broken: 1 },
      })
      expect(replay(ranWith(atWork), half, now)).toMatchObject({ saved: 0, stops: 0 })
    })

    test('counts from every gesture anew', () => {
      expect(replay(ranWith({ ...atWork, 100: 22, 80: 22, 60: 22 }, { counts }), half, now)).toMatchObject({
        ...{ saved: 59 * 5 * minute - 2 * hour - 35 * minute, stops: 1, broken: 1 },
      })
    })

    test('takes work for lost that began later than it counts, and for gone on that began before', () => {
      expect(replay(ranWith({ 60: 20 }, { counts }), half, now)).toMatchObject({ stops: 1, broken: 1 })
      expect(replay(ranWith({ 105: 20 }, { counts }), half, now)).toMatchObject({ stops: 2, broken: 1 })
    })
  })

  test('does not hold what is unknown for more than eight hours', () => {
    const unknown = Object.fromEntries(Array.from({ length: 120 }, (_, before) => [before + 1, 24]))
    expect(replay(ranWith(unknown), half, now)).toMatchObject({ stops: 1 })
    expect(replay(ranWith(unknown), half, now).saved).toBeLessThan(2 * hour)
  })

  test('knows of a run that goes on', () => {
    expect(replay(recorded({}, { runsSince: now - 5 * hour }), half, now)).toMatchObject({ stops: 1 })
    expect(replay(recorded({}), half, now)).toEqual({ ran: 0, saved: 0, stops: 0, returns: 0, broken: 0 })
  })

  test('never saves more than it ran', () => {
    fc.assert(
      fc.property(history, fc.integer({ min: 1, max: 40 }), policy, (some, spans, counts) => {
        const told = replay({ history: some, runsSince: undefined, counts }, spans * spanLength, now)
        expect(told.saved).toBeLessThanOrEqual(told.ran)
        expect(told.returns + told.broken).toBeLessThanOrEqual(told.stops)
      }),
      { numRuns: 30 },
    )
  })
})
