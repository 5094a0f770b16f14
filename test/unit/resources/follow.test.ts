import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { GatewayError } from '#errors.ts'
import { type Clock, sleep } from '#lib/clock.ts'
import type { ResourceVersion, Uid, WatchEvent } from '#resources/contract.ts'
import { type Fact, follow, heartbeatPatience } from '#resources/follow.ts'
import { Freshness } from '#resources/freshness.ts'
import type { Followed, Source } from '#resources/source.ts'
import { type FakeClock, fakeClock } from '#test/support/fake-clock.ts'
import { leapingClock } from '#test/support/leaping-clock.ts'

interface Thing extends Followed {
  readonly turn: number
}

/** What a server writes down: one change for each version, from 1. */
type Change = { readonly name: string; readonly does: 'write' | 'spoil' | 'remove' }

/** How the watches of a server end, one after the other; then they stay open. */
type Fault = { readonly after: number; readonly with: 'end' | 'loss' | 'expiry' }

const versionOf = (number: number) => String(number) as ResourceVersion
const things = ['a', 'b', 'c'] as const

describe('whatever a server does and a network breaks', () => {
  const changes = fc.array(
    fc.record({
      name: fc.constantFrom(...things),
      does: fc.constantFrom('write' as const, 'write' as const, 'spoil' as const, 'remove' as const),
    }),
    { maxLength: 30 },
  )
  const faults = fc.array(
    fc.record({ after: fc.nat({ max: 4 }), with: fc.constantFrom('end' as const, 'loss' as const, 'expiry' as const) }),
    { maxLength: 8 },
  )

  test('a reader ends up with what there is, tells of no end of what it did not tell of, and never goes back', async () => {
    await fc.assert(
      fc.asyncProperty(changes, faults, fc.nat({ max: 30 }), async (log, broken, early) => {
        const server = new Server(broken)
        for (const change of log.slice(0, early)) server.write(change)
        await using reading = read(server)
        await reading.clock.advance(500)
        for (const change of log.slice(early)) {
          server.write(change)
          await reading.clock.advance(0)
        }
        await reading.clock.advance(120_000)
        expect(replay(reading.facts)).toEqual(server.present())
      }),
      { numRuns: 150 },
    )
  })

  test('a reader whose watches never expire tells of every version of every object', async () => {
    const harmless = faults.map((list) => list.filter((fault) => fault.with !== 'expiry'))
    await fc.assert(
      fc.asyncProperty(changes, harmless, async (log, broken) => {
        const server = new Server(broken)
        await using reading = read(server)
        await reading.clock.advance(0)
        for (const change of log) server.write(change)
        await reading.clock.advance(120_000)
        const told = reading.facts.flatMap((fact) => (fact.type === 'applied' ? [fact.object.turn] : []))
        expect(told).toEqual(server.written())
      }),
      { numRuns: 100 },
    )
  })
})

describe('the age of what is known', () => {
  test('is infinite before the first list, and counts from when that was asked for', async () => {
    const server = new Server([])
    server.listTakes = 700
    await using reading = read(server)
    expect(reading.freshness.age()).toBe(Number.POSITIVE_INFINITY)
    await reading.clock.advance(700)
    expect(reading.freshness.age()).toBe(700)
  })

  test('begins anew with every sign of life, and grows without one', async () => {
    const server = new Server([])
    await using reading = read(server)
    await reading.clock.advance(5_000)
    expect(reading.freshness.age()).toBe(5_000)
    server.write({ name: 'a', does: 'write' })
    await reading.clock.advance(0)
    expect(reading.freshness.age()).toBe(0)
  })

  test('is proven by heartbeats alone once there are some', async () => {
    const server = new Server([])
    await using reading = read(server)
    server.beat()
    await reading.clock.advance(4_000)
    server.write({ name: 'a', does: 'write' })
    await reading.clock.advance(0)
    expect(reading.freshness.age()).toBe(4_000)
    expect(replay(reading.facts)).toEqual(server.present())
  })
})

describe('a date that is put back by an hour', () => {
  test('makes nothing younger that is known', async () => {
    const server = new Server([])
    const date = leapingClock(server.clock)
    await using reading = read(server, date)
    await reading.clock.advance(5_000)
    date.leap(-3_600_000)
    await reading.clock.advance(5_000)
    expect(reading.freshness.age()).toBe(10_000)
  })

  test('makes nobody wait longer for a heartbeat', async () => {
    const server = new Server([])
    server.endsAfter = 4_000
    const date = leapingClock(server.clock)
    await using reading = read(server, date)
    server.beat()
    await reading.clock.advance(0)
    server.isMute = true
    date.leap(-3_600_000)
    await reading.clock.advance(heartbeatPatience)
    expect(reading.types()).toEqual(['synced', 'stale', 'synced'])
  })
})

