import { describe, expect, test } from 'vitest'
import { halfAnHour, openIdleWorld } from '#test/support/idle-world.ts'
import { templateKind } from '#workspace/template.ts'

const minute = 60_000
const nb = { namespace: 'team', name: 'nb' }

describe('somebody asks that it is kept for an hour', () => {
  test('it outlasts the timeout by that, says so as its own reason, and is stopped afterwards', async () => {
    await using world = await openIdleWorld()
    const replica = world.openReplica('a')
    await using leader = world.lead(replica)
    await world.pass(20)
    expect(await replica.writer.keep({ ...nb, uid: world.uid }, world.clock.now() + 60 * minute, 'alice')).toBe(true)
    await world.pass(55)
    expect(await world.desired()).toBe('Running')
    expect(leader.why()).toMatchObject({ kind: 'not-idle', reason: 'kept', last: { source: 'person:keep' } })
    await world.pass(7)
    expect(await world.desired()).toBe('Stopped')
  })

  test('asked at another replica, which ends right after: the one who decides keeps it all the same, and so does its successor', async () => {
    await using world = await openIdleWorld()
    const first = world.openReplica('a')
    const term = world.lead(first)
    await world.pass(10)
    const other = world.openReplica('b')
    await other.writer.keep({ ...nb, uid: world.uid }, world.clock.now() + 60 * minute, 'alice')
    await other[Symbol.asyncDispose]()
    await world.pass(45)
    expect(term.why()).toMatchObject({ reason: 'kept' })
    await term[Symbol.asyncDispose]()
    await using next = world.lead(world.openReplica('c'))
    await world.pass(10)
    expect(next.why()).toMatchObject({ reason: 'kept' })
    expect(await world.desired()).toBe('Running')
    const [record] = (await world.records()).filter(({ spec }) => spec.replica === 'b')
    expect(record?.spec.evidence?.keptUntil).toEqual({ source: 'person', user: 'alice' })
    expect(record?.spec.evidence?.interactive).toEqual({ source: 'person:keep', user: 'alice' })
  })

  test('it ends with the longest lifetime all the same', async () => {
    await using world = await openIdleWorld({ ...halfAnHour, templateRef: 'short' })
    await world.store.create(templateKind, {
      metadata: { namespace: 'team', name: 'short' },
      spec: { idleShutdownRules: { maxLifetimeInMinutes: 40 } },
    })
    const replica = world.openReplica('a')
    await using _ = world.lead(replica)
    await world.pass(20)
    await replica.writer.keep({ ...nb, uid: world.uid }, world.clock.now() + 60 * minute, 'alice')
    await world.pass(19)
    expect(await world.desired()).toBe('Running')
    await world.pass(3)
    expect(await world.desired()).toBe('Stopped')
    expect(world.events).toEqual([expect.stringContaining('no longer is allowed')])
  })

  test('a time written by hand, far ahead, holds for no longer than an hour from when it is heard of', async () => {
    await using world = await openIdleWorld()
    const replica = world.openReplica('a')
    await replica.writer.keep({ ...nb, uid: world.uid }, world.clock.now() + 1e9, 'mallory')
    await replica[Symbol.asyncDispose]()
    await using _ = world.lead(world.openReplica('b'))
    await world.pass(70)
    expect(await world.desired()).toBe('Stopped')
  })

  test('what could not be written is said not to be, and is written by itself later', async () => {
    await using world = await openIdleWorld()
    const replica = world.openReplica('a')
    const broken = world.resources.fail('create')
    expect(await replica.writer.keep({ ...nb, uid: world.uid }, world.clock.now() + minute, 'alice')).toBe(false)
    broken[Symbol.dispose]()
    await world.pass(1)
    expect((await world.recordOf('a'))?.spec.keptUntil).toBeDefined()
  })
})
