import { describe, expect, test } from 'vitest'
import type { Clock } from '#lib/clock.ts'
import { createLog } from '#observe/log.ts'
import { lead } from '#operator/leader.ts'
import { leaseKind } from '#operator/lease.ts'
import type { Resources } from '#resources/contract.ts'
import { openEmbeddedStore } from '#resources/embedded/store.ts'
import { type FakeClock, fakeClock } from '#test/support/fake-clock.ts'
import { type FaultyResources, faultyResources } from '#test/support/faulty-resources.ts'
import { leapingClock } from '#test/support/leaping-clock.ts'
import { memoryLines } from '#test/support/memory-lines.ts'

const namespace = 'gatehouse'
const name = { namespace, name: 'gatehouse-housekeeping' }

interface Replica {
  readonly resources: FaultyResources
  readonly clock: FakeClock
  isLeading(): boolean
  /** As a process that is told to end. */
  end(): Promise<void>
}

function leaseWorld() {
  const clock = fakeClock()
  const ending = new AbortController()
  const log = createLog({ level: 'debug', clock, sink: memoryLines() })
  const store = openEmbeddedStore({ file: ':memory:', kinds: [leaseKind], clock, log, signal: ending.signal })
  const replicas: Replica[] = []
  return {
    clock,
    resources: store.resources as Resources,
    replica(holder: string, own: Clock = clock): Replica {
      const resources = faultyResources(store.resources)
      const life = new AbortController()
      let working = 0
      const run = lead({ resources, ...name, holder, clock: own, log, signal: life.signal }, async (signal) => {
        working += 1
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
        working -= 1
      })
      const replica = {
        resources,
        clock,
        isLeading: () => working === 1,
        async end() {
          life.abort()
          await clock.advance(0)
          await run
        },
      }
      replicas.push(replica)
      return replica
    },
    leading: () => replicas.filter((replica) => replica.isLeading()).length,
    async [Symbol.asyncDispose]() {
      for (const replica of replicas) await replica.end()
      ending.abort()
      await store[Symbol.asyncDispose]()
    },
  }
}

