import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type Activity,
  activityKind,
  activityOf,
  activitySpec,
  adopt,
  mergeActivity,
} from '#activity/activity-record.ts'
import { marks, readHistory, sayHistory, spanOf } from '#activity/history.ts'
import { settlingTime } from '#activity/idle-decision.ts'
import { sight } from '#activity/sight.ts'
import {
  mayWrite,
  neverWritten,
  newsOf,
  turnAfter,
  type Weight,
  type WriteTurn,
  writePeriod,
} from '#activity/write-turn.ts'
import { openIdleWorld, ref } from '#test/support/idle-world.ts'

const seconds = 1 / 60
/** Ten minutes: written once a minute at most. */
const tenMinutes = { idleShutdown: { enabled: true, idleTimeoutInMinutes: 10, detection: {} } }

test('[JK13.3] whatever happens, and whoever has a tab open, a record is written at most every minute, and every tenth of a shorter timeout', async () => {
  for (const [minutes, most] of [
    [600, 11],
    [5, 21],
    [1, 101],
  ] as const) {
    await using world = await openIdleWorld({
      idleShutdown: { ...tenMinutes.idleShutdown, idleTimeoutInMinutes: minutes },
    })
    const replica = world.openReplica('a')
    using _tab = replica.openTab()
    for (let turn = 0; turn < 200; turn += 1) {
      replica.type()
      await world.clock.advance(3_000)
    }
    const writes = world.resources.calls('create') + world.resources.calls('replace')
    expect(writes).toBeGreaterThan(most / 2)
    expect(writes).toBeLessThanOrEqual(most)
  }
})

test('what is seen is there within a second or two, with what and who, and with where people open it', async () => {
  await using world = await openIdleWorld(tenMinutes)
  const replica = world.openReplica('a')
  const at = new Date(world.clock.now()).toISOString()
  replica.type('contents:save')
  await world.pass(2 * seconds)
  expect((await world.recordOf('a'))?.spec).toMatchObject({
    ...{ workspace: { ...ref, uid: world.uid }, replica: 'a', accessURL: 'https://nb-orswc3i.example.test/' },
    ...{ interactive: at, evidence: { interactive: { source: 'contents:save', user: 'alice' } } },
  })
})

test('while the store is away everything is kept, nobody is pressed, and it is written afterwards', async () => {
  await using world = await openIdleWorld(tenMinutes)
  const replica = world.openReplica('a')
  const at = new Date(world.clock.now()).toISOString()
  {
    using _ = world.resources.fail('create', 'replace', 'get')
    replica.type()
    await world.pass(10)
    expect(world.resources.calls('create')).toBeLessThanOrEqual(10 * 12 + 1)
    expect(world.lines.filter((line) => line.includes('activity can not be written now')).length).toBe(1)
  }
  await world.pass(1)
  expect((await world.recordOf('a'))?.spec.interactive).toBe(at)
})

test('a record that somebody else has changed is merged with, and one that is gone is made anew', async () => {
  await using world = await openIdleWorld(tenMinutes)
  const replica = world.openReplica('a')
  replica.type()
  await world.pass(2)
  const record = await world.recordOf('a')
  if (!record) throw new Error('there is no record')
  const later = new Date(world.clock.now() + 5 * 60_000).toISOString()
  await world.store.replace(activityKind, { ...record, spec: { ...record.spec, busyUntil: later } })
  replica.type()
  await world.pass(2)
  expect((await world.recordOf('a'))?.spec).toMatchObject({ busyUntil: later, interactive: expect.any(String) })
  await world.store.delete(activityKind, record.metadata)
  replica.type()
  await world.pass(2)
  expect((await world.recordOf('a'))?.spec.interactive).toBeDefined()
})

test('what ends writes once more, at once', async () => {
  await using world = await openIdleWorld(tenMinutes)
  const replica = world.openReplica('a')
  replica.type()
  await world.pass(2 * seconds)
  const later = new Date(world.clock.now()).toISOString()
  replica.type()
  await replica[Symbol.asyncDispose]()
  expect((await world.recordOf('a'))?.spec.interactive).toBe(later)
})

