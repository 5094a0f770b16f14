import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, expect, test, vi } from 'vitest'
import { sessionKind } from '#identity/session-record.ts'
import { type Clock, systemClock } from '#lib/clock.ts'
import { isJsonObject } from '#lib/merge-patch.ts'
import type { Resource, ResourceKind, ResourceVersion } from '#resources/contract.ts'
import { follow } from '#resources/follow.ts'
import { Freshness } from '#resources/freshness.ts'
import { type ApiAccess, inClusterAccess, kubeconfigAccess } from '#resources/kubernetes/api-access.ts'
import { type ApiClient, openApiClient } from '#resources/kubernetes/api-client.ts'
import { beat, heartbeatName } from '#resources/kubernetes/heartbeat.ts'
import { kubernetesResources } from '#resources/kubernetes/kubernetes-resources.ts'
import { listWatch } from '#resources/kubernetes/list-watch.ts'
import type { WireObject } from '#resources/kubernetes/wire-object.ts'
import { reflect } from '#resources/reflect.ts'
import { openNamespace } from '#test/support/cluster.ts'
import { createObject, createToken, deleteObject, kubeconfigPath } from '#test/support/cluster-api.ts'
import { installCrds } from '#test/support/cluster-install.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { faultProxy } from '#test/support/fault-proxy.ts'
import { openGatewayAccount } from '#test/support/gateway-account.ts'
import { describeAtOnceWith } from '#test/support/real-parts.ts'
import { shareKind } from '#workspace/share.ts'

const configMaps = { group: '', version: 'v1', plural: 'configmaps' }

describeAtOnceWith('cluster', 'a token of a pod', () => {
  test('that is replaced in its file is used at once when the server refuses the old one', async () => {
    await using world = await openAccount()
    await world.write(await world.newToken('first'))
    expect(await world.whoAmI()).toBe(`system:serviceaccount:${world.namespace}:first`)
    const next = await world.newToken('second')
    const metadata = { namespace: world.namespace, name: 'first' }
    await deleteObject({ apiVersion: 'v1', kind: 'ServiceAccount', metadata })
    await world.write(next)
    await vi.waitFor(async () => expect(await world.whoAmI()).toContain(':second'), { timeout: 15_000 })
    // Frozen: it was not the time that made it read again.
    expect(world.clock.now()).toBe(world.began)
  }, 30_000)

  test('that is replaced is used within 10 s, though the old one is still good', async () => {
    await using world = await openAccount()
    await world.write(await world.newToken('first'))
    expect(await world.whoAmI()).toContain(':first')
    await world.write(await world.newToken('second'))
    expect(await world.whoAmI()).toContain(':first')
    await world.clock.advance(10_000)
    expect(await world.whoAmI()).toContain(':second')
  }, 30_000)
})

describeAtOnceWith('cluster', 'a list', () => {
  test('of more than a page is whole, also when its pages expire on the way', async () => {
    await using world = await openWorld()
    await world.createMaps(1_100)
    const source = world.mapsThrough(world.client)
    const listing = await source.list(world.signal)
    expect(new Set(listing.items.map(({ metadata }) => metadata.name)).size).toBe(1_100)
    const asked = () => world.proxy.seen.filter(({ path }) => path.endsWith('/configmaps')).length
    expect(asked()).toBe(3)
    let refusals = 0
    using _ = world.proxy.refuse(410, { which: ({ query }) => query.has('continue') && refusals++ === 0 })
    expect((await source.list(world.signal)).items).toHaveLength(1_100)
    expect(asked()).toBe(3 + 2 + 3)
  }, 60_000)

  test('of objects that make its pages too long is asked for in smaller ones', async () => {
    await using world = await openWorld()
    await world.createMaps(80, 'x'.repeat(900_000))
    const { items } = await world.mapsThrough(world.client).list(world.signal)
    expect(items).toHaveLength(80)
  }, 120_000)

  test('of metadata alone holds nothing else', async () => {
    await using world = await openWorld()
    await world.createMaps(2)
    const parse = ({ metadata, body }: WireObject) => ({ metadata, fields: Object.keys(body).toSorted() })
    const options = {
      client: world.client,
      namespace: world.namespace,
      labelSelector: 'test=yes',
      onUnreadable: fail,
    }
    const source = listWatch({ ...options, type: configMaps, form: 'metadata', parse })
    const { items, resourceVersion } = await source.list(world.signal)
    expect(items.map(({ fields }) => fields)).toEqual(Array(2).fill(['apiVersion', 'kind', 'metadata']))
    await world.createMaps(3)
    for await (const event of source.watch(resourceVersion, world.signal)) {
      if (!('object' in event)) continue
      expect(event).toMatchObject({ type: 'added', object: { metadata: { name: 'm-2' } } })
      expect(event.object.fields).not.toContain('data')
      break
    }
  })
})

