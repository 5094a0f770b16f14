import { expect, test } from 'vitest'
import { parseWireObject, updatedAt } from '#resources/kubernetes/wire-object.ts'

const metadata = {
  name: 'n',
  namespace: 'team',
  uid: 'u',
  resourceVersion: '1',
  creationTimestamp: '2026-01-01T00:00:00Z',
}
const updateOf = (managedFields?: unknown) =>
  updatedAt(parseWireObject({ metadata: { ...metadata, managedFields } })).updatedAt

test('an object was changed when the last of its writers changed it, or up to a second later, since the server cuts off the rest', () => {
  const times = ['2026-01-01T00:00:05Z', '2026-01-01T00:10:00Z', '2026-01-01T00:09:59Z']
  expect(updateOf(times.map((time) => ({ manager: 'gatehouse', time })))).toBe(Date.parse('2026-01-01T00:10:01Z'))
})

test.each([undefined, null, {}, [], [{}], [null, { time: 5 }, { time: 'yesterday' }]])(
  'what says nothing of its writers was changed nobody knows when: %j',
  (managedFields) => {
    expect(updateOf(managedFields)).toBeUndefined()
  },
)
