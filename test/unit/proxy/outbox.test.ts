import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { Outbox } from '#proxy/outbox.ts'
import { uncaught } from '#test/support/uncaught.ts'

describe('what an outbox is given', () => {
  test('is written at the end of the turn, all of it together and in its order', async () => {
    const outbox = new Outbox()
    const written: string[] = []
    for (const name of ['a', 'b', 'c']) outbox.add(() => written.push(name))
    await Promise.resolve()
    expect(written).toEqual([])
    await turn()
    expect(written).toEqual(['a', 'b', 'c'])
  })

  test('waits for no more than 64 of its kind, and nothing is written twice', async () => {
    const outbox = new Outbox()
    const written: number[] = []
    for (let index = 0; index < 70; index += 1) outbox.add(() => written.push(index))
    expect(written).toHaveLength(64)
    await turn()
    await turn()
    expect(written).toEqual(Array.from({ length: 70 }, (_, index) => index))
  })

  test('while it writes is written a turn later', async () => {
    const outbox = new Outbox()
    const written: string[] = []
    outbox.add(() => {
      written.push('first')
      outbox.add(() => written.push('second'))
    })
    await turn()
    expect(written).toEqual(['first'])
    await turn()
    expect(written).toEqual(['first', 'second'])
  })

  test('is written also where what came before it throws, which nobody else is told of', async () => {
    using faults = uncaught()
    const outbox = new Outbox()
    const written: string[] = []
    outbox.add(() => written.push('before'))
    outbox.add(() => {
      throw new Error('of this one alone')
    })
    outbox.add(() => written.push('behind'))
    await turn()
    await turn()
    expect(written).toEqual(['before', 'behind'])
    expect(faults.thrown).toMatchObject([{ message: 'of this one alone' }])
  })
})
