import { expect, test, vi } from 'vitest'
import { systemClock } from '#lib/clock.ts'
import { isJsonObject } from '#lib/merge-patch.ts'
import type { Resource, ResourceKind, Resources } from '#resources/contract.ts'
import type { Fact } from '#resources/follow.ts'
import { Freshness } from '#resources/freshness.ts'
import { type ApiClient, openApiClient } from '#resources/kubernetes/api-client.ts'
import { beat } from '#resources/kubernetes/heartbeat.ts'
import { kubernetesResources } from '#resources/kubernetes/kubernetes-resources.ts'
import type { WireForm } from '#resources/kubernetes/wire-form.ts'
import { reflect } from '#resources/reflect.ts'
import { openNamespace } from '#test/support/cluster.ts'
import { type FaultProxy, faultProxy } from '#test/support/fault-proxy.ts'
import { describeAtOnceWith } from '#test/support/real-parts.ts'

/** Real objects that every cluster has, so that no custom resource is needed. The `spec` is their data. */
type Note = Resource<Readonly<Record<string, unknown>>, undefined>

const noteKind: ResourceKind<Note> = {
  ...{ group: '', version: 'v1', kind: 'ConfigMap', plural: 'configmaps' },
  parseSpec(value) {
    const spec = isJsonObject(value) ? value : {}
    if (spec.bad !== undefined) throw new Error('it is bad')
    return spec
  },
  parseStatus: () => undefined,
}

describeAtOnceWith('cluster', 'a reader of the API server', () => {
  test('loses no event when its watches are cut every 2 s', async () => {
    await using world = await openWorld()
    const reader = world.read()
    await reader.synced()
    await world.create('counter', { turn: '0' })
    const cutting = setInterval(() => world.proxy.cutWatches(), 2_000)
    try {
      for (let turn = 1; turn <= 60; turn += 1) {
        await world.patch('counter', { turn: String(turn) })
        await new Promise((resolve) => setTimeout(resolve, 150))
      }
    } finally {
      clearInterval(cutting)
    }
    const turns = () => reader.objects('counter').map(({ spec }) => Number(spec.turn))
    await vi.waitFor(() => expect(turns().at(-1)).toBe(60), { timeout: 5_000 })
    expect(turns()).toEqual(Array.from({ length: 61 }, (_, turn) => turn))
    expect(reader.count('stale')).toBeGreaterThan(2)
    expect(reader.count('synced')).toBe(1)
  }, 60_000)

  test('#83 lists again when its version has expired, and knows what it missed', async () => {
    await using world = await openWorld()
    const reader = world.read()
    await reader.synced()
    await world.create('before', {})
    {
      using _ = world.proxy.refuse(410, { which: ({ isWatch }) => isWatch })
      world.proxy.cutWatches()
      await world.create('missed', {})
      await vi.waitFor(() => expect(reader.count('synced')).toBeGreaterThan(1), { timeout: 10_000 })
    }
    await vi.waitFor(() => expect(reader.names()).toEqual(['before', 'missed']), { timeout: 10_000 })
  })

  test('#83 finds out about a watch that hangs within 15 s, and then learns what it missed', async () => {
    await using world = await openWorld()
    const reader = world.read()
    await reader.synced()
    const hole = world.proxy.blackHole()
    await world.create('missed', {})
    const began = Date.now()
    await vi.waitFor(() => expect(reader.count('stale')).toBe(1), { timeout: 20_000, interval: 50 })
    expect(Date.now() - began).toBeLessThan(15_000)
    hole[Symbol.dispose]()
    await vi.waitFor(() => expect(reader.names()).toEqual(['missed']), { timeout: 20_000 })
  }, 60_000)

  test('finds out within 15 s about a watch that is open but brings nothing, by the heartbeat that is missing', async () => {
    await using world = await openWorld()
    const reader = world.read()
    await reader.synced()
    const beating = world.beat()
    await vi.waitFor(() => expect(reader.freshness.heartbeatAwaited()).toBeDefined(), { timeout: 10_000 })
    expect(reader.names()).toEqual([])
    const muted = world.proxy.mute()
    await world.create('missed', {})
    const began = Date.now()
    await vi.waitFor(() => expect(reader.names()).toEqual(['missed']), { timeout: 20_000, interval: 50 })
    expect(Date.now() - began).toBeLessThan(16_000)
    expect(reader.count('stale')).toBe(1)
    muted[Symbol.dispose]()
    await vi.waitFor(() => expect(reader.freshness.heartbeatAwaited()).toBeDefined(), { timeout: 15_000 })
    beating[Symbol.dispose]()
  }, 60_000)

  test('has what a watch left out as soon as that breaks, from where it was before', async () => {
    await using world = await openWorld()
    const reader = world.read()
    await reader.synced()
    await world.create('before', {})
    await vi.waitFor(() => expect(reader.names()).toEqual(['before']), { timeout: 10_000 })
    const muted = world.proxy.mute()
    await world.create('missed', {})
    await new Promise((resolve) => setTimeout(resolve, 500))
    expect(reader.names()).toEqual(['before'])
    muted[Symbol.dispose]()
    await vi.waitFor(() => expect(reader.names()).toEqual(['before', 'missed']), { timeout: 5_000 })
    expect(reader.count('synced')).toBe(1)
  })

  test('is not disturbed when the last one who wrote heartbeats stops', async () => {
    await using world = await openWorld()
    const reader = world.read()
    await reader.synced()
    const beating = world.beat()
    await vi.waitFor(() => expect(reader.freshness.heartbeatAwaited()).toBeDefined(), { timeout: 10_000 })
    beating[Symbol.dispose]()
    await vi.waitFor(() => expect(reader.count('synced')).toBe(2), { timeout: 20_000 })
    await new Promise((resolve) => setTimeout(resolve, 16_000))
    expect(reader.count('synced')).toBe(2)
    expect(reader.count('stale')).toBe(1)
    expect(reader.freshness.age()).toBeLessThan(13_000)
  }, 60_000)

  test('#83 keeps what it knows through an outage of 5 s, and then has what happened meanwhile', async () => {
    await using world = await openWorld()
    const reader = world.read()
    await reader.synced()
    await world.create('kept', {})
    await world.create('removed', {})
    await vi.waitFor(() => expect(reader.names()).toEqual(['kept', 'removed']), { timeout: 5_000 })
    {
      using _ = world.proxy.outage()
      await world.remove('removed')
      await world.create('added', {})
      await new Promise((resolve) => setTimeout(resolve, 5_000))
      expect(reader.names()).toEqual(['kept', 'removed'])
      expect(reader.freshness.age()).toBeGreaterThan(4_000)
    }
    await vi.waitFor(() => expect(reader.names()).toEqual(['added', 'kept']), { timeout: 12_000 })
    expect(reader.count('synced')).toBe(1)
  }, 60_000)

  test('sees an object that becomes unreadable go, others stay, and it come back mended', async () => {
    await using world = await openWorld()
    const reader = world.read()
    await world.create('was-bad', { bad: 'x' })
    await world.create('good', { n: '1' })
    await world.create('other', {})
    await vi.waitFor(() => expect(reader.names()).toEqual(['good', 'other']), { timeout: 5_000 })
    await world.patch('good', { bad: 'x' })
    await vi.waitFor(() => expect(reader.names()).toEqual(['other']), { timeout: 5_000 })
    expect(reader.facts.at(-1)).toMatchObject({ type: 'deleted', object: { spec: { n: '1' } } })
    expect(await world.resources.get(noteKind, { namespace: world.namespace, name: 'good' })).toBeUndefined()
    const { items } = await world.resources.list(noteKind, { namespace: world.namespace })
    expect(items.map(({ metadata }) => metadata.name).filter(isOurs)).toEqual(['other'])
    expect(world.unreadable).toEqual(['was-bad: it is bad', 'good: it is bad'])
    await world.patch('good', { bad: null })
    await vi.waitFor(() => expect(reader.names()).toEqual(['good', 'other']), { timeout: 5_000 })
  })
})

