import { describe, expect, test } from 'vitest'
import { activityKind } from '#activity/activity-record.ts'
import type { AppAnswer } from '#activity/idle-decision.ts'
import { sight } from '#activity/sight.ts'
import { halfAnHour, openIdleWorld, ref } from '#test/support/idle-world.ts'
import { workspaceKind } from '#workspace/workspace.ts'

const minute = 60_000

describe('nobody works and nothing runs', () => {
  test('an endpoint of 31 minutes ago, with a timeout of 30: stopped once, with one event and one line that say by what', async () => {
    await using world = await openIdleWorld()
    const replica = world.openReplica('a')
    await using leader = world.lead(replica)
    world.answers.app = { kind: 'said', evidence: [{ at: world.clock.now() - minute, source: 'endpoint' }] }
    await world.pass(29)
    expect(await world.desired()).toBe('Running')
    await world.pass(60)
    expect(await world.desired()).toBe('Stopped')
    expect(world.resources.calls('patchSpec')).toBe(1)
    expect(world.events).toEqual([expect.stringContaining('without activity')])
    expect(world.audited).toEqual([
      expect.objectContaining({
        ...{ event: 'stop', reason: 'idle', workspace: 'team/nb', user: undefined },
        evidence: expect.objectContaining({ source: 'start', idleFor: expect.any(Number) }),
      }),
    ])
    expect(leader.why()).toBeUndefined()
  })

  test('an endpoint of 29 minutes ago leaves it untouched', async () => {
    await using world = await openIdleWorld()
    await using _ = world.lead(world.openReplica('a'))
    for (let turn = 0; turn < 30; turn += 1) {
      world.answers.app = { kind: 'said', evidence: [{ at: world.clock.now() - 27 * minute, source: 'endpoint' }] }
      await world.pass(2)
    }
    expect(world.answers.asked).toBeGreaterThan(0)
    expect(await world.desired()).toBe('Running')
    expect(world.resources.calls('patchSpec')).toBe(0)
  })

  test('who did the last thing is in the audit trail', async () => {
    await using world = await openIdleWorld()
    const replica = world.openReplica('a')
    await using _ = world.lead(replica)
    await world.pass(10)
    replica.type()
    await world.pass(29)
    expect(await world.desired()).toBe('Running')
    await world.pass(3)
    expect(await world.desired()).toBe('Stopped')
    expect(world.audited).toMatchObject([{ evidence: { source: 'kernel:execute_request', by: 'alice' } }])
  })

  test('one that nobody ever opened is stopped a timeout after its start, a run begun later after that', async () => {
    await using world = await openIdleWorld()
    await using _ = world.lead(world.openReplica('a'))
    await world.pass(20)
    world.run(world.workspace, 'run-2')
    await world.pass(25)
    expect(await world.desired()).toBe('Running')
    await world.pass(6)
    expect(await world.desired()).toBe('Stopped')
  })

  test('one that nobody asks it for runs for ever, and nobody is asked', async () => {
    await using world = await openIdleWorld({})
    await using leader = world.lead(world.openReplica('a'))
    await world.pass(600)
    expect(await world.desired()).toBe('Running')
    expect(world.answers.asked).toBe(0)
    expect(leader.why()).toBeUndefined()
  })
})

