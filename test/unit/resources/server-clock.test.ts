import { describe, expect, test } from 'vitest'
import { ServerClock } from '#resources/kubernetes/server-clock.ts'

const [second, minute] = [1_000, 60_000]
const start = Date.parse('2026-01-01T00:00:00Z')

/** A machine, and a server that answers it. */
function world() {
  const time = { passed: 0, ahead: 0, apart: 0 }
  const clock = {
    now: () => start + time.passed + time.ahead,
    steady: () => time.passed,
    after: () => ({ [Symbol.dispose]: () => undefined }),
  }
  const serverClock = new ServerClock(clock)
  return {
    time,
    serverClock,
    answer(trip = 20, date?: string) {
      const sentAt = clock.now()
      time.passed += trip / 2
      const told = new Date(start + time.passed + time.apart).toUTCString()
      time.passed += trip / 2
      serverClock.heard(date ?? told, sentAt)
      time.passed += 1_370
    },
  }
}

const times = (count: number, run: () => void) => {
  for (let turn = 0; turn < count; turn += 1) run()
}

describe('how far ahead of the server a clock is', () => {
  test.each([0, 5 * minute, -5 * minute])('%i ms: known to a second by three answers, and not by two', (ahead) => {
    const { time, serverClock, answer } = world()
    time.ahead = ahead
    times(2, answer)
    expect(serverClock.ahead()).toBeUndefined()
    times(1, answer)
    expect(Math.abs((serverClock.ahead() ?? Number.NaN) - ahead)).toBeLessThan(second)
  })

  test('is known no more when the date was moved, until it was heard anew', () => {
    const { time, serverClock, answer } = world()
    times(9, answer)
    time.ahead = 60 * minute
    expect(serverClock.ahead()).toBeUndefined()
    times(2, answer)
    expect(serverClock.ahead()).toBeUndefined()
    times(1, answer)
    expect(Math.abs((serverClock.ahead() ?? Number.NaN) - 60 * minute)).toBeLessThan(second)
  })

  test('is told by most: one server of three whose clock is wrong moves nothing, and where half of all say otherwise nothing is known', () => {
    const { time, serverClock, answer } = world()
    times(3, () => {
      time.apart = 0
      times(2, answer)
      time.apart = 10 * minute
      answer()
    })
    expect(Math.abs(serverClock.ahead() ?? Number.NaN)).toBeLessThan(second)
    const other = world()
    times(4, () => {
      other.time.apart = 5 * minute - other.time.apart
      other.answer()
    })
    expect(other.serverClock.ahead()).toBeUndefined()
  })

  test('is not told by an answer that was long under way, nor by one without a date', () => {
    const { serverClock, answer } = world()
    times(9, () => answer(10 * second))
    for (const date of ['', 'today']) times(3, () => answer(20, date))
    serverClock.heard(undefined, start)
    expect(serverClock.ahead()).toBeUndefined()
  })
})