describeAtOnceWith('cluster', 'a call of the API server', () => {
  test('that is put off is made again when it may be', async () => {
    await using world = await openWorld()
    using _ = once(world.proxy.refuse(429, { retryAfter: 1 }), 500)
    const began = Date.now()
    await world.client.get('/api')
    expect(Date.now() - began).toBeGreaterThanOrEqual(1_000)
  })

  test.each([
    [429, 'store_unavailable', 30],
    [500, 'store_unavailable', undefined],
    [503, 'store_unavailable', 7],
    [403, 'store_refused', undefined],
    [401, 'store_refused', undefined],
    [302, 'store_unavailable', undefined],
  ])('answered with %i is %s', async (status, code, retryAfter) => {
    await using world = await openWorld()
    using _ = world.proxy.refuse(status, retryAfter === undefined ? {} : { retryAfter })
    const wait = retryAfter === undefined ? undefined : retryAfter * 1000
    await expect(world.client.get('/api')).rejects.toMatchObject({ code, retryAfter: wait })
  })

  test('without an answer is given up in time', async () => {
    await using world = await openWorld()
    using _ = world.proxy.blackHole()
    await expect(world.client.get('/api', { within: 300 })).rejects.toMatchObject({ code: 'store_unavailable' })
  })

  test('takes as long as the network does, and no longer than asked', async () => {
    await using world = await openWorld()
    world.proxy.latency = 200
    await world.client.get('/api')
    await expect(world.client.get('/api', { within: 100 })).rejects.toMatchObject({ code: 'store_unavailable' })
  })

  test('to a server that a foreign authority vouches for is not made', async () => {
    await using world = await openWorld()
    const connection = await world.proxy.access.current()
    const access = { current: async () => ({ ...connection, tls: {} }), renew: () => undefined }
    const client = openApiClient({ access, clock: systemClock, signal: world.signal })
    await expect(client.get('/api')).rejects.toMatchObject({ code: 'store_unavailable' })
    expect(world.proxy.seen).toEqual([])
  })
})