describe('a watch that brings nothing', () => {
  test('is given up 15 s after the last heartbeat, and everything is listed', async () => {
    const server = new Server([])
    await using reading = read(server)
    server.beat()
    await reading.clock.advance(0)
    server.isMute = true
    server.write({ name: 'a', does: 'write' })
    await reading.clock.advance(heartbeatPatience - 1)
    expect(reading.types()).toEqual(['synced'])
    await reading.clock.advance(1)
    expect(reading.types()).toEqual(['synced', 'stale', 'synced'])
    expect(replay(reading.facts)).toEqual(server.present())
  })

  test('is given up then even if the server ends and resumes it meanwhile', async () => {
    const server = new Server([])
    server.endsAfter = 4_000
    await using reading = read(server)
    server.beat()
    await reading.clock.advance(0)
    server.isMute = true
    await reading.clock.advance(heartbeatPatience - 1)
    expect(reading.types()).toEqual(['synced'])
    await reading.clock.advance(1)
    expect(reading.types()).toEqual(['synced', 'stale', 'synced'])
  })

  test('is none as long as nobody has ever written a heartbeat, or nobody does any more', async () => {
    const server = new Server([])
    await using reading = read(server)
    await reading.clock.advance(600_000)
    expect(reading.types()).toEqual(['synced'])
    server.beat()
    await reading.clock.advance(600_000)
    expect(reading.types()).toEqual(['synced', 'stale', 'synced'])
  })

  test('is none while there was no connection: the wait begins with the next one', async () => {
    const server = new Server([])
    await using reading = read(server)
    server.beat()
    await reading.clock.advance(0)
    server.isDown = true
    await reading.clock.advance(30_000)
    server.isDown = false
    await reading.clock.advance(10_000)
    server.beat()
    await reading.clock.advance(1_000)
    expect(reading.types().filter((type) => type === 'synced')).toHaveLength(1)
  })
})

describe('how often it asks', () => {
  test('a watch that the server ends after a while is resumed at once', async () => {
    const server = new Server([])
    server.endsAfter = 2_000
    await using reading = read(server)
    await reading.clock.advance(20_100)
    expect(server.watches).toBe(11)
  })

  test('a server that asks to be left alone is', async () => {
    const server = new Server([])
    server.isDown = true
    server.retryAfter = 5_000
    await using reading = read(server)
    await reading.clock.advance(20_000)
    expect(server.lists).toBeLessThanOrEqual(5)
  })
})

/** Not a store: a log that is told from any version on, and breaks where a test says so. */
class Server implements Source<Thing> {
  isMute = false
  endsAfter = Number.POSITIVE_INFINITY
  retryAfter: number | undefined
  listTakes = 0
  lists = 0
  watches = 0
  readonly clock = fakeClock()
  readonly #faults: Fault[]
  readonly #log: (Change | 'heartbeat')[] = []
  #isDown = false
  #news = Promise.withResolvers<void>()

  constructor(faults: readonly Fault[]) {
    this.#faults = [...faults]
  }

  set isDown(isDown: boolean) {
    this.#isDown = isDown
    this.#ring()
  }

  write(change: Change): void {
    this.#log.push(change)
    this.#ring()
  }

  beat(): void {
    this.#log.push('heartbeat')
    this.#ring()
  }

  /** By name, the version that a reader should hold. */
  present(): ReadonlyMap<string, number> {
    const present = new Map<string, number>()
    for (const [index, change] of this.#log.entries()) {
      if (change === 'heartbeat') continue
      if (change.does === 'write') present.set(change.name, index + 1)
      else present.delete(change.name)
    }
    return present
  }

  written(): readonly number[] {
    return this.#log.flatMap((change, index) => (change !== 'heartbeat' && change.does === 'write' ? [index + 1] : []))
  }

