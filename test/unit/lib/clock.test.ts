import { describe, expect, test, vi } from 'vitest'
import { OnwardDate, systemClock } from '#lib/clock.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { leapingClock } from '#test/support/leaping-clock.ts'

const [second, minute, hour] = [1_000, 60_000, 3_600_000]

describe('a date that is never put back', () => {
  test('goes on as if the clock’s had not been put back, and no faster once that is right again', async () => {
    const clock = fakeClock(0)
    const date = leapingClock(clock)
    const onward = new OnwardDate(date)
    await clock.advance(minute)
    date.leap(-hour)
    expect([onward.now(), onward.behind]).toEqual([minute, hour])
    await clock.advance(minute)
    date.leap(hour)
    expect([onward.now(), onward.behind]).toEqual([2 * minute, 0])
  })

  test('is put ahead with the clock’s, as it looks after a sleep, and stays there', async () => {
    const clock = fakeClock(0)
    const date = leapingClock(clock)
    const onward = new OnwardDate(date)
    date.leap(hour)
    expect(onward.now()).toBe(hour)
    date.leap(-hour)
    await clock.advance(minute)
    expect([onward.now(), onward.behind]).toEqual([hour + minute, hour])
  })

  test('is the clock’s own where that has nothing steady', async () => {
    const clock = fakeClock(0)
    const onward = new OnwardDate(clock)
    await clock.advance(minute)
    expect([onward.now(), onward.behind]).toEqual([minute, 0])
  })
})

describe('a timer of minutes', () => {
  /** How many times it has fired. Everything in this process has the time of the test until it is disposed, so nothing is awaited meanwhile. */
  function timed(span: number) {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date', 'performance'] })
    let fired = 0
    systemClock.after(span, () => {
      fired += 1
    })
    return { fired: () => fired, [Symbol.dispose]: () => void vi.useRealTimers() }
  }

  test('fires no later for a date that is put back', () => {
    using timer = timed(2 * minute)
    vi.advanceTimersByTime(45 * second)
    vi.setSystemTime(Date.now() - hour)
    vi.advanceTimersByTime(75 * second - 1)
    expect(timer.fired()).toBe(0)
    vi.advanceTimersByTime(1)
    expect(timer.fired()).toBe(1)
  })

  test('fires within half a minute after a sleep in which it would have', () => {
    using timer = timed(20 * minute)
    vi.advanceTimersByTime(minute)
    vi.setSystemTime(Date.now() + hour)
    vi.advanceTimersByTime(30 * second + 1)
    expect(timer.fired()).toBe(1)
  })
})
