/** What a replica tells of a workspace that somebody else's operator stops: the one that decides, and one that does not. */
import { describe, expect, test } from 'vitest'
import { activityKind } from '#activity/activity-record.ts'
import type { LastActive } from '#activity/last-active.ts'
import { ActivityBoard } from '#operator/activity-board.ts'
import { lastActivityOf } from '#operator/last-activity.ts'
import { type IdleWorld, openIdleWorld, type Replica, ref } from '#test/support/idle-world.ts'
import { templateKind } from '#workspace/template.ts'
import { workspaceKind } from '#workspace/workspace.ts'

const minute = 60_000
const asking = {
  ...{ enabled: true, idleTimeoutInMinutes: 30 },
  detection: { httpGet: { path: '/.gatehouse/last-active', port: 8790 } },
}
const nobodyDecides = { book: undefined, whyNotIdle: () => undefined }

const openWorld = (wish: object = {}, spec: object = {}) =>
  openIdleWorld({ idleShutdown: { ...asking, ...wish }, ...spec }, { tellsOperator: true })

/** An operator with a timeout of half an hour asks this replica. */
function asked(
  world: IdleWorld,
  { recorder, writer }: Replica,
  stops: ActivityBoardStops = nobodyDecides,
  aheadOfStore?: () => number,
) {
  const { clock, directory, rules, resources, log } = world
  const mayStop = () => world.answers.mayStop
  const knowing = { directory, rules, recorder, mayStop, aheadOfStore, clock }
  const ending = new AbortController()
  const board = new ActivityBoard({
    ...{ ...knowing, resources, namespace: 'gatehouse', stops, log },
  })
  const work = board.run(ending.signal)
  const tell = async (): Promise<LastActive> => {
    const entry = directory.get(ref)
    if (!entry) throw new Error('there is no workspace')
    return lastActivityOf({ ...knowing, board, replica: writer.replica }, entry)
  }
  return {
    tell,
    /** To people. */
    says: () => [directory.get(ref)].map((entry) => entry && board.reading(entry).standing)[0],
    async stops(): Promise<boolean> {
      const told = await tell()
      return told.kind === 'at' && clock.now() - told.at > 30 * minute
    },
    async [Symbol.asyncDispose]() {
      ending.abort()
      await work
    },
  }
}
type ActivityBoardStops = ConstructorParameters<typeof ActivityBoard>[0]['stops']

describe('the replica that decides', () => {
  test('says when somebody worked last, and after a timeout that it is idle, by which the operator stops it; Gatehouse does not', async () => {
    await using world = await openWorld()
    const replica = world.openReplica('a')
    await using leader = world.lead(replica)
    await using operator = asked(world, replica, leader.stops)
    await world.pass(5)
    replica.type()
    const typed = world.clock.now()
    await world.pass(10)
    expect(await operator.tell()).toEqual({ kind: 'at', at: typed })
    await world.pass(19)
    expect(await operator.stops()).toBe(false)
    await world.pass(3)
    expect(await operator.tell()).toEqual({ kind: 'at', at: typed })
    expect(await operator.stops()).toBe(true)
    expect(operator.says()).toMatchObject({ kind: 'idle', reason: 'inactivity' })
    await world.pass(30)
    expect(await world.desired()).toBe('Running')
    expect(world.resources.calls('patchSpec')).toBe(0)
    expect([...world.events, ...world.audited]).toEqual([])
    replica.type()
    expect(await operator.stops()).toBe(false)
  })

  test('is not kept from it by policies that bound what Gatehouse itself may stop', async () => {
    await using world = await openWorld()
    world.answers.mayStop = false
    const replica = world.openReplica('a')
    await using leader = world.lead(replica)
    await using operator = asked(world, replica, leader.stops)
    await world.pass(35)
    expect(await operator.stops()).toBe(true)
  })

  test('an app that can not be asked keeps it, and nobody is told a time', async () => {
    await using world = await openWorld()
    const replica = world.openReplica('a')
    await using leader = world.lead(replica)
    await using operator = asked(world, replica, leader.stops)
    world.answers.app = { kind: 'failed', problem: 'it answered 500 to /api/kernels' }
    await world.pass(60)
    expect(await operator.tell()).toEqual({ kind: 'unknown', message: expect.stringContaining('500') })
    world.answers.app = { kind: 'busy', source: 'app:kernel-busy' }
    await world.pass(2)
    expect(await operator.tell()).toMatchObject({ kind: 'at' })
    expect(await operator.stops()).toBe(false)
  })

  test('a run begun later is told nothing of the one before, and has a timeout of its own', async () => {
    await using world = await openWorld()
    const replica = world.openReplica('a')
    await using leader = world.lead(replica)
    await using operator = asked(world, replica, leader.stops)
    await world.pass(40)
    expect(await operator.stops()).toBe(true)
    world.run(world.workspace, 'run-2')
    expect(await operator.tell()).toMatchObject({ kind: 'unknown' })
    for (let passed = 0; passed < 29; passed += 1) {
      expect(await operator.stops()).toBe(false)
      await world.pass(1)
    }
    await world.pass(4)
    expect(await operator.stops()).toBe(true)
  })

  test('its longest life is over: the operator stops it, however long somebody keeps it', async () => {
    await using world = await openWorld({}, { templateRef: 'limits' })
    const metadata = { namespace: ref.namespace, name: 'limits' }
    await world.store.create(templateKind, { metadata, spec: { idleShutdownRules: { maxLifetimeInMinutes: 90 } } })
    const replica = world.openReplica('a')
    await using leader = world.lead(replica)
    await using operator = asked(world, replica, leader.stops)
    await world.pass(35)
    replica.recorder.keep({ ...ref, uid: world.uid }, world.clock.now() + 60 * minute, 'alice')
    await world.pass(50)
    expect(await operator.stops()).toBe(false)
    await world.pass(8)
    expect(await operator.stops()).toBe(true)
  })

  test('its longest life is over, which is shorter than its timeout: the operator stops it all the same', async () => {
    await using world = await openWorld({ idleTimeoutInMinutes: 600 }, { templateRef: 'limits' })
    const metadata = { namespace: ref.namespace, name: 'limits' }
    await world.store.create(templateKind, { metadata, spec: { idleShutdownRules: { maxLifetimeInMinutes: 90 } } })
    const replica = world.openReplica('a')
    await using leader = world.lead(replica)
    await using operator = asked(world, replica, leader.stops)
    const age = async () => {
      const told = await operator.tell()
      return told.kind === 'at' ? world.clock.now() - told.at : undefined
    }
    await world.pass(85)
    expect(await age()).toBeLessThan(600 * minute)
    await world.pass(8)
    expect(await age()).toBeGreaterThan(600 * minute)
  })
})

