import { describe, expect, test } from 'vitest'
import { type ActivitySpec, activityKind, activityName } from '#activity/activity-record.ts'
import { type Ask, halfAnHour, openIdleWorld, ref } from '#test/support/idle-world.ts'
import { leapingClock } from '#test/support/leaping-clock.ts'
import { templateKind } from '#workspace/template.ts'
import { workspaceKind } from '#workspace/workspace.ts'

const minute = 60_000
const at = (time: number) => new Date(time).toISOString()

describe('clocks that are wrong', () => {
  test('a replica whose clock is an hour behind: who works there is at work, and has left a timeout later', async () => {
    await using world = await openIdleWorld()
    const behind = { ...world.clock, now: () => world.clock.now() - 60 * minute }
    const [a, b] = [world.openReplica('a'), world.openReplica('b', behind)]
    await using _ = world.lead(a)
    for (let turn = 0; turn < 8; turn += 1) {
      await world.pass(15)
      b.type()
    }
    expect(await world.desired()).toBe('Running')
    await world.pass(29)
    expect(await world.desired()).toBe('Running')
    await world.pass(4)
    expect(await world.desired()).toBe('Stopped')
  })

  test('a leader whose date is put an hour ahead stops nobody who did something five minutes ago', async () => {
    await using world = await openIdleWorld()
    const date = leapingClock(world.clock)
    const [a, b] = [world.openReplica('a', date), world.openReplica('b')]
    await using _ = world.lead(a)
    using _tab = b.openTab()
    await world.pass(10)
    b.type()
    await world.pass(5)
    date.leap(60 * minute)
    await world.pass(24)
    expect(await world.desired()).toBe('Running')
    await world.pass(5)
    expect(await world.desired()).toBe('Stopped')
  })

  test.each([
    ['', false],
    [' while the store is away', true],
  ])(
    'a replica whose date is put back by an hour%s: who works there goes on being at work, and has left a timeout later',
    async (_claim, isAway) => {
      await using world = await openIdleWorld()
      const date = leapingClock(world.clock)
      const [a, b] = [world.openReplica('a'), world.openReplica('b', date)]
      await using _ = world.lead(a)
      b.type()
      await world.pass(5)
      {
        using _away = isAway ? world.resources.fail('create', 'replace') : undefined
        b.type()
        await world.pass(0.05)
        date.leap(-60 * minute)
      }
      for (let turn = 0; turn < 8; turn += 1) {
        await world.pass(10)
        b.type()
      }
      expect(await world.desired()).toBe('Running')
      await world.pass(29)
      expect(await world.desired()).toBe('Running')
      await world.pass(5)
      expect(await world.desired()).toBe('Stopped')
    },
  )

  test('a leader whose date is put back by two hours stops a timeout later who has left, and does not wait for its former date', async () => {
    await using world = await openIdleWorld(undefined, { isDated: true })
    const date = leapingClock(world.clock)
    const [a, b] = [world.openReplica('a', date), world.openReplica('b')]
    await using _ = world.lead(a)
    await world.pass(10)
    b.type()
    await world.pass(5)
    date.leap(-120 * minute)
    await world.pass(24)
    expect(await world.desired()).toBe('Running')
    await world.pass(36)
    expect(await world.desired()).toBe('Stopped')
  })

  test('how busy it was before the date of whoever decides was put back is nothing of now: a program that was left running since keeps it', async () => {
    await using world = await openIdleWorld({ ...halfAnHour, templateRef: 'limits' }, { isDated: true })
    const metadata = { namespace: ref.namespace, name: 'limits' }
    await world.store.create(templateKind, { metadata, spec: { idleShutdownRules: { maxLifetimeInMinutes: 10_000 } } })
    const date = leapingClock(world.clock)
    let cores = 0.01
    world.answers.readLoad = async () => ({ kind: 'used', at: date.now(), span: 15_000, cores })
    const [a, b] = [world.openReplica('a', date), world.openReplica('b')]
    await using _ = world.lead(a)
    b.type('terminal:stdin')
    await world.pass(29)
    b.type('terminal:stdin')
    cores = 0.9
    date.leap(-120 * minute)
    for (let turn = 0; turn < 20; turn += 1) {
      await world.pass(5)
      expect(await world.desired()).toBe('Running')
    }
  })

  test('a date that is moved while what all have written is read afresh stops nothing; it is said, and looked at again', async () => {
    await using world = await openIdleWorld()
    const date = leapingClock(world.clock)
    await using leader = world.lead(world.openReplica('a', date))
    await world.pass(29)
    {
      using _read = world.resources.holdAnswers('get')
      await world.pass(3)
      date.leap(-1 * minute)
    }
    await world.pass(0)
    expect(await world.desired()).toBe('Running')
    expect(leader.why()).toMatchObject({ reason: 'not-heard', message: expect.stringContaining('moved meanwhile') })
    await world.pass(5)
    expect(await world.desired()).toBe('Stopped')
  })

  test('a date that is put ahead while the app is asked does not make what it says an hour older', async () => {
    await using world = await openIdleWorld()
    const date = leapingClock(world.clock)
    let asked = 0
    const ask: Ask = async () => {
      const at = date.now() - 5 * minute
      asked += 1
      if (asked === 1) date.leap(60 * minute)
      return { kind: 'said', evidence: [{ at, source: 'endpoint' }] }
    }
    await using _ = world.lead(world.openReplica('a', date), ask)
    await world.pass(40)
    expect(asked).toBeGreaterThan(1)
    expect(await world.desired()).toBe('Running')
  })

  test('a process that stood still hears first what others wrote meanwhile', async () => {
    await using world = await openIdleWorld()
    let stood = 0
    const late = { ...world.clock, now: () => world.clock.now() + stood }
    await using leader = world.lead(world.openReplica('a', late))
    await world.pass(10)
    stood = 60 * minute
    await world.pass(0.05)
    expect(leader.why()).toMatchObject({ kind: 'unknown', reason: 'not-heard' })
    await world.pass(3)
    expect(await world.desired()).toBe('Stopped')
  })

  test.each([
    ['another run', 'run-0'],
    ['this run', 'run-1'],
  ])('a start of %s that lies far in the future keeps nothing running', async (_claim, instance) => {
    await using world = await openIdleWorld()
    await write(world, 'z', { run: { instance, since: at(world.clock.now() + 600 * minute) } })
    await using _ = world.lead(world.openReplica('a'))
    await world.pass(29)
    expect(await world.desired()).toBe('Running')
    await world.pass(5)
    expect(await world.desired()).toBe('Stopped')
  })
})

