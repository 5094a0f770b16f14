/** What is ended of tunnels whose clients are away, and when; by whom it may have been taken up is tried with the real agent elsewhere. */
import { expect, test } from 'vitest'
import { type EndableTunnel, LeftTunnels } from '#gateway/left-tunnels.ts'
import { StreamGroup, StreamIndex } from '#live/streams.ts'
import { fakeClock } from '#test/support/fake-clock.ts'

const minute = 60_000
const revoked = { code: 1008, reason: 'access ended' } as const

function scene() {
  const clock = fakeClock()
  const group = new StreamGroup({ session: 's', workspace: 'w', part: 'p' }, new StreamIndex())
  const ended: string[] = []
  const held = (key: string): EndableTunnel => {
    const end = () => void ended.push(key)
    return { name: { person: Buffer.from('bob'), key: Buffer.from(key) }, end, endFor: end }
  }
  const left = new LeftTunnels(clock)
  return {
    ...{ clock, group, ended, left, held },
    leave(key: string, { rest = 12 * 60 * minute, isOver = false } = {}) {
      const one = held(key)
      left.carry(one)
      left.add(one, { group }, { rest, isOver })
    },
  }
}

test('of more than an agent keeps, those that are over are forgotten first, and then those that left first', () => {
  const { group, ended, leave } = scene()
  leave('away')
  for (let number = 0; number < 40; number += 1) leave(`over-${number}`, { isOver: true })
  for (let number = 0; number < 31; number += 1) leave(`left-${number}`)
  leave('last')
  expect(group.size).toBe(32)
  group.end(revoked)
  expect(new Set(ended)).toEqual(new Set(['last', ...Array.from({ length: 31 }, (_, number) => `left-${number}`)]))
})

test('one that was open for as long as it may be ends a minute later, so that whoever has it then can say why', async () => {
  const { clock, ended, leave, group } = scene()
  leave('near', { rest: 2 * minute })
  leave('past', { rest: -minute })
  leave('far', { rest: 11 * minute })
  await clock.advance(minute - 1)
  expect(ended).toEqual([])
  await clock.advance(1)
  expect(ended).toEqual(['past'])
  await clock.advance(2 * minute - 1)
  expect(ended).toEqual(['past'])
  await clock.advance(10 * minute)
  expect([ended, group.size]).toEqual([['past', 'near'], 0])
})

test('one that another connection carries is left by that one alone', () => {
  const { left, held, group, ended } = scene()
  const pass = { group }
  const [first, second] = [held('one'), held('one')]
  const leaving = { rest: 60 * minute, isOver: false }
  left.carry(first)
  left.carry(second)
  expect([left.isCarriedBy(first), left.isCarriedBy(second)]).toEqual([false, true])
  left.add(first, pass, leaving)
  left.drop(first)
  expect([group.size, left.isCarriedBy(second)]).toEqual([0, true])
  left.add(second, pass, leaving)
  expect([group.size, left.isCarriedBy(second)]).toEqual([1, false])
  group.end(revoked)
  expect(ended).toEqual(['one'])
})

test('one whose client had left before it was carried is ended as if it had been, unless another connection carries it here', () => {
  const { left, held, group, ended } = scene()
  const leaving = { rest: 60 * minute, isOver: false }
  const carrying = held('one')
  left.carry(carrying)
  left.addUncarried(held('one'), { group }, leaving)
  expect([group.size, left.isCarriedBy(carrying)]).toEqual([0, true])
  left.add(carrying, { group }, leaving)
  left.addUncarried(held('one'), { group }, leaving)
  left.addUncarried(held('two'), { group }, leaving)
  expect(group.size).toBe(2)
  group.end(revoked)
  expect(ended.toSorted()).toEqual(['one', 'two'])
})