describe('no operator stops what has lived for as long as it may, whatever endpoint it names', () => {
  const overdue = async () => {
    const world = await openWorld({}, { templateRef: 'limits' })
    const metadata = { namespace: ref.namespace, name: 'limits' }
    await world.store.create(templateKind, { metadata, spec: { idleShutdownRules: { maxLifetimeInMinutes: 90 } } })
    return world
  }

  test('Gatehouse does, a quarter of an hour later', async () => {
    await using world = await overdue()
    await using _ = world.lead(world.openReplica('a'))
    for (let passed = 0; passed < 8; passed += 1) await world.pass(13)
    expect(await world.desired()).toBe('Running')
    await world.pass(4)
    expect(await world.desired()).toBe('Stopped')
    expect(world.events).toEqual([expect.stringContaining('no longer is allowed')])
    expect(world.audited).toMatchObject([{ event: 'stop' }])
  })

  test('it does not where a policy is missing that bounds what it may stop', async () => {
    await using world = await overdue()
    world.answers.mayStop = false
    await using _ = world.lead(world.openReplica('a'))
    for (let passed = 0; passed < 10; passed += 1) await world.pass(13)
    expect(await world.desired()).toBe('Running')
    expect(world.resources.calls('patchSpec')).toBe(0)
  })

  test('where it may not, an operator that asks then is told so all the same', async () => {
    await using world = await overdue()
    const replica = world.openReplica('a')
    await using leader = world.lead(replica)
    await using operator = asked(world, replica, leader.stops)
    using _ = world.resources.fail('patchSpec')
    for (let passed = 0; passed < 10; passed += 1) await world.pass(13)
    expect(world.resources.calls('patchSpec')).toBeGreaterThan(0)
    expect(await operator.stops()).toBe(true)
  })
})

