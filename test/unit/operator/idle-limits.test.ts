import { describe, expect, test } from 'vitest'
import type { ReadLoad } from '#runtime/contract.ts'
import { halfAnHour, type IdleWorld, openIdleWorld, ref } from '#test/support/idle-world.ts'
import { templateKind } from '#workspace/template.ts'

const metadata = { namespace: ref.namespace, name: 'limits' }

/** Its template has these rules. */
async function worldWith(idleShutdownRules: (now: number) => object): Promise<IdleWorld> {
  const world = await openIdleWorld({ ...halfAnHour, templateRef: 'limits' })
  const spec = { idleShutdownRules: idleShutdownRules(world.clock.now()) }
  await world.store.create(templateKind, { metadata, spec })
  await world.pass(0.1)
  return world
}

const minutes = (count: number) => count * 60_000

describe('a maintenance', () => {
  test('stops nobody until it is over, and then whoever is idle', async () => {
    await using world = await worldWith((now) => ({ pausedUntil: new Date(now + minutes(100)).toISOString() }))
    await using leader = world.lead(world.openReplica('a'))
    for (let turn = 0; turn < 9; turn += 1) await world.pass(11)
    expect(leader.why()).toMatchObject({ reason: 'paused' })
    expect(await world.desired()).toBe('Running')
    await world.pass(5)
    expect(await world.desired()).toBe('Stopped')
  })
})

describe('the longest life', () => {
  test('ends what is at work, as its app and its processors say, at that time and not before', async () => {
    await using world = await worldWith(() => ({ maxLifetimeInMinutes: 120 }))
    const read: ReadLoad = async () => ({ kind: 'used', at: world.clock.now(), span: 15_000, cores: 2 })
    world.answers.readLoad = read
    world.answers.app = { kind: 'busy', source: 'app:kernel-busy' }
    await using _ = world.lead(world.openReplica('a'))
    for (let turn = 0; turn < 17; turn += 1) await world.pass(7)
    expect(await world.desired()).toBe('Running')
    await world.pass(3)
    expect(await world.desired()).toBe('Stopped')
    expect(world.events).toEqual([expect.stringContaining('no longer is allowed')])
  })

  test('ends what can not be asked', async () => {
    await using world = await worldWith(() => ({ maxLifetimeInMinutes: 60 }))
    world.answers.app = { kind: 'failed', problem: 'it answered 503' }
    await using _ = world.lead(world.openReplica('a'))
    await world.pass(59)
    expect(await world.desired()).toBe('Running')
    await world.pass(3)
    expect(await world.desired()).toBe('Stopped')
  })
})
