import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Counted, Tallies } from '#lib/tallies.ts'

describe('tallies', () => {
  test('count those that are in, whoever leaves in whatever order, as often as he likes', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.constantFrom('a', 'b'), fc.nat(20))), (moves) => {
        const tallies = new Tallies()
        const inside: { key: string; counted: Counted }[] = []
        for (const [key, which] of moves) {
          const leaving = inside[which]
          if (leaving) {
            leaving.counted.leave()
            leaving.counted.leave()
            inside.splice(which, 1)
          } else inside.push({ key, counted: tallies.enter(key) })
          for (const one of ['a', 'b'])
            expect(tallies.count(one)).toBe(inside.filter((entry) => entry.key === one).length)
        }
      }),
    )
  })

  test('forget keys of which there are none, and none that has any', () => {
    const tallies = new Tallies()
    const stays = tallies.enter('stays')
    for (let index = 0; index < 100_000; index += 1) tallies.enter(`k${index}`).leave()
    expect(tallies.size).toBeLessThanOrEqual(1_100)
    expect(tallies.count('stays')).toBe(1)
    stays.leave()
    expect(tallies.count('stays')).toBe(0)
  })
})