type World = Awaited<ReturnType<typeof openIdleWorld>>

async function write(world: World, replica: string, fields: Partial<ActivitySpec>) {
  const metadata = { namespace: 'gatehouse', name: activityName(world.uid, replica) }
  const spec: ActivitySpec = { workspace: { ...ref, uid: world.uid }, replica, ...fields }
  return world.store.create(activityKind, { metadata, spec })
}

describe('what was written', () => {
  test('and can not be read keeps it running, says so, and is mended by whoever writes it next', async () => {
    await using world = await openIdleWorld()
    await write(world, 'b', { interactive: 'yesterday' })
    const b = world.openReplica('b')
    await using leader = world.lead(world.openReplica('a'))
    await world.pass(100)
    expect(await world.desired()).toBe('Running')
    expect(leader.why()).toMatchObject({ reason: 'not-heard', message: expect.stringContaining('can not be read') })
    expect((await world.recordOf('b'))?.spec.unreadable).toBe(true)
    b.type()
    await world.pass(2)
    expect((await world.recordOf('b'))?.spec).toMatchObject({ evidence: { unknown: { source: 'record:unreadable' } } })
    expect((await world.recordOf('b'))?.spec.unreadable).toBeUndefined()
    await world.pass(33)
    expect(await world.desired()).toBe('Stopped')
  })

  test('is not asked for again and again while it can not be followed', async () => {
    await using world = await openIdleWorld()
    await using leader = world.lead(world.openReplica('a'))
    await world.pass(1)
    using _ = world.resources.fail('watch', 'list')
    await world.store.patchSpec(workspaceKind, ref, { displayName: 'touched' })
    const [record] = await world.records()
    if (!record) throw new Error('there is no record')
    await world.store.replace(activityKind, record)
    await world.pass(1)
    const before = world.resources.calls('list')
    await world.pass(60)
    expect(world.resources.calls('list') - before).toBeLessThan(60 * 4)
    expect(leader.why()).toMatchObject({ reason: 'not-heard' })
  })
})

test('a stop whose answer was lost is told of once, when it is seen to have been carried out', async () => {
  await using world = await openIdleWorld()
  await using _ = world.lead(world.openReplica('a'))
  await world.pass(29)
  {
    using _lost = world.resources.loseAnswers('patchSpec')
    await world.pass(2)
  }
  await world.pass(2)
  expect(await world.desired()).toBe('Stopped')
  expect(world.events).toEqual([expect.stringContaining('without activity')])
  expect(world.audited).toMatchObject([{ event: 'stop', reason: 'idle', evidence: { source: 'start' } }])
})

test('a stop that never came to be is told of by nobody, whoever stops it later', async () => {
  await using world = await openIdleWorld()
  const a = world.openReplica('a')
  await using _ = world.lead(a)
  await world.pass(29)
  {
    using _down = world.resources.fail('patchSpec')
    await world.pass(2)
  }
  a.type()
  await world.pass(10)
  await world.store.patchSpec(workspaceKind, ref, { desiredStatus: 'Stopped' })
  await world.pass(2)
  expect(world.events).toEqual([])
  expect(world.audited).toEqual([])
})