  async list() {
    this.lists += 1
    if (this.listTakes > 0) await sleep(this.clock, this.listTakes, new AbortController().signal)
    if (this.#isDown) throw this.#unavailable()
    const items = [...this.present()].map(([name, turn]) => thing(name, turn, this.#bornAt(name, turn)))
    return { items, resourceVersion: versionOf(this.#log.length) }
  }

  async *watch(from: ResourceVersion, signal: AbortSignal): AsyncGenerator<WatchEvent<Thing>, void, void> {
    this.watches += 1
    const fault = this.#faults.shift()
    const ending = new AbortController()
    using _ = Number.isFinite(this.endsAfter) ? this.clock.after(this.endsAfter, () => ending.abort()) : undefined
    const over = AbortSignal.any([signal, ending.signal])
    for (let version = Number(from) + 1, told = 0; ; version += 1, told += 1) {
      if (fault && told >= fault.after) return end(fault)
      if (!(await this.#has(version, over))) return
      yield this.#event(version)
    }
  }

  /** Once there is that version; `false`: the watch is over. */
  async #has(version: number, over: AbortSignal): Promise<boolean> {
    while (version > this.#log.length || this.isMute) {
      if (this.#isDown) throw this.#unavailable()
      if (over.aborted) return false
      await this.#quiet(over)
    }
    return true
  }

  /** Until there is news. */
  async #quiet(over: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    over.addEventListener('abort', () => resolve(), { once: true })
    await Promise.race([promise, this.#news.promise])
  }

  #event(version: number): WatchEvent<Thing> {
    const change = this.#log[version - 1]
    const resourceVersion = versionOf(version)
    if (change === undefined || change === 'heartbeat') return { type: 'heartbeat', resourceVersion }
    const { name, does } = change
    if (does === 'spoil') return { type: 'unreadable', name: { namespace: 'team', name }, resourceVersion }
    const object = thing(name, version, this.#bornAt(name, version))
    return { type: does === 'write' ? 'modified' : 'deleted', object }
  }

  /** An object that was removed and written again is another one. */
  #bornAt(name: string, version: number): number {
    const before = this.#log.slice(0, version - 1)
    return before.findLastIndex((change) => change !== 'heartbeat' && change.name === name && change.does === 'remove')
  }

  #unavailable(): GatewayError {
    const wait = this.retryAfter === undefined ? {} : { retryAfter: this.retryAfter }
    return new GatewayError('store_unavailable', 'the server is down', wait)
  }

  #ring(): void {
    this.#news.resolve()
    this.#news = Promise.withResolvers()
  }
}

function end({ with: how }: Fault): void {
  if (how === 'loss') throw new GatewayError('store_unavailable', 'the connection is lost')
  if (how === 'expiry') throw new GatewayError('expired_version', 'too old')
}

function thing(name: string, turn: number, bornAt: number): Thing {
  // Brands of literals that no parser hands out.
  return {
    metadata: { namespace: 'team', name, uid: `${name}-${bornAt}` as Uid, resourceVersion: versionOf(turn) },
    turn,
  }
}

interface Reading extends AsyncDisposable {
  readonly clock: FakeClock
  readonly freshness: Freshness
  readonly facts: readonly Fact<Thing>[]
  types(): readonly Fact<Thing>['type'][]
}

function read(server: Server, date: Clock = server.clock): Reading {
  const ending = new AbortController()
  const { clock } = server
  const freshness = new Freshness(date)
  const facts: Fact<Thing>[] = []
  const run = async () => {
    for await (const fact of follow(server, { clock: date, freshness, signal: ending.signal })) facts.push(fact)
  }
  const running = run()
  return {
    ...{ clock, freshness, facts },
    types: () => facts.map(({ type }) => type),
    async [Symbol.asyncDispose]() {
      ending.abort()
      await running
    },
  }
}

/** As a consumer holds it, which is told of nothing that makes no sense. */
function replay(facts: readonly Fact<Thing>[]): ReadonlyMap<string, number> {
  const held = new Map<string, Thing>()
  for (const fact of facts) {
    if (fact.type === 'synced') {
      held.clear()
      for (const object of fact.objects) held.set(object.metadata.name, object)
    } else if (fact.type === 'applied') {
      const former = held.get(fact.object.metadata.name)
      expect(former?.metadata.uid ?? fact.object.metadata.uid).toBe(fact.object.metadata.uid)
      expect(former?.turn ?? 0).toBeLessThan(fact.object.turn)
      held.set(fact.object.metadata.name, fact.object)
    } else if (fact.type === 'deleted') {
      expect(held.get(fact.object.metadata.name)?.metadata.uid).toBe(fact.object.metadata.uid)
      held.delete(fact.object.metadata.name)
    }
  }
  return new Map([...held].map(([name, { turn }]) => [name, turn]))
}
