/** A date that is put back, and right again later: what was seen before, and meanwhile, is as old as it is. */
import { expect, test } from 'vitest'
import { openIdleWorld, ref } from '#test/support/idle-world.ts'
import { leapingClock } from '#test/support/leaping-clock.ts'

const minute = 60_000

test.each([
  ['a minute later, over a store that dates what is written', 1, true],
  ['an hour and a half later', 90, false],
  ['an hour and a half later, over a store that dates what is written', 90, true],
])(
  'a date that is put back by an hour and right again %s: who worked there is at work for a timeout after his last gesture, and has left then',
  async (_claim, wrong, isDated) => {
    await using world = await openIdleWorld(undefined, { isDated })
    const date = leapingClock(world.clock)
    const a = world.openReplica('a', date)
    await using _ = world.lead(a)
    using _tab = a.openTab()
    await world.pass(10)
    a.type()
    await world.pass(5)
    date.leap(-60 * minute)
    for (let passed = 0; passed < wrong; passed += 1) {
      if (passed % 10 === 6) a.type()
      await world.pass(1)
    }
    date.leap(60 * minute)
    // The last gesture is five or six minutes ago.
    await world.pass(23)
    expect(await world.desired()).toBe('Running')
    await world.pass(10)
    expect(await world.desired()).toBe('Stopped')
  },
)

test('a process that was started anew while the date was an hour behind takes nothing back of what was written before, once the date is right', async () => {
  await using world = await openIdleWorld(undefined, { isDated: true })
  const date = leapingClock(world.clock)
  {
    await using before = world.openReplica('a', date)
    await using _ = world.lead(before)
    await world.pass(10)
    before.type()
    await world.pass(5)
  }
  date.leap(-60 * minute)
  const a = world.openReplica('a', date)
  await using _ = world.lead(a)
  using _tab = a.openTab()
  await world.pass(2)
  date.leap(60 * minute)
  await world.pass(22)
  expect(await world.desired()).toBe('Running')
  await world.pass(10)
  expect(await world.desired()).toBe('Stopped')
})

test('a date that is put back during a write that fails: the next gesture is written at once', async () => {
  await using world = await openIdleWorld()
  const date = leapingClock(world.clock)
  const a = world.openReplica('a', date)
  for (let turn = 0; turn < 5; turn += 1) {
    a.type()
    await world.pass(0.2)
  }
  const failing = world.resources.fail('create', 'replace')
  const held = world.resources.hold('create', 'replace')
  const asked = a.writer.keep({ ...ref, uid: world.uid }, date.now() + 10 * minute, 'alice')
  await world.pass(0.05)
  date.leap(-60 * minute)
  await world.pass(0.05)
  held[Symbol.dispose]()
  expect(await asked).toBe(false)
  failing[Symbol.dispose]()
  await world.pass(0.6)
  a.type()
  const typed = date.now()
  await world.pass(1.1)
  expect((await world.recordOf('a'))?.spec.interactive).toBe(new Date(typed).toISOString())
})

test('a run that began while the date was an hour behind: to have been started counts for a timeout, also once the date is right', async () => {
  await using world = await openIdleWorld()
  const date = leapingClock(world.clock)
  await using _ = world.lead(world.openReplica('a', date))
  await world.pass(5)
  date.leap(-60 * minute)
  await world.pass(1)
  world.run(world.workspace, 'run-2')
  await world.pass(5)
  date.leap(60 * minute)
  await world.pass(23)
  expect(await world.desired()).toBe('Running')
  await world.pass(10)
  expect(await world.desired()).toBe('Stopped')
})
