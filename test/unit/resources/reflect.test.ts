import { describe, expect, test } from 'vitest'
import { GatewayError } from '#errors.ts'
import type { NewResource, Resources } from '#resources/contract.ts'
import { type Reflected, reflect } from '#resources/reflect.ts'
import { nameOf, newWorkspace } from '#test/behaviour/resources/samples.ts'
import { type FakeClock, fakeClock } from '#test/support/fake-clock.ts'
import { type Workspace, workspaceKind } from '#workspace/workspace.ts'
import { type Faults, type FaultyResources, faultyResources } from './faulty-resources.ts'
import { storeWorld } from './store-world.ts'

const lost = () => new GatewayError('store_unavailable', 'the connection is lost')

describe('what the consumer sees', () => {
  test('first everything, then each change', async () => {
    await using world = await reflectWorld({})
    const before = await world.create()
    world.start()
    await world.settle()
    const after = await world.create()
    const patched = await world.resources.patchSpec(workspaceKind, nameOf(after), { image: 'x' })
    await world.resources.delete(workspaceKind, nameOf(before))
    await world.settle()
    expect(world.seen).toMatchObject([
      { type: 'synced', objects: [before] },
      { type: 'applied', object: after },
      { type: 'applied', object: patched },
      { type: 'deleted', object: { metadata: { uid: before.metadata.uid } } },
    ])
  })

  test('of one namespace, if asked so', async () => {
    await using world = await reflectWorld({})
    world.start('team-b')
    await world.create()
    const mine = await world.create({ namespace: 'team-b' })
    await world.settle()
    expect(world.seen).toMatchObject([
      { type: 'synced', objects: [] },
      { type: 'applied', object: mine },
    ])
  })

  test('after a lost connection: that it is stale, then what it missed, and nothing twice', async () => {
    const faults: Faults = { watch: () => ({ afterEvents: 1, error: lost() }) }
    await using world = await reflectWorld(faults)
    world.start()
    await world.settle()
    const first = await world.create()
    await world.settle()
    faults.watch = () => undefined
    const missed = await world.create()
    await world.clock.advance(100)
    expect(world.seen.map(kindOfFact)).toEqual(['synced', 'applied', 'stale', 'applied'])
    expect(world.interruptions).toEqual(['Workspace'])
    expect(world.objects()).toEqual([first, missed])
    expect(world.resources.watchedFrom[1]).toBe(first.metadata.resourceVersion)
    expect(world.resources.lists).toBe(1)
  })

  test('a list that fails is tried again, and nothing is said to be known before', async () => {
    const faults: Faults = { list: lost }
    await using world = await reflectWorld(faults)
    const created = await world.create()
    world.start()
    await world.settle()
    expect(world.seen.map(kindOfFact)).toEqual(['stale'])
    delete faults.list
    await world.clock.advance(100)
    expect(world.seen).toMatchObject([{ type: 'stale' }, { type: 'synced', objects: [created] }])
  })

  test('after an expired version: everything again', async () => {
    const faults: Faults = {}
    await using world = await reflectWorld(faults)
    let count = 0
    faults.watch = () => {
      count += 1
      return count === 1 ? { afterEvents: 0, error: new GatewayError('expired_version', 'too old') } : undefined
    }
    world.start()
    await world.settle()
    const created = await world.create()
    await world.clock.advance(100)
    expect(world.seen).toMatchObject([
      { type: 'synced', objects: [] },
      { type: 'stale', error: { code: 'expired_version' } },
      { type: 'synced', objects: [created] },
    ])
  })

  test('nothing at all when a watch only ends, as a server does now and then', async () => {
    const faults: Faults = { watch: () => ({ afterEvents: 1 }) }
    await using world = await reflectWorld(faults)
    world.start()
    await world.settle()
    const created = [await world.create(), await world.create(), await world.create()]
    await world.clock.advance(2_000)
    expect(world.seen.map(kindOfFact)).toEqual(['synced', 'applied', 'applied', 'applied'])
    expect(world.objects()).toEqual(created)
  })

  test('a bookmark is no fact, but where it resumes', async () => {
    await using world = await reflectWorld({ watch: () => ({ afterEvents: 1 }) })
    world.start('team-b')
    await world.settle()
    const elsewhere = await world.create()
    await world.clock.advance(61_000)
    expect(world.seen.map(kindOfFact)).toEqual(['synced'])
    expect(world.resources.watchedFrom.at(-1)).toBe(elsewhere.metadata.resourceVersion)
  })
})

