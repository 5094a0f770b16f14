/** Clocks of replicas that differ, over a store that dates what is written: whoever begins to decide goes by the store's time. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { AppAnswer } from '#activity/idle-decision.ts'
import { openIdleWorld } from '#test/support/idle-world.ts'
import { leapingClock } from '#test/support/leaping-clock.ts'

const [second, minute] = [1_000, 60_000]
const timeout = 2 * minute
const spec = { idleShutdown: { enabled: true, idleTimeoutInMinutes: 2, detection: {} } }
const skew = fc.integer({ min: -5 * 60, max: 5 * 60 }).map((seconds) => seconds * second)
/** How far the two can be apart, the wait for what others write, and the turns of whoever asks. */
const latest = 10 * minute + minute

interface Case {
  readonly skews: readonly [number, number]
  /** Who does something, after how many seconds. */
  readonly gestures: readonly { readonly isAtA: boolean; readonly after: number }[]
  /** After the last of them somebody else begins to decide. */
  readonly change: number
  /** The former one is gone then, and writes nothing any more. */
  readonly isGone: boolean
  /** What the app says of the last that it knows of, after the last gesture and by the right time. */
  readonly endpoint: number | undefined
}

const cases: fc.Arbitrary<Case> = fc.record({
  skews: fc.tuple(skew, skew),
  gestures: fc.array(fc.record({ isAtA: fc.boolean(), after: fc.integer({ min: 1, max: 100 }) }), { maxLength: 3 }),
  change: fc.integer({ min: 5, max: 110 }),
  isGone: fc.integer({ min: 1, max: 4 }).map((one) => one > 1),
  endpoint: fc.option(fc.integer({ min: 0, max: 60 }), { nil: undefined, freq: 1 }),
})

const early = { skews: [-5 * minute, 5 * minute], gestures: [{ isAtA: true, after: 40 }], change: 10 } as const
const worst: readonly Case[] = [
  { ...early, isGone: true, endpoint: undefined },
  { ...early, isGone: true, endpoint: 5 },
  { ...early, isGone: false, endpoint: undefined },
  { ...early, skews: [5 * minute, -5 * minute], isGone: true, endpoint: undefined },
]

async function stopsBetween({ skews, gestures, change, isGone, endpoint }: Case): Promise<void> {
  await using world = await openIdleWorld(spec, { isDated: true })
  const { clock } = world
  const clocks = skews.map((ahead) => ({ ...clock, now: () => clock.now() + ahead }))
  const [a, b] = [world.openReplica('a', clocks[0]), world.openReplica('b', clocks[1])]
  let last = clock.now()
  {
    await using _ = world.lead(a)
    // It is running, and that is written down.
    await world.pass(5 / 60)
    for (const { isAtA, after } of gestures) {
      await world.pass(after / 60)
      last = clock.now()
      const by = isAtA ? a : b
      by.type()
    }
    await world.pass(change / 60)
  }
  if (isGone) await a[Symbol.asyncDispose]()
  expect(await world.desired()).toBe('Running')
  if (endpoint !== undefined) {
    last += Math.min(endpoint, change) * second
    const said: AppAnswer = { kind: 'said', evidence: [{ at: last, source: 'endpoint' }] }
    world.answers.app = said
  }
  await using _ = world.lead(b)
  await world.pass((last + timeout - second - clock.now()) / minute)
  expect(await world.desired()).toBe('Running')
  while ((await world.desired()) === 'Running' && clock.now() < last + timeout + latest) await world.pass(0.5)
  expect(await world.desired()).toBe('Stopped')
}

describe('two replicas whose clocks are up to five minutes off, either way', () => {
  test('whoever decides and whoever decides after that: nothing is stopped sooner than its timeout, and all within a bounded time after it', async () => {
    await fc.assert(fc.asyncProperty(cases, stopsBetween), {
      numRuns: 16,
      examples: worst.map((one): [Case] => [one]),
    })
  }, 60_000)
})

describe('the time of the store', () => {
  test('is not known: nothing is stopped, and it is said why; then it goes on as if it had been known', async () => {
    await using world = await openIdleWorld(spec, { isDated: true })
    const a = world.openReplica('a')
    {
      await using _ = world.lead(a)
      await world.pass(1)
    }
    world.answers.knowsTime = false
    await using leader = world.lead(a)
    await world.pass(30)
    expect(await world.desired()).toBe('Running')
    expect(leader.why()).toMatchObject({ kind: 'unknown', message: expect.stringContaining('clock') })
    world.answers.knowsTime = true
    await world.pass(4)
    expect(await world.desired()).toBe('Stopped')
  })

  test('tells what was written before the date of whoever decides was moved: who did something five minutes ago with no tab left open is not stopped for it', async () => {
    await using world = await openIdleWorld(undefined, { isDated: true })
    const date = leapingClock(world.clock)
    const [a, b] = [world.openReplica('a', date), world.openReplica('b')]
    await using _ = world.lead(a)
    await world.pass(10)
    b.type()
    await world.pass(5)
    date.leap(60 * minute)
    await world.pass(24)
    expect(await world.desired()).toBe('Running')
    await world.pass(5)
    expect(await world.desired()).toBe('Stopped')
  })
})
