import { describe, expect, test } from 'vitest'
import { singleFlight } from '#lib/single-flight.ts'

describe('singleFlight', () => {
  test('callers of one key share one run and its value', async () => {
    const flight = singleFlight<string, number>()
    const { promise, resolve } = Promise.withResolvers<number>()
    let runs = 0
    const run = () => {
      runs += 1
      return promise
    }
    const answers = Promise.all([flight('a', run), flight('a', run), flight('a', run)])
    resolve(7)
    expect(await answers).toEqual([7, 7, 7])
    expect(runs).toBe(1)
  })

  test('keys do not share', async () => {
    const flight = singleFlight<string, string>()
    const echo = (key: string) => flight(key, async () => key)
    expect(await Promise.all([echo('a'), echo('b'), echo('__proto__')])).toEqual(['a', 'b', '__proto__'])
  })

  test('a failure reaches all who wait, and the next caller starts anew', async () => {
    const flight = singleFlight<string, number>()
    const fail = () => flight('a', () => Promise.reject(new Error('down')))
    const both = await Promise.allSettled([fail(), fail()])
    expect(both.map((one) => one.status)).toEqual(['rejected', 'rejected'])
    expect(await flight('a', async () => 1)).toBe(1)
  })

  test('a run that throws before its first await is a rejection, and is not kept', async () => {
    const flight = singleFlight<string, number>()
    const thrown = flight('a', () => {
      throw new Error('at once')
    })
    await expect(thrown).rejects.toThrow('at once')
    expect(await flight('a', async () => 2)).toBe(2)
  })

  test('a value is not kept after its run', async () => {
    const flight = singleFlight<string, number>()
    let runs = 0
    const run = async () => {
      runs += 1
      return runs
    }
    expect(await flight('a', run)).toBe(1)
    expect(await flight('a', run)).toBe(2)
  })
})