describe('the leader', () => {
  test('is one of several replicas, and stays it while it renews', async () => {
    await using world = leaseWorld()
    const replicas = ['a', 'b', 'c'].map((holder) => world.replica(holder))
    await world.clock.advance(3_000)
    expect(world.leading()).toBe(1)
    const leader = replicas.find((replica) => replica.isLeading())
    for (let second = 0; second < 60; second += 1) {
      await world.clock.advance(1_000)
      expect(world.leading()).toBe(1)
    }
    expect(leader?.isLeading()).toBe(true)
  })

  test('stays it when the date of another one is moved, which takes over no later for that', async () => {
    await using world = leaseWorld()
    const leader = world.replica('a')
    await world.clock.advance(1_000)
    const moved = leapingClock(world.clock)
    const other = world.replica('b', moved)
    for (const span of [60_000, 86_400_000, 60_000, -7 * 86_400_000]) {
      await world.clock.advance(1_500)
      moved.leap(span)
      await world.clock.advance(1_500)
      expect([leader.isLeading(), world.leading()]).toEqual([true, 1])
    }
    using _cut = leader.resources.fail('replace', 'watch', 'list')
    await world.clock.advance(15_000)
    expect([leader.isLeading(), other.isLeading()]).toEqual([false, true])
  })

  test('that ends gives the lease back, and another one goes on within a second or two', async () => {
    await using world = leaseWorld()
    const first = world.replica('a')
    await world.clock.advance(1_000)
    const second = world.replica('b')
    await world.clock.advance(5_000)
    expect([first.isLeading(), second.isLeading()]).toEqual([true, false])
    await first.end()
    await world.clock.advance(2_500)
    expect([first.isLeading(), second.isLeading()]).toEqual([false, true])
  })

  test('that can no longer write stops before another one begins, which it does within 15 s', async () => {
    await using world = leaseWorld()
    const first = world.replica('a')
    await world.clock.advance(1_000)
    const second = world.replica('b')
    await world.clock.advance(5_000)
    using _cut = first.resources.fail('replace', 'watch', 'list')
    let took = 0
    for (let passed = 0; passed <= 15_000 && !second.isLeading(); passed += 250) {
      await world.clock.advance(250)
      took = passed
      expect(world.leading()).toBeLessThanOrEqual(1)
    }
    expect([first.isLeading(), second.isLeading()]).toEqual([false, true])
    expect(took).toBeLessThan(15_000)
  })

  test.each([
    ['as it took the lease', 'create'],
    ['as it renewed it', 'replace'],
  ] as const)(
    'that was answered late, %s, and can no longer write stops before another one begins as well',
    async (_, operation) => {
      await using world = leaseWorld()
      const first = world.replica('a')
      if (operation === 'replace') await world.clock.advance(1_000)
      const late = first.resources.holdAnswers(operation)
      await world.clock.advance(1_000)
      const second = world.replica('b')
      // Written by now, and just before the term ends that was counted before.
      await world.clock.advance(5_250)
      using _cut = first.resources.fail('replace', 'watch', 'list')
      late[Symbol.dispose]()
      await world.clock.advance(0)
      expect([first.isLeading(), second.isLeading()]).toEqual([true, false])
      for (let passed = 0; passed < 15_000; passed += 250) {
        await world.clock.advance(250)
        expect(world.leading()).toBeLessThanOrEqual(1)
      }
      expect([first.isLeading(), second.isLeading()]).toEqual([false, true])
    },
  )

  test('goes on being it while every answer takes as long as there is between two of its questions', async () => {
    await using world = leaseWorld()
    const first = world.replica('a')
    await world.clock.advance(1_000)
    const second = world.replica('b')
    const asked = () => first.resources.calls('replace')
    for (let round = 0; round < 20; round += 1) {
      const late = first.resources.holdAnswers('replace')
      for (const before = asked(); asked() === before && first.isLeading(); ) await world.clock.advance(250)
      await world.clock.advance(3_250)
      expect([first.isLeading(), second.isLeading()], `answer ${round}`).toEqual([true, false])
      late[Symbol.dispose]()
      await world.clock.advance(0)
    }
  })

  test('does not begin by an answer that came later than its term would have ended: another one does at once', async () => {
    await using world = leaseWorld()
    const slow = world.replica('a')
    const late = slow.resources.holdAnswers('create')
    await world.clock.advance(8_500)
    const other = world.replica('b')
    late[Symbol.dispose]()
    await world.clock.advance(1_500)
    expect([slow.isLeading(), other.isLeading()]).toEqual([false, true])
  })

  test('that is alone begins by the next answer that is not late', async () => {
    await using world = leaseWorld()
    const replica = world.replica('a')
    const late = replica.resources.holdAnswers('create')
    await world.clock.advance(8_500)
    late[Symbol.dispose]()
    await world.clock.advance(1_000)
    expect(replica.isLeading()).toBe(false)
    await world.clock.advance(2_000)
    expect(replica.isLeading()).toBe(true)
  })

  test('judges by its own clock: a holder whose clock is five minutes off neither loses its lease nor keeps it for ever', async () => {
    await using world = leaseWorld()
    const first = world.replica('a')
    await world.clock.advance(1_000)
    const stamp = async (renewTime: string) => {
      const lease = await world.resources.get(leaseKind, name)
      if (!lease) throw new Error('there is no lease')
      await world.resources.replace(leaseKind, {
        ...lease,
        spec: { ...lease.spec, holderIdentity: 'skewed', renewTime },
      })
    }
    await first.end()
    const second = world.replica('b')
    for (const at of ['2020-01-01T00:00:00.000000Z', '2020-01-01T00:00:03.000000Z', '2020-01-01T00:00:06.000000Z']) {
      await stamp(at)
      await world.clock.advance(3_000)
      expect(second.isLeading()).toBe(false)
    }
    await stamp('2099-01-01T00:00:00.000000Z')
    await world.clock.advance(12_500)
    expect(second.isLeading()).toBe(true)
  })

  test('stops when somebody else writes himself into its lease', async () => {
    await using world = leaseWorld()
    const first = world.replica('a')
    await world.clock.advance(1_000)
    const lease = await world.resources.get(leaseKind, name)
    if (!lease) throw new Error('there is no lease')
    await world.resources.replace(leaseKind, { ...lease, spec: { ...lease.spec, holderIdentity: 'usurper' } })
    await world.clock.advance(3_500)
    expect(first.isLeading()).toBe(false)
  })
})
