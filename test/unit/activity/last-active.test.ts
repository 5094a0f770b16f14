/** What somebody else's operator is told, and what it makes of that by a clock and a timeout of its own. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Decided, type LastActiveQuestion, lastActiveFor } from '#activity/last-active.ts'
import type { Timestamp } from '#lib/clock.ts'

const minute = 60_000
const hour = 60 * minute
const now = 1_000 * hour
const span = fc.integer({ min: 0, max: 20 * hour })
const timeout = fc.integer({ min: 1, max: 600 }).map((minutes) => minutes * minute)
const ahead = fc.integer({ min: -hour, max: hour })
const notIdle: fc.Arbitrary<Decided> = fc
  .option(fc.integer({ min: -hour, max: 20 * hour }), { nil: undefined })
  .map((left) => ({ kind: 'not-idle', ...(left === undefined ? {} : { idleAt: now + left }) }))

function told(decision: Decided, question: LastActiveQuestion): Timestamp {
  const answer = lastActiveFor(decision, question)
  if (answer.kind === 'at') return answer.at
  throw new Error(answer.kind)
}

describe('an operator of somebody else’s stops what was decided to be idle, and nothing else', () => {
  test('what is not idle is not stopped, though its clock be ahead by almost half of its timeout', () => {
    fc.assert(
      fc.property(notIdle, timeout, ahead, fc.double({ min: 0, max: 0.99, noNaN: true }), (decision, of, by, part) => {
        const theirs = now - by + (part * of) / 2
        expect(theirs - told(decision, { now, ahead: by, timeout: of })).toBeLessThanOrEqual(of)
      }),
    )
  })

  test('what is idle is stopped at once, by whatever timeout it goes by', () => {
    const lastly = fc.record({ last: span, timeout, ahead, isOver: fc.boolean() })
    fc.assert(
      fc.property(lastly, ({ last, timeout: of, ahead: by, isOver }) => {
        const evidence = { at: now - last, source: 'x' }
        const decision: Decided = { kind: 'idle', because: isOver ? 'lifetime' : 'inactivity', last: evidence }
        expect(now - by - told(decision, { now, ahead: by, timeout: of })).toBeGreaterThan(of)
      }),
    )
  })

  test('what can not be told is not told', () => {
    const unknown: Decided = { kind: 'unknown', message: 'It could not be asked.' }
    expect(lastActiveFor(unknown, { now, ahead: 0, timeout: minute })).toEqual(unknown)
  })

  test.each<[claim: string, decision: Decided, ago: number]>([
    ['the time itself', { kind: 'not-idle', idleAt: now + 20 * minute }, 10 * minute],
    ['no more than half of the timeout ago', { kind: 'not-idle', idleAt: now + minute }, 15 * minute],
    ['nothing that lies ahead', { kind: 'not-idle', idleAt: now + 50 * minute }, 0],
    ['now, while stops are paused', { kind: 'not-idle' }, 0],
    [
      'the last time',
      { kind: 'idle', because: 'inactivity', last: { at: now - 45 * minute, source: 'x' } },
      45 * minute,
    ],
    ['long ago, after a life', { kind: 'idle', because: 'lifetime', last: { at: now - minute, source: 'x' } }, hour],
  ])('%s', (_, decision, ago) => {
    expect(now - told(decision, { now, ahead: 0, timeout: 30 * minute })).toBe(ago)
    expect(now - told(decision, { now, ahead: 5_000, timeout: 30 * minute })).toBe(ago + 5_000)
  })
})
