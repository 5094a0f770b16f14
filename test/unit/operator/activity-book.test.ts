import { expect, test } from 'vitest'
import { type ActivitySpec, activityKind, activityName } from '#activity/activity-record.ts'
import { ActivityBook } from '#operator/activity-book.ts'
import { openIdleWorld, ref } from '#test/support/idle-world.ts'

test('a list that was asked for before something was heard takes nothing of it back', async () => {
  await using world = await openIdleWorld()
  const { clock, resources, store, uid } = world
  const specOf = (replica: string, time: string): ActivitySpec => ({
    ...{ workspace: { ...ref, uid }, replica, interactive: time, evidence: { interactive: { source: 'x' } } },
  })
  const nameOf = (replica: string) => ({ namespace: 'gatehouse', name: activityName(uid, replica) })
  const [earlier, later] = ['2026-01-01T00:00:00Z', '2026-01-01T00:00:05Z']
  const first = await store.create(activityKind, { metadata: nameOf('b'), spec: specOf('b', earlier) })
  const book = new ActivityBook({ resources, namespace: 'gatehouse', clock })
  const { signal } = new AbortController()
  const held = resources.holdAnswers('list')
  const catching = book.catchUp(signal)
  await clock.advance(0)
  book.read(await store.replace(activityKind, { ...first, spec: specOf('b', later) }))
  book.read(await store.create(activityKind, { metadata: nameOf('c'), spec: specOf('c', earlier) }))
  held[Symbol.dispose]()
  await catching
  expect(book.heardSince).toBeDefined()
  const seen = book.pagesOf(uid).map(({ activity }) => activity.clocks.interactive?.at)
  expect(seen).toEqual([later, earlier].map((time) => Date.parse(time)))
})

test('of several verdicts about a run the one that was heard last counts, not that of who decided before', async () => {
  await using world = await openIdleWorld()
  const { clock, resources, store, uid } = world
  const write = (replica: string, reason: string) => {
    const verdict = { idle: false, reason, message: reason }
    const run = { instance: 'run-1', since: '2026-01-01T00:00:00Z' }
    const metadata = { namespace: 'gatehouse', name: activityName(uid, replica) }
    return store.create(activityKind, { metadata, spec: { workspace: { ...ref, uid }, replica, verdict, run } })
  }
  const [first, second] = [await write('b', 'app-failed'), await write('c', 'busy')]
  for (const order of [
    [first, second],
    [second, first],
  ]) {
    const book = new ActivityBook({ resources, namespace: 'gatehouse', clock })
    for (const record of order) book.read(record)
    expect(book.of(uid, 'run-1')?.verdict).toEqual(order[1]?.spec.verdict)
  }
})