describe('what a replica knew that is gone', () => {
  const historyAt = (at: number) => sayHistory(new Map([[spanOf(at), marks.interactive]]), at)

  test('is one history, however often it could not be written', () => {
    const now = Date.parse('2026-11-22T00:00:00Z')
    const activity = (turn: number): Activity => ({ clocks: {}, history: [historyAt(now - (turn % 3) * 300_000)] })
    let adopted: Activity | undefined
    for (let turn = 0; turn < 100; turn += 1) adopted = adopt(adopted, activity(turn), now)
    expect(adopted?.history?.length).toBe(1)
    expect(readHistory(adopted?.history?.[0]).size).toBe(3)
  })

  test('is tried again until it is written, and let go then', async () => {
    await using world = await openIdleWorld(tenMinutes)
    const { writer, type } = world.openReplica('a')
    const workspace = { ...ref, uid: world.uid }
    const history = [historyAt(world.clock.now())]
    {
      using _ = world.resources.fail('create', 'replace', 'get')
      for (let turn = 0; turn < 100; turn += 1)
        expect(await writer.adopt(workspace, { clocks: {}, history })).toBe(false)
    }
    expect(await writer.adopt(workspace, { clocks: {}, history })).toBe(true)
    const written = await world.recordOf('a')
    expect(written?.spec.history).toBe(history[0])
    // Whoever deletes it by hand deletes all that was taken over.
    if (written) await world.store.delete(activityKind, written.metadata)
    await world.pass(10)
    type()
    await world.pass(2)
    const anew = await world.recordOf('a')
    expect(anew?.spec.interactive).toBeDefined()
    expect(anew?.spec.history).not.toContain(history[0]?.split(':')[0])
  })
})

const time = fc
  .date({ min: new Date('2026-01-01'), max: new Date('2027-01-01'), noInvalidDate: true })
  .map((at) => at.getTime())
const evidence = fc.oneof(
  fc.record({ at: time, source: fc.constantFrom('a', 'b') }),
  fc.record({ at: time, source: fc.constantFrom('a', 'b'), user: fc.constantFrom('alice', 'bob') }),
)
const activity: fc.Arbitrary<Activity> = fc.record({
  clocks: fc.record(
    { connected: evidence, interactive: evidence, busy: evidence, unknown: evidence },
    { requiredKeys: [] },
  ),
  run: fc.option(fc.record({ instance: fc.constantFrom('one', 'two'), since: time }), { nil: undefined }),
})

test('what is written is read again as it was', () => {
  fc.assert(
    fc.property(activity, (some) => {
      const spec = activityKind.parseSpec(activitySpec({ ...ref, uid: 'u' }, 'a', some))
      const { clocks, run } = activityOf({ spec } as Parameters<typeof activityOf>[0])
      expect({ clocks, run }).toEqual({ clocks: some.clocks, run: some.run })
    }),
  )
})

test('several replicas come to the same in any order; of one run the earliest start counts', () => {
  fc.assert(
    fc.property(activity, activity, activity, (one, two, three) => {
      expect(mergeActivity(one, two)).toEqual(mergeActivity(two, one))
      expect(mergeActivity(one, one)).toEqual(mergeActivity(one, mergeActivity(one, one)))
      const { clocks } = mergeActivity(mergeActivity(one, two), three)
      expect(clocks).toEqual(mergeActivity(one, mergeActivity(two, three)).clocks)
      if (one.run && one.run.instance === two.run?.instance)
        expect(mergeActivity(one, two).run?.since).toBe(Math.min(one.run.since, two.run.since))
    }),
  )
})

