import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { RateLimiter } from '#lib/rate-limiter.ts'

/** A clock that stands still unless it is told to move. */
function standing(now = 1_700_000_000_000) {
  const clock = { at: now, now: () => clock.at }
  return clock
}

describe('a rate limiter', () => {
  test('lets a whole window in at once, and then one at a time', () => {
    const clock = standing()
    const limiter = new RateLimiter({ most: 5, window: 10_000, clock })
    expect(Array.from({ length: 5 }, () => limiter.take('a'))).toEqual([0, 0, 0, 0, 0])
    expect(limiter.take('a')).toBe(2_000)
    expect(limiter.take('b')).toBe(0)
    clock.at += 1_999
    expect(limiter.take('a')).toBe(1)
    clock.at += 1
    expect(limiter.take('a')).toBe(0)
    expect(limiter.take('a')).toBe(2_000)
  })

  test('goes on by a clock that was set back, from where that is', () => {
    const clock = standing()
    const limiter = new RateLimiter({ most: 1, window: 1_000, clock })
    expect(limiter.take('a')).toBe(0)
    clock.at -= 3_600_000
    expect(limiter.take('a')).toBe(1_000)
    clock.at += 1_000
    expect(limiter.take('a')).toBe(0)
  })

  test('forgets who has not come for two windows, and nobody who would be held up', () => {
    const clock = standing()
    const limiter = new RateLimiter({ most: 1, window: 1_000, clock })
    for (let index = 0; index < 500; index += 1) limiter.take(`k${index}`)
    expect(limiter.size).toBe(500)
    clock.at += 999
    expect(limiter.take('k0')).toBe(1)
    clock.at += 1_000
    limiter.take('other')
    clock.at += 1_000
    limiter.take('other')
    expect(limiter.size).toBe(1)
  })

  test('remembers a bounded number of keys, whoever comes', () => {
    const limiter = new RateLimiter({ most: 10, window: 1_000, clock: standing(), mostKeys: 100 })
    for (let index = 0; index < 10_000; index += 1) limiter.take(`k${index}`)
    expect(limiter.size).toBeLessThanOrEqual(200)
  })
})

const steps = fc.array(
  fc.record({ key: fc.constantFrom('a', 'b', 'c'), wait: fc.oneof(fc.constant(0), fc.nat(400), fc.nat(30_000)) }),
  { maxLength: 300 },
)
const limits = fc.record({ most: fc.integer({ min: 1, max: 50 }), window: fc.integer({ min: 1, max: 20_000 }) })

/** What one key was given when, and whether it was ever held up. */
function comings(limit: { most: number; window: number }, all: readonly { key: string; wait: number }[], key: string) {
  const clock = standing()
  const limiter = new RateLimiter({ ...limit, clock })
  const outcomes = all.map((coming) => {
    clock.at += coming.wait
    return { key: coming.key, at: clock.at, retry: limiter.take(coming.key) }
  })
  const own = outcomes.filter((outcome) => outcome.key === key)
  return { own, admitted: own.filter(({ retry }) => retry === 0).map(({ at }) => at) }
}

describe('whoever comes when', () => {
  test('never gets more than a window, and what leaks meanwhile', () => {
    fc.assert(
      fc.property(limits, steps, ({ most, window }, all) => {
        const { admitted } = comings({ most, window }, all, 'a')
        const allowed = (span: number) => most + (span * most) / window + 1e-3
        const spans = admitted.flatMap((start, first) =>
          admitted.slice(first).map((end, more) => ({ count: more + 1, span: end - start })),
        )
        expect(spans.filter(({ count, span }) => count > allowed(span))).toEqual([])
      }),
    )
  })

  test('is never held up within the limit, whatever others do, and never told to wait for longer than a window', () => {
    fc.assert(
      fc.property(limits, steps, ({ most, window }, all) => {
        const { own } = comings({ most, window }, all, 'a')
        expect(own.slice(0, most).filter(({ retry }) => retry > 0)).toEqual([])
        expect(own.filter(({ retry }) => retry > window)).toEqual([])
      }),
    )
  })

  test('is let in when he comes again after the time he was told, and not a moment before', () => {
    fc.assert(
      fc.property(limits, fc.integer({ min: 2, max: 5_000 }), ({ most, window }, early) => {
        const clock = standing()
        const limiter = new RateLimiter({ most, window, clock })
        let retry = 0
        while (retry === 0) retry = limiter.take('a')
        clock.at += Math.max(0, retry - early)
        expect(limiter.take('a')).toBeGreaterThan(0)
        clock.at += Math.min(retry, early)
        expect(limiter.take('a')).toBe(0)
      }),
    )
  })
})