describeAtOnceWith('cluster', 'a watch', () => {
  test('from a version that is long gone says that it has expired', async () => {
    await using world = await openWorld()
    const watch = world.mapsThrough(world.client).watch('1' as ResourceVersion, world.signal)
    await expect(Array.fromAsync(watch)).rejects.toMatchObject({ code: 'expired_version' })
  })

  test('that nothing happens to proves every ten seconds or so that nothing has happened', async () => {
    await using world = await openWorld()
    const freshness = new Freshness(systemClock)
    const ages: number[] = []
    const facts = follow(world.mapsThrough(world.client), { clock: systemClock, freshness, signal: world.signal })
    await facts.next()
    const following = facts.next()
    for (let second = 0; second < 25; second += 1) {
      await new Promise((resolve) => setTimeout(resolve, 1_000))
      ages.push(freshness.age())
    }
    expect(Math.max(...ages)).toBeLessThan(12_000)
    expect(world.proxy.seen.filter(({ isWatch }) => isWatch).length).toBeLessThanOrEqual(4)
    world.end()
    expect(await following).toEqual({ done: true, value: undefined })
  }, 60_000)
})

describeAtOnceWith('cluster', "a heartbeat, written with the gateway's own rights", () => {
  beforeAll(() => installCrds())

  const nobody = {
    workspaces: [{ name: heartbeatName }],
    grantees: [{ kind: 'User', name: 'nobody' }],
    expiresAt: '1970-01-01T00:00:00Z',
  }
  const long = '1970-01-01T00:00:00Z'
  const over = {
    kind: 'cli',
    issuer: 'none',
    subject: 'none',
    username: 'nobody',
    uid: 'none',
    groups: [],
    createdAt: long,
    expiresAt: long,
    notAfter: long,
  }

  test.each<[ResourceKind<Resource>, object]>([
    [shareKind, nobody],
    [sessionKind, over],
  ])('is noticed and handed to nobody', async (kind, spec) => {
    await using world = await openWorld()
    await using account = await openGatewayAccount(world.namespace)
    const clock = systemClock
    const { namespace, signal } = world
    const client = openApiClient({ access: kubeconfigAccess({ file: account.kubeconfig, clock }), clock, signal })
    const heartbeats = { namespace, kinds: [shareKind, sessionKind] }
    const resources = kubernetesResources({ client, heartbeats, onUnreadable: fail })
    const freshness = new Freshness(clock)
    const facts = reflect(resources, kind, { namespace, clock, freshness, signal })
    expect(await facts.next()).toMatchObject({ value: { type: 'synced', objects: [] } })
    const next = facts.next()
    await beat({ client, namespace, clock }, { kind, spec })
    await beat({ client, namespace, clock }, { kind, spec })
    await vi.waitFor(() => expect(freshness.heartbeatAwaited()).toBeDefined(), { timeout: 5_000 })
    expect((await resources.list(kind, { namespace })).items).toEqual([])
    world.end()
    expect(await next).toEqual({ done: true, value: undefined })
  })

  test('is noticed where Gatehouse may see some namespaces alone, and its own is none of them', async () => {
    await using world = await openWorld()
    const elsewhere = await openNamespace('gh-own')
    await using _ = elsewhere
    const { namespace, client, signal } = world
    const heartbeats = { namespace: elsewhere.name, kinds: [shareKind] }
    const resources = kubernetesResources({ client, namespaces: [namespace], heartbeats, onUnreadable: fail })
    const freshness = new Freshness(systemClock)
    const facts = reflect(resources, shareKind, { clock: systemClock, freshness, signal })
    expect(await facts.next()).toMatchObject({ value: { type: 'synced', objects: [] } })
    const next = facts.next()
    const place = { client, namespace: elsewhere.name, clock: systemClock }
    await beat(place, { kind: shareKind, spec: nobody })
    await beat(place, { kind: shareKind, spec: nobody })
    await vi.waitFor(() => expect(freshness.heartbeatAwaited()).toBeDefined(), { timeout: 5_000 })
    // Nothing else of that namespace is seen.
    const made = (of: string, name: string) =>
      resources.create(shareKind, { metadata: { namespace: of, name }, spec: shareKind.parseSpec(nobody) })
    await made(elsewhere.name, 'not-ours')
    await made(namespace, 'a-share')
    expect(await next).toMatchObject({ value: { type: 'applied', object: { metadata: { name: 'a-share' } } } })
    world.end()
  })

  test("is no share to another gateway of the cluster either, and no sign of that one's own", async () => {
    await using world = await openWorld()
    const { namespace, client, signal } = world
    const heartbeats = { namespace: 'elsewhere', kinds: [shareKind] }
    const resources = kubernetesResources({ client, heartbeats, onUnreadable: fail })
    const freshness = new Freshness(systemClock)
    const facts = reflect(resources, shareKind, { namespace, clock: systemClock, freshness, signal })
    await beat({ client, namespace, clock: systemClock }, { kind: shareKind, spec: nobody })
    expect(await facts.next()).toMatchObject({ value: { type: 'synced', objects: [] } })
    const next = facts.next()
    await beat({ client, namespace, clock: systemClock }, { kind: shareKind, spec: nobody })
    const share = { metadata: { namespace, name: 'a-share' }, spec: shareKind.parseSpec(nobody) }
    await resources.create(shareKind, share)
    expect(await next).toMatchObject({ value: { type: 'applied', object: { metadata: { name: 'a-share' } } } })
    expect(freshness.heartbeatAwaited()).toBeUndefined()
    world.end()
  })
})

