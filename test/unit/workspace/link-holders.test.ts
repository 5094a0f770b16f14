import { expect, test } from 'vitest'
import { oneTimeKind, oneTimeName } from '#identity/one-time-record.ts'
import { rfc3339Of } from '#identity/rfc3339.ts'
import { createLog } from '#observe/log.ts'
import type { ObjectName, Resource, ResourceKind } from '#resources/contract.ts'
import { openEmbeddedStore } from '#resources/embedded/store.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { leapingClock } from '#test/support/leaping-clock.ts'
import { memoryLines } from '#test/support/memory-lines.ts'
import { LinkHolders, linkRoom } from '#workspace/link-holders.ts'
import { placeName } from '#workspace/slot-places.ts'

const namespace = 'gatehouse'

/** A real store, what was asked of it, and places that replicas have in it. */
function world() {
  const clock = fakeClock()
  const log = createLog({ level: 'info', clock, sink: memoryLines() })
  const { signal } = new AbortController()
  const store = openEmbeddedStore({ file: ':memory:', kinds: [oneTimeKind], clock, log, signal })
  let gets = 0
  const resources = {
    get<T extends Resource>(kind: ResourceKind<T>, name: ObjectName) {
      gets += 1
      return store.resources.get(kind, name)
    },
  }
  const date = leapingClock(clock)
  const holders = new LinkHolders({ resources, namespace, clock: date })
  const expiresAt = rfc3339Of(clock.now() + 3_600_000)
  return {
    ...{ clock, date, holders, gets: () => gets },
    async take(instance: string, number: number, holder: string) {
      const { of } = linkRoom(instance)
      const metadata = { namespace, name: placeName(of, number) }
      await store.resources.create(oneTimeKind, { metadata, spec: { purpose: 'slot', of, holder } })
    },
    async live(holder: string, address: string) {
      const metadata = { namespace, name: oneTimeName('holder', holder) }
      await store.resources.create(oneTimeKind, { metadata, spec: { purpose: 'holder', holder, address, expiresAt } })
    },
    die: (holder: string) => store.resources.delete(oneTimeKind, { namespace, name: oneTimeName('holder', holder) }),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  }
}

test('who asks again and again where nobody has a link asks the store once in two seconds', async () => {
  await using at = world()
  for (let ask = 0; ask < 20; ask += 1) {
    expect(await at.holders.find('pod')).toEqual([])
    await at.clock.advance(99)
  }
  expect(at.gets()).toBe(4)
  await at.take('pod', 0, 'replica')
  await at.live('replica', '10.0.0.1:8804')
  await at.clock.advance(100)
  expect(await at.holders.find('pod')).toEqual(['10.0.0.1:8804'])
})

test('a link that has moved to another replica is found after two seconds, though the date was put back by an hour', async () => {
  await using at = world()
  await at.take('pod', 0, 'one')
  await at.live('one', '10.0.0.1:8804')
  expect(await at.holders.find('pod')).toEqual(['10.0.0.1:8804'])
  await at.take('pod', 1, 'other')
  await at.live('other', '10.0.0.2:8804')
  at.date.leap(-3_600_000)
  await at.clock.advance(2_000)
  expect(await at.holders.find('pod')).toEqual(['10.0.0.1:8804', '10.0.0.2:8804'])
})

test('an answer that proved wrong is asked for anew, but not at once', async () => {
  await using at = world()
  await at.take('pod', 0, 'one')
  await at.live('one', '10.0.0.1:8804')
  await at.holders.find('pod')
  const before = at.gets()
  at.holders.forget('pod')
  await at.holders.find('pod')
  expect(at.gets()).toBe(before)
  await at.take('pod', 1, 'other')
  await at.live('other', '10.0.0.2:8804')
  await at.clock.advance(500)
  at.holders.forget('pod')
  expect(await at.holders.find('pod')).toEqual(['10.0.0.1:8804', '10.0.0.2:8804'])
})

test('an address that nobody answered at is tried last, for a minute or until somebody does', async () => {
  await using at = world()
  await at.take('pod', 0, 'dead')
  await at.live('dead', '10.0.0.1:8804')
  await at.take('pod', 1, 'alive')
  await at.live('alive', '10.0.0.2:8804')
  const inOrder = ['10.0.0.1:8804', '10.0.0.2:8804']
  expect(await at.holders.find('pod')).toEqual(inOrder)
  at.holders.note('10.0.0.1:8804', false)
  expect(await at.holders.find('pod')).toEqual(inOrder.toReversed())
  await at.clock.advance(59_999)
  expect(await at.holders.find('pod')).toEqual(inOrder.toReversed())
  await at.clock.advance(1)
  expect(await at.holders.find('pod')).toEqual(inOrder)
  at.holders.note('10.0.0.1:8804', false)
  at.holders.note('10.0.0.1:8804', true)
  expect(await at.holders.find('pod')).toEqual(inOrder)
})

test('a replica is found in the moment between two of its records as well', async () => {
  await using at = world()
  await at.take('pod', 0, 'replica')
  await at.live('replica', '10.0.0.1:8804')
  await at.holders.find('pod')
  await at.die('replica')
  await at.clock.advance(2_000)
  expect(await at.holders.find('pod')).toEqual(['10.0.0.1:8804'])
})
