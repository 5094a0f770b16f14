import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Bag } from '#lib/bag.ts'

describe('a bag', () => {
  it('holds what a set would, whoever comes and goes', () => {
    const steps = fc.array(fc.tuple(fc.boolean(), fc.nat({ max: 12 })), { maxLength: 200 })
    fc.assert(
      fc.property(steps, (moves) => {
        const bag = new Bag<number>()
        const set = new Set<number>()
        for (const [isComing, member] of moves) {
          if (!isComing) expect(bag.delete(member)).toBe(set.delete(member))
          else if (!set.has(member)) {
            bag.add(member)
            set.add(member)
          }
          expect(bag.has(member)).toBe(set.has(member))
          expect(bag.size).toBe(set.size)
          expect(bag.all().sort()).toEqual([...set].sort())
        }
      }),
    )
  })

  it('tells of the members of one moment, whoever leaves while they are looked at', () => {
    const bag = new Bag<string>()
    for (const member of ['a', 'b', 'c']) bag.add(member)
    const seen = bag.all().filter((member) => bag.delete(member))
    expect([seen.sort(), bag.size]).toEqual([['a', 'b', 'c'], 0])
  })
})