describe('what is missing or fails', () => {
  test('an app that fails is never stopped, is asked again and again, and it is said why', async () => {
    await using world = await openIdleWorld()
    const replica = world.openReplica('a')
    await using leader = world.lead(replica)
    world.answers.app = { kind: 'failed', problem: 'it answered 404 to /api/idle' }
    await world.pass(300)
    expect(await world.desired()).toBe('Running')
    expect(leader.why()).toMatchObject({ reason: 'app-failed', message: expect.stringContaining('404') })
    expect((await world.recordOf('a'))?.spec.verdict).toMatchObject({ idle: false, reason: 'app-failed' })
    expect(world.answers.asked).toBeLessThanOrEqual(300)
    world.answers.app = { kind: 'said', evidence: [] }
    await world.pass(2)
    expect(await world.desired()).toBe('Stopped')
  })

  test('work that only the app knows of keeps it, until a timeout after it was last known of', async () => {
    await using world = await openIdleWorld()
    await using leader = world.lead(world.openReplica('a'))
    world.answers.app = { kind: 'busy', source: 'app:kernel-busy' }
    await world.pass(200)
    expect(await world.desired()).toBe('Running')
    expect(leader.why()).toMatchObject({ kind: 'not-idle' })
    world.answers.app = { kind: 'said', evidence: [] }
    await world.pass(12)
    expect(await world.desired()).toBe('Running')
    await world.pass(58)
    expect(await world.desired()).toBe('Stopped')
  })

  test('while the store is away, and when it is back without what other replicas saw, nothing is stopped', async () => {
    await using world = await openIdleWorld()
    const [a, b] = [world.openReplica('a'), world.openReplica('b')]
    await using _ = world.lead(a)
    await world.pass(5)
    {
      using _down = world.resources.fail('list', 'watch', 'get', 'create', 'replace', 'patchSpec', 'patchStatus')
      // The watch notices with the next thing that it would have brought.
      await world.store.patchSpec(workspaceKind, ref, { displayName: 'touched' })
      await world.pass(60)
      b.type()
      await world.pass(10)
      expect(await world.desired()).toBe('Running')
    }
    await world.pass(15)
    expect(await world.desired()).toBe('Running')
    await world.pass(10)
    expect(await world.desired()).toBe('Stopped')
    expect(world.resources.calls('patchSpec')).toBe(1)
  })

  test('a record that somebody deleted means that nothing is known: the clock begins anew', async () => {
    await using world = await openIdleWorld()
    await using _ = world.lead(world.openReplica('a'))
    await world.pass(25)
    for (const { metadata } of await world.records()) await world.store.delete(activityKind, metadata)
    await world.pass(20)
    expect(await world.desired()).toBe('Running')
    await world.pass(15)
    expect(await world.desired()).toBe('Stopped')
  })

  test('a policy of the store that is missing stops stops', async () => {
    await using world = await openIdleWorld()
    await using leader = world.lead(world.openReplica('a'))
    world.answers.mayStop = false
    await world.pass(100)
    expect(await world.desired()).toBe('Running')
    expect(leader.why()).toMatchObject({ reason: 'stops-off' })
  })

  test('what can not be read of a wish stops nothing, and is said', async () => {
    await using world = await openIdleWorld({ idleShutdown: { enabled: true, idleTimeoutInMinutes: 0 } })
    await using leader = world.lead(world.openReplica('a'))
    await world.pass(100)
    expect(await world.desired()).toBe('Running')
    expect(leader.why()).toMatchObject({ reason: 'policy-unknown' })
  })
})

