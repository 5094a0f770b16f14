import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { CrowdStart } from '#lib/crowd-start.ts'

test('a few begin at once, and all others in their order, so many in each turn of the event loop', async () => {
  const crowd = new CrowdStart(3)
  const begun: number[] = []
  for (let index = 0; index < 8; index += 1) crowd.add(() => begun.push(index))
  expect(begun).toEqual([0, 1, 2])
  const counts: number[] = []
  while (begun.length < 8) {
    await turn()
    counts.push(begun.length)
  }
  expect([...new Set(counts)]).toEqual([6, 8])
  expect(begun).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
})

test('who comes while others wait is behind them; later there is room at once again', async () => {
  const crowd = new CrowdStart(1)
  const begun: string[] = []
  crowd.add(() => begun.push('first'))
  crowd.add(() => begun.push('second'))
  await turn()
  crowd.add(() => begun.push('third'))
  while (begun.length < 3) await turn()
  expect(begun).toEqual(['first', 'second', 'third'])
  await turn()
  await turn()
  crowd.add(() => begun.push('fourth'))
  expect(begun).toHaveLength(4)
})