function fail(what: object): never {
  throw new Error(JSON.stringify(what))
}

async function openWorld() {
  const space = await openNamespace('gh-api')
  const proxy = await faultProxy()
  const ending = new AbortController()
  const { signal } = ending
  const open = (access: ApiAccess) => openApiClient({ access, clock: systemClock, signal })
  const [client, direct] = [open(proxy.access), open(proxy.directAccess)]
  const namespace = space.name
  const create = async (index: number, text: string) => {
    const metadata = { name: `m-${index}`, labels: { test: 'yes' } }
    const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { text } }
    const path = `/api/v1/namespaces/${namespace}/configmaps`
    await direct.post(path, body).catch((error: unknown) => {
      if (!(isJsonObject(error) && error.code === 'already_exists')) throw error
    })
  }
  return {
    ...{ proxy, client, namespace, signal },
    end: () => ending.abort(),
    mapsThrough: (one: ApiClient) =>
      listWatch({
        ...{ client: one, type: configMaps, namespace, labelSelector: 'test=yes', onUnreadable: fail },
        parse: ({ metadata }) => ({ metadata }),
      }),
    /** Named `m-0` and so on; those that are there stay. */
    async createMaps(count: number, text = '') {
      for (let first = 0; first < count; first += 20) {
        const some = Array.from({ length: Math.min(20, count - first) }, (_, index) => create(first + index, text))
        await Promise.all(some)
      }
    },
    async [Symbol.asyncDispose]() {
      ending.abort()
      await proxy[Symbol.asyncDispose]()
      await space[Symbol.asyncDispose]()
    },
  }
}

/** The folder of a pod's account, with tokens of accounts of the test. */
async function openAccount() {
  const space = await openNamespace('gh-account')
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-account-'))
  const ending = new AbortController()
  const clock = fakeClock()
  const { origin, tls } = await kubeconfigAccess({ file: kubeconfigPath(), clock }).current()
  const { hostname: host, port } = new URL(origin)
  await writeFile(join(folder, 'ca.crt'), tls.ca ?? '')
  // The client waits by real time; only what was read is looked at by the test's.
  const waiting: Clock = systemClock
  const client = openApiClient({
    access: inClusterAccess({ host, port, folder, clock }),
    clock: waiting,
    signal: ending.signal,
  })
  return {
    ...{ clock, began: clock.now(), namespace: space.name },
    write: (token: string) => writeFile(join(folder, 'token'), token),
    async newToken(account: string) {
      const metadata = { namespace: space.name, name: account }
      await createObject({ apiVersion: 'v1', kind: 'ServiceAccount', metadata })
      return createToken(metadata)
    },
    async whoAmI(): Promise<string> {
      const kind = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' }
      const answer = await client.post('/apis/authentication.k8s.io/v1/selfsubjectreviews', kind)
      const status = isJsonObject(answer) && isJsonObject(answer.status) ? answer.status : {}
      return isJsonObject(status.userInfo) ? String(status.userInfo.username) : ''
    },
    async [Symbol.asyncDispose]() {
      ending.abort()
      await rm(folder, { recursive: true, force: true })
      await space[Symbol.asyncDispose]()
    },
  }
}
