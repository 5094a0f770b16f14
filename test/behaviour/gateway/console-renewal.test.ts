import { expect, test } from 'vitest'
import { dateFollows } from '#test/support/date-follows.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { createWorld } from '#test/support/world.ts'

const minute = 60_000

test('somebody who is at the console alone is renewed too, and not asked to log in after an hour', async () => {
  const clock = fakeClock(Date.now())
  await using opened = new AsyncDisposableStack()
  opened.use(dateFollows(clock))
  const world = opened.use(await createWorld({ clock }))
  const alice = await world.as('alice')
  const { sessions } = world.open.identities
  const endsAt = () => Date.parse(sessions.find(({ spec }) => spec.username === 'alice')[0]?.spec.expiresAt ?? '')
  const before = endsAt()
  await clock.advance(55 * minute)
  expect((await alice.navigate(world.origin)).status).toBe(200)
  await world.until(() => endsAt() > before, 'the renewal')
  await clock.advance(10 * minute)
  expect((await alice.navigate(world.origin)).status).toBe(200)
})