describe('a replica that does not decide', () => {
  test('says that it is idle once whoever decides has found it so, and not any more when anybody works anywhere', async () => {
    await using world = await openWorld()
    const [a, b, c] = [world.openReplica('a'), world.openReplica('b'), world.openReplica('c')]
    await using _leader = world.lead(a)
    await using operator = asked(world, b)
    // It was never asked, so that it has heard of nothing yet.
    await world.pass(40)
    expect(await operator.tell()).toMatchObject({ kind: 'unknown' })
    await world.pass(4)
    expect(await operator.stops()).toBe(true)
    expect(operator.says()).toMatchObject({ kind: 'idle', reason: 'inactivity' })
    c.type()
    await world.pass(0.1)
    expect(await operator.stops()).toBe(false)
    expect(operator.says()).toMatchObject({ kind: 'not-idle', reason: 'active' })
    await world.pass(36)
    expect(await operator.stops()).toBe(true)
  })

  test('reads what all have written before it says that it is idle: a gesture that it has not heard of yet keeps it', async () => {
    await using world = await openWorld()
    const [a, b, c] = [world.openReplica('a'), world.openReplica('b'), world.openReplica('c')]
    c.type()
    await using _leader = world.lead(a)
    await using operator = asked(world, b)
    await operator.tell()
    await world.pass(40)
    expect(await operator.stops()).toBe(true)
    using _ = world.resources.hold('watch')
    c.type()
    await world.pass(0.1)
    expect(await operator.stops()).toBe(false)
  })

  test('follows what is written from one question to the next, though they be far apart', async () => {
    await using world = await openWorld()
    const [a, b] = [world.openReplica('a'), world.openReplica('b')]
    await using _leader = world.lead(a)
    await using operator = asked(world, b)
    for (let passed = 0; passed < 60 && !(await operator.stops()); passed += 20) await world.pass(20)
    expect(await operator.stops()).toBe(true)
  })

  test('nobody decides any more: what was found before counts for two more minutes, and for no later time', async () => {
    await using world = await openWorld()
    const [a, b] = [world.openReplica('a'), world.openReplica('b')]
    const leader = world.lead(a)
    await using operator = asked(world, b)
    await operator.tell()
    await world.pass(40)
    expect(await operator.stops()).toBe(true)
    {
      // As if it was killed: it takes nothing back.
      using _ = world.resources.fail('replace', 'create')
      await leader[Symbol.asyncDispose]()
      await world.pass(1)
      expect(await operator.stops()).toBe(true)
      await world.pass(3)
      expect(await operator.tell()).toMatchObject({ kind: 'unknown' })
    }
  })

  test('what was found before it began to follow counts for nothing until it is found again', async () => {
    await using world = await openWorld()
    const [a, b] = [world.openReplica('a'), world.openReplica('b')]
    const leader = world.lead(a)
    await world.pass(40)
    using _ = world.resources.fail('replace', 'create')
    await leader[Symbol.asyncDispose]()
    expect((await world.recordOf('a'))?.spec.verdict).toMatchObject({ idle: true })
    await using operator = asked(world, b)
    for (let passed = 0; passed < 5 * 60; passed += 10) {
      expect(await operator.stops()).toBe(false)
      await world.pass(1 / 6)
    }
  })

  test('one that stood still, and reads late what a dead one had found, goes by when it was written', async () => {
    const options = { isDated: true, tellsOperator: true }
    await using world = await openIdleWorld({ idleShutdown: asking }, options)
    const [a, b] = [world.openReplica('a'), world.openReplica('b')]
    await using _leader = world.lead(a)
    await using operator = asked(world, b, undefined, () => 0)
    await operator.tell()
    await world.pass(40)
    expect(await operator.stops()).toBe(true)
    using _still = world.resources.hold('watch')
    const before = await world.recordOf('a')
    await world.pass(1.5)
    expect(await operator.stops()).toBe(true)
    await world.pass(1.5)
    // As if it was killed: it writes nothing any more.
    using _killed = world.resources.fail('replace', 'create')
    expect((await world.recordOf('a'))?.metadata.resourceVersion).not.toBe(before?.metadata.resourceVersion)
    await world.pass(5)
    expect(await operator.tell()).toMatchObject({ kind: 'unknown' })
  })

  test('that it had lived for too long is nothing that nobody worked in it by, where its template has changed since', async () => {
    await using world = await openWorld({}, { templateRef: 'limits' })
    const metadata = { namespace: ref.namespace, name: 'limits' }
    await world.store.create(templateKind, { metadata, spec: { idleShutdownRules: { maxLifetimeInMinutes: 90 } } })
    const [a, b] = [world.openReplica('a'), world.openReplica('b')]
    await using _leader = world.lead(a, async () => ({
      kind: 'said',
      evidence: [{ at: world.clock.now(), source: 'app:kernel' }],
    }))
    await using operator = asked(world, b)
    for (let passed = 0; passed < 8; passed += 1) {
      await operator.tell()
      await world.pass(12)
    }
    expect(await operator.stops()).toBe(true)
    await world.store.patchSpec(templateKind, metadata, { idleShutdownRules: { maxLifetimeInMinutes: null } })
    for (let passed = 0; passed < 5 * 60; passed += 10) {
      await world.pass(1 / 6)
      expect(await operator.stops()).toBe(false)
    }
  })

  test('that nobody had worked for a shorter timeout is nothing to go by once a longer one is asked for', async () => {
    await using world = await openWorld()
    const [a, b] = [world.openReplica('a'), world.openReplica('b')]
    world.answers.app = { kind: 'said', evidence: [{ at: world.clock.now() + 5 * minute, source: 'app:kernel' }] }
    await using _leader = world.lead(a)
    await using operator = asked(world, b)
    await operator.tell()
    await world.pass(37)
    expect(await operator.stops()).toBe(true)
    await world.store.patchSpec(workspaceKind, ref, { idleShutdown: { idleTimeoutInMinutes: 35 } })
    for (let second = 0; second < 120; second += 1) {
      await world.pass(1 / 60)
      expect(await operator.stops()).toBe(false)
    }
    await world.pass(5)
    const told = await operator.tell()
    expect(told.kind === 'at' && world.clock.now() - told.at > 35 * minute).toBe(true)
  })

  test('a verdict that does not tell since when nobody works, such as one of a Gatehouse of before, stops nothing', async () => {
    await using world = await openWorld()
    const [a, b] = [world.openReplica('a'), world.openReplica('b')]
    await using _leader = world.lead(a)
    await using operator = asked(world, b)
    await operator.tell()
    await world.pass(37)
    expect(await operator.stops()).toBe(true)
    using _killed = world.resources.fail('replace', 'create')
    const record = await world.recordOf('a')
    if (!record?.spec.verdict) throw new Error('nothing was found')
    const { lastAt: _, ...verdict } = record.spec.verdict
    await world.store.replace(activityKind, { ...record, spec: { ...record.spec, verdict } })
    await world.pass(1 / 60)
    expect(await operator.tell()).toMatchObject({ kind: 'unknown' })
  })

  test.each(['hands over', 'is killed'])('whoever decides %s: the next one is believed', async (how) => {
    await using world = await openWorld()
    const [a, b, c] = [world.openReplica('a'), world.openReplica('b'), world.openReplica('c')]
    const leader = world.lead(a)
    await using operator = asked(world, c)
    await operator.tell()
    await world.pass(5)
    {
      const faults = how === 'is killed' ? (['replace', 'create'] as const) : []
      using _ = world.resources.fail(...faults)
      await leader[Symbol.asyncDispose]()
      if (how === 'is killed') await a[Symbol.asyncDispose]()
    }
    await using _leader = world.lead(b)
    await world.pass(10)
    await operator.tell()
    await world.pass(14)
    expect(await operator.stops()).toBe(false)
    for (let passed = 0; passed < 4; passed += 1) {
      await world.pass(10)
      expect(await operator.stops()).toBe(true)
    }
    b.type()
    await world.pass(0.5)
    expect(await operator.stops()).toBe(false)
  })

  test('one that is killed had found it idle: once the next one says that it does not know yet, that holds', async () => {
    await using world = await openWorld()
    const [a, b, c] = [world.openReplica('a'), world.openReplica('b'), world.openReplica('c')]
    const leader = world.lead(a)
    await using operator = asked(world, c)
    await operator.tell()
    await world.pass(40)
    expect(await operator.stops()).toBe(true)
    {
      using _ = world.resources.fail('replace', 'create')
      await leader[Symbol.asyncDispose]()
      await a[Symbol.asyncDispose]()
    }
    await using next = world.lead(b)
    await world.pass(1 / 6)
    expect(next.why()).toMatchObject({ kind: 'unknown', reason: 'not-heard' })
    for (; next.why()?.kind !== 'idle'; await world.pass(1 / 6)) expect(await operator.stops()).toBe(false)
    await world.pass(0.5)
    expect(await operator.stops()).toBe(true)
  })

  test('a store that can not be read is a fault, and no time', async () => {
    await using world = await openWorld()
    const [a, b] = [world.openReplica('a'), world.openReplica('b')]
    await using _leader = world.lead(a)
    await using operator = asked(world, b)
    await operator.tell()
    await world.pass(40)
    using _ = world.resources.fail('get')
    await expect(operator.tell()).rejects.toMatchObject({ code: 'store_unavailable' })
  })
})

test('a workspace that asks something else is told nothing', async () => {
  for (const detection of [{}, { httpGet: { path: '/api/idle', port: 8888 } }]) {
    await using world = await openWorld({ detection })
    await using operator = asked(world, world.openReplica('a'))
    expect(await operator.tell()).toEqual({ kind: 'not-told' })
  }
})