describe("a write that says little takes nobody else's turn", () => {
  test('a tab that is open makes no record, and a gesture right after it is written at once', async () => {
    await using world = await openIdleWorld(tenMinutes)
    const replica = world.openReplica('a')
    using _tab = replica.openTab()
    await world.pass(5 * seconds)
    expect(await world.records()).toEqual([])
    replica.type()
    const at = new Date(world.clock.now()).toISOString()
    await world.pass(2 * seconds)
    expect((await world.recordOf('a'))?.spec.interactive).toBe(at)
  })

  test('a gesture goes past the write that said only that a tab is open, or what nobody understands', async () => {
    await using world = await openIdleWorld(tenMinutes)
    const replica = world.openReplica('a')
    replica.type()
    using _tab = replica.openTab()
    await world.pass(1.05)
    replica.recorder.record({ ...ref, uid: world.uid }, sight('unknown', 'x'), 'alice')
    await world.pass(2 * seconds)
    expect((await world.recordOf('a'))?.spec.unknown).toBeDefined()
    replica.type()
    const at = new Date(world.clock.now()).toISOString()
    await world.pass(2 * seconds)
    expect((await world.recordOf('a'))?.spec.interactive).toBe(at)
  })

  test('there is no more than one write in a period on average all the same, and every gesture is written within one', () => {
    const period = 60
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom<Weight>('none', 'slight', 'full'), { minLength: 600, maxLength: 600 }),
        (weights) => {
          let turn = neverWritten
          let writes = 0
          weights.forEach((weight, now) => {
            if (weight === 'full' && now - turn.writtenAt >= 3 * period)
              expect(mayWrite(turn, weight, now, period)).toBe(true)
            if (!mayWrite(turn, weight, now, period)) return
            turn = turnAfter(turn, weight, now, period)
            writes += 1
          })
          expect(writes).toBeLessThanOrEqual(600 / period + 3)
        },
      ),
    )
  })

  test('a gesture waits for no longer than a period after the last one that was written', () => {
    const steady = (turn: WriteTurn, now: number) =>
      mayWrite(turn, 'full', now, 60) ? turnAfter(turn, 'full', now, 60) : turn
    let turn = turnAfter(turnAfter(neverWritten, 'none', 0, 60), 'slight', 1, 60)
    for (let now = 2; now < 6_000; now += 1) {
      turn = steady(turn, now)
      expect(now - turn.writtenAt).toBeLessThan(60)
    }
  })
})

test.each([10, 60, 300, 1800, 36_000])(
  'with a timeout of %i s all that counts is written three seconds before the others are taken to have written',
  (timeout) => {
    const period = writePeriod(timeout * 1_000)
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.constantFrom<Weight>('none', 'slight', 'full'), fc.nat(3 * period))), (seen) => {
        let turn = neverWritten
        let now = 0
        for (const [weight, after] of seen) {
          now += after
          if (mayWrite(turn, weight, now, period)) turn = turnAfter(turn, weight, now, period)
        }
        const last = now + settlingTime(timeout * 1_000) - 3_000
        for (const weight of ['slight', 'full'] as const) expect(mayWrite(turn, weight, last, period)).toBe(true)
      }),
      // All turns that may be taken ahead are taken.
      {
        examples: [
          [
            [
              ['none', 0],
              ['slight', 0],
              ['full', 0],
            ],
          ],
        ],
      },
    )
  },
)

test('what nobody understands is no news eight hours after the last gesture', () => {
  const hour = 3_600_000
  const interactive = { at: 0, source: 'x' }
  const at = (hours: number) => ({ interactive, unknown: { at: hours * hour, source: 'y' } })
  const rules = { connectedCounts: false, startedAt: 0 }
  expect(newsOf(at(7), at(6), rules)).toBe('slight')
  expect(newsOf(at(10), at(9), rules)).toBe('none')
  expect(newsOf({ unknown: at(10).unknown }, { unknown: at(9).unknown }, { ...rules, startedAt: undefined })).toBe(
    'slight',
  )
})

test('a write that failed is tried again within seconds, and what ends tries at once', async () => {
  await using world = await openIdleWorld(tenMinutes)
  const replica = world.openReplica('a')
  replica.type()
  await world.pass(2)
  const at = new Date(world.clock.now()).toISOString()
  const down = world.resources.fail('replace')
  replica.type()
  await world.pass(2 * seconds)
  down[Symbol.dispose]()
  await world.pass(6 * seconds)
  expect((await world.recordOf('a'))?.spec.interactive).toBe(at)
  await world.pass(1)
  const again = world.resources.fail('replace')
  replica.type()
  await world.pass(2 * seconds)
  again[Symbol.dispose]()
  const later = (await world.recordOf('a'))?.spec.interactive
  expect(later).toBe(at)
  await replica[Symbol.asyncDispose]()
  expect((await world.recordOf('a'))?.spec.interactive).not.toBe(at)
})
