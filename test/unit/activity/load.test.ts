import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type LoadStory, loadAfter, loadOf, nothingRead } from '#activity/load.ts'
import type { LoadReading } from '#runtime/contract.ts'

const rule = { busy: 0.2, quiet: 0.1 }
const half = 30 * 60_000
const now = 1e12
type Used = Extract<LoadReading, { kind: 'used' }>

const used = (cores: number, more: Partial<Used> = {}): Used => ({
  kind: 'used',
  at: now,
  span: 30_000,
  cores,
  ...more,
})

/** Readings every thirty seconds, the last of them now. */
function after(...readings: readonly LoadReading[]): LoadStory {
  return readings.reduce<LoadStory>((story, reading, index) => {
    const at = now - (readings.length - 1 - index) * 30_000
    return loadAfter(story, reading.kind === 'used' ? { ...reading, at } : reading, rule, { now: at, timeout: half })
  }, nothingRead)
}

const missing: LoadReading = { kind: 'missing', problem: 'there is no metrics API' }
const kindAfter = (...readings: readonly LoadReading[]) => loadOf(after(...readings), half).kind

const rested = after(used(0.01), used(0.01))

describe('readings of its load', () => {
  test.each<[claim: string, readings: readonly LoadReading[], is: string]>([
    ['none', [], 'not-read'],
    ['the first of two', [{ kind: 'first' }], 'not-read'],
    ['one at work', [used(0.2)], 'busy'],
    ['one at rest proves nothing yet', [used(0.01)], 'not-read'],
    ['a minute at rest', [used(0.01), used(0.01)], 'quiet'],
    ['at rest, interrupted by work', [used(0.01), used(0.9), used(0.01)], 'not-read'],
    ['in between, of which nothing else is known', [used(0.15), used(0.15), used(0.15)], 'between'],
    ['in between, after work', [used(0.9), used(0.15), used(0.15)], 'busy'],
    ['in between, after rest', [used(0.01), used(0.01), used(0.15)], 'quiet'],
    ['none to be had', [missing], 'missing'],
    ['none any more', [used(0.01), used(0.01), missing], 'missing'],
    ['at rest, of a part of it', [used(0.01, { isPartial: true }), used(0.01, { isPartial: true })], 'missing'],
    ['at work, of a part of it', [used(0.5, { isPartial: true })], 'busy'],
    ['at work with all of the little that it may use', [used(0.05, { limit: 0.1 })], 'busy'],
    ['at work with a quarter of that', [used(0.03, { limit: 0.1 })], 'between'],
    ['figures without sense', [used(Number.NaN)], 'missing'],
    ['figures of no time at all', [used(0.5, { span: 0 })], 'missing'],
  ])('%s', (_, readings, is) => {
    expect(kindAfter(...readings)).toBe(is)
  })

  test.each([
    ['of three minutes ago', { at: now - 180_000 }, {}],
    ['of three minutes ahead', { at: now + 180_000 }, {}],
    ['of a run before', {}, { startedAt: now - 10_000 }],
  ])('that are %s are none', (_, sample, of) => {
    expect(loadAfter(nothingRead, used(0.9, sample), rule, { now, timeout: half, ...of })).toMatchObject({
      ...{ kind: 'missing', isPassing: true },
    })
  })

  test.each([
    ['in between', 0.15, 'between'],
    ['at rest', 0.01, 'not-read'],
  ])('that are %s, after minutes in which nobody looked, begin anew', (_, cores, is) => {
    expect(loadOf(rested, half).kind).toBe('quiet')
    const later = now + 8 * 60_000
    const sample = used(cores, { at: later, span: 15_000 })
    expect(loadOf(loadAfter(rested, sample, rule, { now: later, timeout: half }), half).kind).toBe(is)
  })

  test('at rest go on without a break where figures are made every minute, of half of it', () => {
    for (const timeout of [5, 7, 10, 30, 600].map((minutes) => minutes * 60_000)) {
      let story = nothingRead
      for (const at of [now, now + 61_000, now + 121_000])
        story = loadAfter(story, used(0.01, { at }), rule, { now: at, timeout })
      expect(loadOf(story, timeout).kind).toBe('quiet')
    }
  })

  test('the first of two, after others, says that nobody measured what lies between', () => {
    expect(loadAfter(rested, { kind: 'first' }, rule, { now, timeout: half })).toEqual(nothingRead)
  })

  test('say that nothing runs only if none of the last minute was at work', () => {
    const readings = fc.array(
      fc.oneof(
        fc.constant(missing),
        fc.double({ min: 0, max: 2, noNaN: true }).map((cores) => used(cores)),
      ),
      {
        minLength: 1,
        maxLength: 12,
      },
    )
    fc.assert(
      fc.property(readings, (some) => {
        if (kindAfter(...some) !== 'quiet') return
        const last = some.slice(-2)
        expect(last.every((one) => one.kind === 'used' && one.cores < rule.busy)).toBe(true)
        expect(some.some((one) => one.kind === 'used' && one.cores < rule.quiet)).toBe(true)
      }),
    )
  })
})