describe('how often it tries', () => {
  const tenMinutes = 600_000

  test.each([
    ['fails at once', { afterEvents: 0, error: lost() }, 1],
    ['ends at once without an error', { afterEvents: 0 }, 10],
    ['expires at once', { afterEvents: 0, error: new GatewayError('expired_version', 'too old') }, 10],
  ])('a watch that %s is tried again after growing pauses of at most $2 s', async (_, fault, seconds) => {
    await using world = await reflectWorld({ watch: () => fault })
    world.start()
    await world.clock.advance(1_000)
    expect(world.resources.watchedFrom.length).toBeGreaterThan(2)
    expect(world.resources.watchedFrom.length).toBeLessThan(8)
    const before = world.resources.watchedFrom.length
    await world.clock.advance(tenMinutes)
    const tries = world.resources.watchedFrom.length - before
    expect(tries).toBeGreaterThanOrEqual(600 / seconds)
    expect(tries).toBeLessThan(1_300 / seconds)
  })

  test('an event before every failure does not make it try faster', async () => {
    const faults: Faults = { watch: () => ({ afterEvents: 1, error: lost() }) }
    await using world = await reflectWorld(faults)
    const created = await world.create()
    world.start()
    for (let turn = 0; turn < 200; turn += 1) {
      await world.resources.patchStatus(workspaceKind, nameOf(created), { turn })
    }
    await world.clock.advance(60_000)
    expect(world.resources.watchedFrom.length).toBeLessThan(130)
  })

  test('after a connection that lasted, the next pause is short again', async () => {
    const faults: Faults = { watch: () => ({ afterEvents: 0, error: lost() }) }
    await using world = await reflectWorld(faults)
    world.start()
    await world.clock.advance(60_000)
    faults.watch = () => ({ afterEvents: 1, error: lost() })
    await world.clock.advance(10_000)
    await world.clock.advance(15_000)
    await world.create()
    await world.settle()
    expect(kindOfFact(world.seen.at(-1))).toBe('stale')
    const before = world.resources.watchedFrom.length
    await world.clock.advance(100)
    expect(world.resources.watchedFrom.length).toBe(before + 1)
  })
})

describe('how it ends', () => {
  test.each([
    ['while it watches', {}],
    ['while it waits', { watch: () => ({ afterEvents: 0, error: lost() }) }],
    ['while it cannot list', { list: lost }],
  ])('its signal ends it without an error, %s', async (_, faults) => {
    await using world = await reflectWorld(faults)
    world.start()
    await world.settle()
    world.stop()
    await expect(world.ended()).resolves.toBeUndefined()
    expect(world.resources.openWatches).toBe(0)
  })

  test('with a signal that is aborted already it asks for nothing', async () => {
    await using world = await reflectWorld({})
    world.stop()
    world.start()
    await world.ended()
    expect(world.resources.lists).toBe(0)
  })

  test('a consumer that leaves the loop closes the watch', async () => {
    await using world = await reflectWorld({})
    const { clock } = world
    const { signal } = new AbortController()
    const leave = async () => {
      for await (const fact of reflect(world.resources, workspaceKind, { clock, signal })) {
        if (fact.type === 'applied') return
      }
    }
    const left = leave()
    await world.settle()
    expect(world.resources.openWatches).toBe(1)
    await world.create()
    await left
    expect(world.resources.openWatches).toBe(0)
  })
})

interface ReflectWorld extends AsyncDisposable {
  readonly clock: FakeClock
  readonly resources: FaultyResources
  readonly seen: readonly Reflected<Workspace>[]
  /** Kinds, one for each interruption. */
  readonly interruptions: readonly string[]
  objects(): readonly Workspace[]
  start(namespace?: string): void
  /** Rejects when the reflection did. */
  ended(): Promise<void>
  stop(): void
  settle(): Promise<void>
  create(metadata?: Partial<NewResource<Workspace>['metadata']>): Promise<Workspace>
}

async function reflectWorld(faults: Faults): Promise<ReflectWorld> {
  const clock = fakeClock()
  const world = await storeWorld(clock)
  const inner: Resources = world.open({ file: ':memory:' }).resources
  const resources = faultyResources(inner, faults)
  const stopping = new AbortController()
  const seen: Reflected<Workspace>[] = []
  const interruptions: string[] = []
  let running = Promise.resolve()
  const run = async (namespace?: string) => {
    const scope = namespace === undefined ? {} : { namespace }
    const onInterruption = (kind: string) => void interruptions.push(kind)
    const options = { ...scope, clock, signal: stopping.signal, onInterruption }
    for await (const fact of reflect(resources, workspaceKind, options)) seen.push(fact)
  }
  return {
    ...{ clock, resources, seen, interruptions },
    start: (namespace) => {
      running = run(namespace)
    },
    ended: () => running,
    objects: () => seen.flatMap((fact) => (fact.type === 'applied' ? [fact.object] : [])),
    stop: () => stopping.abort(),
    settle: () => clock.advance(0),
    create: (metadata) => inner.create(workspaceKind, newWorkspace(metadata)),
    async [Symbol.asyncDispose]() {
      stopping.abort()
      await running
      await world[Symbol.asyncDispose]()
    },
  }
}

function kindOfFact(fact: Reflected<Workspace> | undefined): string | undefined {
  return fact?.type
}
