import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { TurnShare } from '#lib/turn-share.ts'
import { uncaught } from '#test/support/uncaught.ts'

/** Each piece of work takes a millisecond of a clock that stands still otherwise. */
function sharing(share: number, mostWaiting = 5_000) {
  let time = 0
  const turns = new TurnShare({ share, mostWaiting, now: () => time })
  const done: string[] = []
  const add = (name: string, took = 1) =>
    turns.add(() => {
      time += took
      done.push(name)
    })
  return { turns, done, add }
}

/** How much was done after each turn. */
async function until(done: readonly unknown[], count: number): Promise<readonly number[]> {
  const counts: number[] = []
  while (done.length < count) {
    await turn()
    if (counts.at(-1) !== done.length) counts.push(done.length)
  }
  return counts
}

test('what fits into the share of a turn is done at once, and the rest in its order, as much of it in each turn', async () => {
  const { done, add } = sharing(3)
  const names = Array.from({ length: 8 }, (_, index) => String(index))
  for (const name of names) expect(add(name)).toBe(true)
  expect(done).toEqual(['0', '1', '2'])
  expect(await until(done, 8)).toEqual([6, 8])
  expect(done).toEqual(names)
})

test('one that comes alone is done at once, however many there were before', async () => {
  const { done, add } = sharing(1)
  for (let index = 0; index < 3_000; index += 1) add(String(index))
  await until(done, 3_000)
  await turn()
  await turn()
  add('alone')
  expect(done.at(-1)).toBe('alone')
})

test('who comes while others wait is behind them, also where there would be time', async () => {
  const { done, add } = sharing(2)
  for (const name of ['a', 'b', 'c']) add(name)
  add('d', 0)
  await until(done, 4)
  expect(done).toEqual(['a', 'b', 'c', 'd'])
})

test('work that takes longer than the share is done all the same, one piece a turn', async () => {
  const { done, add } = sharing(0.5)
  for (const name of ['a', 'b', 'c']) add(name, 20)
  expect(await until(done, 3)).toEqual([2, 3])
})

test('one too many is told so, and changes nothing for those who wait', async () => {
  const { turns, done, add } = sharing(1, 2)
  expect(['a', 'b', 'c', 'd'].map((name) => add(name))).toEqual([true, true, true, false])
  expect(turns.waiting).toBe(2)
  await until(done, 3)
  expect(add('e')).toBe(true)
  await until(done, 4)
  expect(done).toEqual(['a', 'b', 'c', 'e'])
})

test('what work adds is done in later turns', async () => {
  const { turns, done, add } = sharing(1)
  turns.add(() => {
    add('outer')
    add('inner')
  })
  await until(done, 2)
  expect(done).toEqual(['outer', 'inner'])
})

test('work that throws costs nobody else its turn', async () => {
  const { turns, done, add } = sharing(1)
  using faults = uncaught()
  add('a')
  turns.add(() => {
    throw new Error('of this work alone')
  })
  add('b')
  await turn()
  await turn()
  await turn()
  expect(done).toEqual(['a', 'b'])
  expect(faults.thrown).toMatchObject([{ message: 'of this work alone' }])
})