interface Reader {
  readonly facts: readonly Fact<Note>[]
  readonly freshness: Freshness
  count(type: Fact<Note>['type']): number
  /** Every version of one object that was told of. */
  objects(name: string): readonly Note[]
  /** What there is, as far as it was told. */
  names(): readonly string[]
  synced(): Promise<void>
}

interface World extends AsyncDisposable {
  readonly proxy: FaultProxy
  readonly client: ApiClient
  readonly resources: Resources
  readonly namespace: string
  readonly signal: AbortSignal
  /** `name: reason`. */
  readonly unreadable: readonly string[]
  read(): Reader
  /** Heartbeats every second until it is disposed. */
  beat(): Disposable
  create(name: string, data: Readonly<Record<string, string>>): Promise<void>
  patch(name: string, data: Readonly<Record<string, string | null>>): Promise<void>
  remove(name: string): Promise<void>
}

/** Writes go around the proxy. */
async function openWorld(): Promise<World> {
  const ending = new AbortController()
  const { signal } = ending
  const space = await openNamespace('gh-faults')
  const proxy = await faultProxy()
  const client = openApiClient({ access: proxy.access, clock: systemClock, signal })
  const direct = openApiClient({ access: proxy.directAccess, clock: systemClock, signal })
  const unreadable: string[] = []
  const namespace = space.name
  const resources = kubernetesResources({
    client,
    keeping: new Map([[noteKind, { form: noteForm }]]),
    heartbeats: { namespace, kinds: [noteKind] },
    onUnreadable: ({ name, reason }) => void unreadable.push(`${name}: ${reason}`),
  })
  const at = (name: string) => `/api/v1/namespaces/${namespace}/configmaps/${name}`
  return {
    ...{ proxy, client, resources, namespace, signal, unreadable },
    read: () => readNotes(resources, namespace, signal),
    beat() {
      // One that is under way when the world ends is cut off.
      const lost = (error: unknown) => void (signal.aborted || unreadable.push(`heartbeat: ${error}`))
      const run = () =>
        void beat({ client: direct, namespace, clock: systemClock }, { kind: noteKind, spec: {} }).catch(lost)
      const timer = setInterval(run, 1_000)
      return { [Symbol.dispose]: () => clearInterval(timer) }
    },
    async create(name, data) {
      const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace }, data }
      await direct.post(`/api/v1/namespaces/${namespace}/configmaps`, body)
    },
    patch: async (name, data) => void (await direct.patch(at(name), 'application/merge-patch+json', { data })),
    remove: async (name) => void (await direct.delete(at(name), {})),
    async [Symbol.asyncDispose]() {
      ending.abort()
      await proxy[Symbol.asyncDispose]()
      await space[Symbol.asyncDispose]()
    },
  }
}

const noteForm: WireForm = {
  read: ({ body, metadata }) => ({ spec: body.data, status: undefined, generation: metadata.generation }),
  write: (spec) => ({ data: spec }),
  isPatchable: false,
}

function readNotes(resources: Resources, namespace: string, signal: AbortSignal): Reader {
  const facts: Fact<Note>[] = []
  const freshness = new Freshness(systemClock)
  const run = async () => {
    for await (const fact of reflect(resources, noteKind, { namespace, clock: systemClock, freshness, signal })) {
      facts.push(fact)
    }
  }
  const running = run()
  const count = (type: Fact<Note>['type']) => facts.filter((fact) => fact.type === type).length
  return {
    ...{ facts, freshness, count },
    objects: (name) =>
      facts.flatMap((fact) => (fact.type === 'applied' && fact.object.metadata.name === name ? [fact.object] : [])),
    names: () => [...present(facts)].filter(isOurs).toSorted(),
    synced: () => Promise.race([running, vi.waitFor(() => expect(count('synced')).toBe(1), { timeout: 5_000 })]),
  }
}

/** As any consumer would hold it. */
function present(facts: readonly Fact<Note>[]): ReadonlySet<string> {
  const names = new Set<string>()
  for (const fact of facts) {
    if (fact.type === 'synced') {
      names.clear()
      for (const { metadata } of fact.objects) names.add(metadata.name)
    } else if (fact.type === 'applied') names.add(fact.object.metadata.name)
    else if (fact.type === 'deleted') names.delete(fact.object.metadata.name)
  }
  return names
}

/** Kubernetes puts its authority into every namespace. */
function isOurs(name: string): boolean {
  return name !== 'kube-root-ca.crt'
}

function once(fault: Disposable, after: number): Disposable {
  const timer = setTimeout(() => fault[Symbol.dispose](), after)
  return { [Symbol.dispose]: () => clearTimeout(timer) }
}
