import { expect, test } from 'vitest'
import { fakeClock } from '#test/support/fake-clock.ts'
import { storeWorld } from './store-world.ts'

test('what is set is read back, also after a restart, and belongs to its table alone', async () => {
  await using world = await storeWorld()
  const store = world.open()
  store.table('keys').set('a', { deep: [1, 'two', null] })
  store.table('other').set('a', 2)
  await store[Symbol.asyncDispose]()
  const again = world.open()
  expect(again.table('keys').get('a')).toEqual({ deep: [1, 'two', null] })
  expect(again.table('other').get('a')).toBe(2)
  expect(again.table('third').get('a')).toBeUndefined()
})

test('a second set replaces value and expiry', async () => {
  const clock = fakeClock()
  await using world = await storeWorld(clock)
  const table = world.open().table('keys')
  table.set('a', 1, clock.now() + 1_000)
  table.set('a', 2)
  await clock.advance(2_000)
  expect(table.get('a')).toBe(2)
})

test('from the instant it expires, an entry is neither read, listed nor deleted', async () => {
  const clock = fakeClock()
  await using world = await storeWorld(clock)
  const table = world.open().table('keys')
  table.set('a', 1, clock.now() + 1_000)
  await clock.advance(999)
  expect(table.get('a')).toBe(1)
  await clock.advance(1)
  expect(table.get('a')).toBeUndefined()
  expect(table.entries()).toEqual([])
  expect(table.delete('a')).toBe(false)
})

test('a deletion says whether there was something', async () => {
  await using world = await storeWorld()
  const table = world.open().table('keys')
  table.set('a', 1)
  expect(table.delete('a')).toBe(true)
  expect(table.delete('a')).toBe(false)
  expect(table.get('a')).toBeUndefined()
})

test('entries are those whose key begins with the prefix, taken literally, by key', async () => {
  await using world = await storeWorld()
  const table = world.open().table('keys')
  for (const key of ['b', 'a%', 'a_x', 'ab', 'A', 'ä1', 'ä2', '__proto__']) table.set(key, key)
  expect(table.entries('a').map(([key]) => key)).toEqual(['a%', 'a_x', 'ab'])
  expect(table.entries('a%')).toEqual([['a%', 'a%']])
  expect(table.entries('ä')).toHaveLength(2)
  expect(table.entries()).toHaveLength(8)
  expect(table.get('__proto__')).toBe('__proto__')
})
