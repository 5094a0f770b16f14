import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FloodGate } from '#lib/flood-gate.ts'
import { fakeClock } from '#test/support/fake-clock.ts'

function gateWorld(most = 3) {
  const clock = fakeClock()
  const told: [string, number][] = []
  const gate = new FloodGate({ clock, most, tell: (kind, leftOut) => told.push([kind, leftOut]) })
  const come = (kind: string, times: number) => Array.from({ length: times }, () => gate.admits(kind))
  return { clock, told, gate, come }
}

test('the first of each kind are said, and at the end of the second how many more there were', async () => {
  const { clock, told, come } = gateWorld()
  expect(come('a', 5)).toEqual([true, true, true, false, false])
  expect(come('b', 2)).toEqual([true, true])
  await clock.advance(999)
  expect(told).toEqual([])
  await clock.advance(1)
  expect(told).toEqual([['a', 2]])
  expect(come('a', 1)).toEqual([true])
})

test('a second with no more than what is said tells nothing', async () => {
  const { clock, told, come } = gateWorld()
  for (let second = 0; second < 5; second++) {
    expect(come('a', 3)).toEqual([true, true, true])
    await clock.advance(1_000)
  }
  expect(told).toEqual([])
})

test('what goes on is said less and less often, down to once a minute; after a pause it is a second again', async () => {
  const { clock, told, come } = gateWorld(1)
  const perMinute: number[] = []
  for (let minute = 0; minute < 5; minute++) {
    const before = told.length
    for (let tick = 0; tick < 600; tick++) {
      come('a', 1)
      await clock.advance(100)
    }
    perMinute.push(told.length - before)
  }
  expect(perMinute[0]).toBeLessThanOrEqual(6)
  expect(perMinute.slice(2)).toEqual([1, 1, 1])
  await clock.advance(180_000)
  told.length = 0
  expect(come('a', 2)).toEqual([true, false])
  await clock.advance(1_000)
  expect(told).toEqual([['a', 1]])
})

test('disposing tells what is still to be told', () => {
  const { told, gate, come } = gateWorld()
  come('a', 9)
  gate[Symbol.dispose]()
  expect(told).toEqual([['a', 6]])
  expect(gate.admits('a')).toBe(false)
})

test('everything is either said or counted, whatever comes when', async () => {
  const kinds = fc.constantFrom('a', 'b', 'c')
  const steps = fc.array(fc.tuple(kinds, fc.nat(20), fc.nat(3_000)), { maxLength: 30 })
  await fc.assert(
    fc.asyncProperty(steps, async (all) => {
      const { clock, told, gate, come } = gateWorld()
      let [came, said] = [0, 0]
      for (const [kind, times, pause] of all) {
        came += times
        said += come(kind, times).filter(Boolean).length
        await clock.advance(pause)
      }
      gate[Symbol.dispose]()
      expect(said + told.reduce((sum, [, leftOut]) => sum + leftOut, 0)).toBe(came)
    }),
  )
})

test('kinds without end share what is left', () => {
  const { gate } = gateWorld()
  const admitted = Array.from({ length: 5_000 }, (_, index) => gate.admits(`kind ${index}`)).filter(Boolean)
  expect(admitted.length).toBeLessThan(300)
})
