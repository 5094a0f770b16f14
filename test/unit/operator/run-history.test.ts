import { describe, expect, test } from 'vitest'
import { marks, readHistory, spanOf } from '#activity/history.ts'
import { openIdleWorld, ref } from '#test/support/idle-world.ts'
import { workspaceKind } from '#workspace/workspace.ts'

const minute = 60_000
type World = Awaited<ReturnType<typeof openIdleWorld>>

async function historyOf(world: World, replica: string) {
  const { history } = (await world.recordOf(replica))?.spec ?? {}
  return typeof history === 'string' ? readHistory(history) : new Map<number, number>()
}

const spansWith = (history: ReadonlyMap<number, number>, mark: number) =>
  [...history].filter(([, sum]) => (sum & mark) !== 0).map(([span]) => span)

describe('what is recorded of seven days', () => {
  test('is what each replica saw, and survives its restarts and its end', async () => {
    await using world = await openIdleWorld({
      idleShutdown: { enabled: true, idleTimeoutInMinutes: 600, detection: {} },
    })
    await using _ = world.lead(world.openReplica('a'))
    const typed: number[] = []
    for (const round of [1, 2]) {
      await using b = world.openReplica('b')
      b.type()
      typed.push(spanOf(world.clock.now()))
      await world.pass(12 * round)
    }
    expect(spansWith(await historyOf(world, 'b'), marks.interactive)).toEqual(typed)
    await world.pass(90)
    expect(await world.recordOf('b')).toBeUndefined()
    expect(spansWith(await historyOf(world, 'a'), marks.interactive)).toEqual(typed)
  })

  test('is written with what else is written, and no more often', async () => {
    await using world = await openIdleWorld({
      idleShutdown: { enabled: true, idleTimeoutInMinutes: 600, detection: {} },
    })
    const a = world.openReplica('a')
    await using _ = world.lead(a)
    for (let turn = 0; turn < 60; turn += 1) {
      a.type()
      await world.pass(1)
    }
    expect(world.resources.calls('replace') + world.resources.calls('create')).toBeLessThanOrEqual(64)
    expect(spansWith(await historyOf(world, 'a'), marks.interactive).length).toBeGreaterThanOrEqual(12)
  })

  test('has for how long it ran, also of one that nobody asks to be stopped', async () => {
    await using world = await openIdleWorld({})
    await using _ = world.lead(world.openReplica('a'))
    const begun = world.clock.now()
    for (let turn = 0; turn < 6; turn += 1) await world.pass(10)
    await world.store.patchSpec(workspaceKind, ref, { desiredStatus: 'Stopped' })
    await world.pass(3)
    const ran = spansWith(await historyOf(world, 'a'), marks.ran)
    expect(ran.length).toBeGreaterThanOrEqual(12)
    expect(Math.abs((ran[0] ?? 0) - spanOf(begun))).toBeLessThanOrEqual(1)
    expect(Math.abs((ran.at(-1) ?? 0) - spanOf(begun + 61 * minute))).toBeLessThanOrEqual(1)
  })

  test('that can not be read is none, and makes nothing else unreadable', async () => {
    await using world = await openIdleWorld()
    const a = world.openReplica('a')
    await using leader = world.lead(a)
    a.type()
    await world.pass(2)
    const record = await world.recordOf('a')
    if (!record) throw new Error('there is no record')
    const { activityKind } = await import('#activity/activity-record.ts')
    await world.store.replace(activityKind, { ...record, spec: { ...record.spec, history: { no: 'text' } } })
    await world.pass(1)
    a.type()
    await world.pass(2)
    expect(leader.why()).toMatchObject({ reason: 'active' })
    expect(spansWith(await historyOf(world, 'a'), marks.interactive).length).toBe(1)
  })
})