describe('several replicas', () => {
  test('of three replicas one sees traffic, and another one decides: it is not stopped', async () => {
    await using world = await openIdleWorld()
    const [a, b] = [world.openReplica('a'), world.openReplica('b'), world.openReplica('c')]
    await using _ = world.lead(a)
    for (let turn = 0; turn < 12; turn += 1) {
      await world.pass(15)
      b.type()
    }
    expect(await world.desired()).toBe('Running')
    await world.pass(32)
    expect(await world.desired()).toBe('Stopped')
  })

  test('a gesture in the last moment, on another replica whose tab is open all the time, keeps it', async () => {
    await using world = await openIdleWorld()
    const [a, b] = [world.openReplica('a'), world.openReplica('b')]
    await using _ = world.lead(a)
    using _tab = b.openTab()
    b.type()
    // Its clock is not that of the writes, which come once a minute.
    await world.pass(0.5)
    b.type()
    await world.pass(29.7)
    b.type()
    await world.pass(5)
    expect(await world.desired()).toBe('Running')
  })

  test('the one who decides ends; the next one goes on where it was, and stops once', async () => {
    await using world = await openIdleWorld()
    const [a, b] = [world.openReplica('a'), world.openReplica('b')]
    {
      await using _ = world.lead(a)
      await world.pass(20)
      a.type()
      await world.pass(1)
    }
    await using _ = world.lead(b)
    await world.pass(28)
    expect(await world.desired()).toBe('Running')
    await world.pass(3)
    expect(await world.desired()).toBe('Stopped')
    expect(world.resources.calls('patchSpec')).toBe(1)
    expect(world.events.length).toBe(1)
  })

  test('a process that was killed at minute 29, with activity at 28, and comes back under its name: not stopped at 30', async () => {
    await using world = await openIdleWorld()
    const killed = world.openReplica('a')
    {
      await using _ = world.lead(killed)
      await world.pass(28)
      killed.type()
      await world.pass(1)
    }
    await using _ = world.lead(world.openReplica('a'))
    await world.pass(28)
    expect(await world.desired()).toBe('Running')
    await world.pass(3)
    expect(await world.desired()).toBe('Stopped')
    expect((await world.records()).length).toBe(1)
  })

  test('one whose clock is an hour ahead holds nothing up for longer than the others', async () => {
    await using world = await openIdleWorld()
    const ahead = { ...world.clock, now: () => world.clock.now() + 60 * minute }
    const [a, b] = [world.openReplica('a'), world.openReplica('b', ahead)]
    await using _ = world.lead(a)
    b.type()
    await world.pass(29)
    expect(await world.desired()).toBe('Running')
    await world.pass(5)
    expect(await world.desired()).toBe('Stopped')
  })

  test('somebody who changes the workspace at the moment of the stop wins, and the stop is tried again', async () => {
    await using world = await openIdleWorld()
    await using _ = world.lead(world.openReplica('a'))
    await world.pass(30)
    const held = world.resources.hold('get')
    await world.pass(1)
    await world.store.patchSpec(workspaceKind, ref, { displayName: 'mine' })
    held[Symbol.dispose]()
    await world.pass(0)
    expect(await world.desired()).toBe('Running')
    await world.pass(3)
    expect(await world.desired()).toBe('Stopped')
    expect(world.audited.length).toBe(1)
  })

  test('what is written of a workspace that is gone is deleted', async () => {
    await using world = await openIdleWorld()
    const a = world.openReplica('a')
    await using _ = world.lead(a)
    a.type()
    await world.pass(2)
    expect((await world.records()).length).toBe(1)
    await world.store.delete(workspaceKind, ref)
    await world.pass(3)
    expect(await world.records()).toEqual([])
  })

  test('what a replica wrote that is gone since is taken over, and kept as one record', async () => {
    await using world = await openIdleWorld({
      idleShutdown: { enabled: true, idleTimeoutInMinutes: 600, detection: {} },
    })
    await using _ = world.lead(world.openReplica('a'))
    {
      await using gone = world.openReplica('gone')
      gone.type('contents:save')
      await world.pass(1)
    }
    const before = await world.recordOf('gone')
    await world.pass(65)
    expect(await world.recordOf('gone')).toBeUndefined()
    const after = await world.recordOf('a')
    expect(after?.spec.interactive).toBe(before?.spec.interactive)
    expect(after?.spec.evidence?.interactive).toEqual({ source: 'contents:save', user: 'alice' })
  })
})

test('its turn comes again while something of the last one is under way: the end of that takes nothing of what is known by now', async () => {
  await using world = await openIdleWorld()
  const answer = Promise.withResolvers<AppAnswer>()
  const leader = world.lead(world.openReplica('a'), () => answer.promise)
  await world.pass(33)
  const last = leader[Symbol.asyncDispose]()
  const term = new AbortController()
  const again = leader.stops.run(term.signal)
  await world.pass(0.1)
  const { book } = leader.stops
  answer.resolve({ kind: 'failed', problem: 'too late' })
  await last
  await world.pass(0.1)
  expect(book).toBeDefined()
  expect(leader.stops.book).toBe(book)
  term.abort()
  await again
  expect(leader.stops.book).toBeUndefined()
})

test('a template says the longest life: who works in it is stopped all the same', async () => {
  await using world = await openIdleWorld({ ...halfAnHour, templateRef: 'short' })
  const { templateKind } = await import('#workspace/template.ts')
  const a = world.openReplica('a')
  await using leader = world.lead(a)
  await world.pass(40)
  expect(leader.why()).toMatchObject({ reason: 'policy-unknown' })
  expect(await world.desired()).toBe('Running')
  const metadata = { namespace: ref.namespace, name: 'short' }
  await world.store.create(templateKind, { metadata, spec: { idleShutdownRules: { maxLifetimeInMinutes: 60 } } })
  for (let turn = 0; turn < 10; turn += 1) {
    a.recorder.record({ ...ref, uid: world.uid }, sight('interactive', 'x'), 'alice')
    await world.pass(4)
  }
  expect(await world.desired()).toBe('Running')
  a.type()
  await world.pass(25)
  expect(await world.desired()).toBe('Stopped')
  expect(world.events).toEqual([expect.stringContaining('no longer is allowed')])
})
