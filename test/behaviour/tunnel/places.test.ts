import { describe, expect, test } from 'vitest'
import { oneTimeKind } from '#identity/one-time-record.ts'
import type { Resources } from '#resources/contract.ts'
import type { Settings } from '#settings/settings.ts'
import { dateFollows } from '#test/support/date-follows.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { type FaultyResources, faultyResources } from '#test/support/faulty-resources.ts'
import { type OpenTunnel, type TunnelAsked, type TunnelScene, tunnelScene } from '#test/support/tunnel-scene.ts'
import { silence } from '#workspace/slot-holders.ts'
import { renewEvery } from '#workspace/slots.ts'
import { shareFor } from './shares.ts'

const bounds = { port: undefined, idle: undefined, max: undefined, minMemory: undefined }

function atMost(maxPerWorkspace: number | undefined, maxPerUser: number | undefined) {
  const connections = [{ ...bounds, pattern: '*', maxPerWorkspace, maxPerUser }]
  return (of: Settings): Settings => ({ ...of, connections })
}

async function openMany(scene: TunnelScene, bearer: string, count: number, port?: number): Promise<OpenTunnel[]> {
  const all = Array.from({ length: count }, () => scene.open(bearer, port === undefined ? {} : { port }))
  return Promise.all(all)
}

function leave(tunnels: readonly OpenTunnel[]): void {
  for (const tunnel of tunnels) tunnel[Symbol.dispose]()
}

/** Until it is not refused any more. */
async function opensAgain(scene: TunnelScene, bearer: string): Promise<OpenTunnel> {
  let opened: OpenTunnel | undefined
  await scene.world.until(async () => {
    const answer = await scene.ask({ bearer })
    if (answer.kind === 'open') opened = answer
    return opened !== undefined
  }, 'one more is let in')
  if (!opened) throw new Error('it was refused')
  return opened
}

test('#66 [SP7.6] the eleventh tunnel of a workspace is refused, over all replicas, and one person has a limit of his own; when one is closed there is room for another', async () => {
  await using scene = await tunnelScene({ authorshipOf: () => 'ManifestGranted', settings: atMost(undefined, 8) })
  await shareFor(scene, 'for-bob')
  const [alice, bob] = [await scene.bearer('alice'), await scene.bearer('bob')]
  const { port } = await scene.world.replica()
  const tunnels = [...(await openMany(scene, bob, 2, port)), ...(await openMany(scene, alice, 8))]
  const whose = async (asked: TunnelAsked) => {
    const { status, code, headers, problem } = await scene.refused(asked)
    expect([status, code, headers['retry-after']]).toEqual([429, 'too_many_tunnels', '10'])
    return problem.detail
  }
  expect(await whose({ bearer: alice })).toBe('Yours are as many as one person may have.')
  expect(await whose({ bearer: bob })).toBe('This workspace has as many as one may have.')
  expect(await whose({ bearer: bob, port })).toBe('This workspace has as many as one may have.')
  expect(await scene.world.figure('gatehouse_limited_total', 'limit="tunnels"')).toBe(2)
  // Not one of the owner's: his may be the one that nobody else can have.
  tunnels[0]?.ws.close()
  tunnels.push(await opensAgain(scene, bob))
  expect(await whose({ bearer: bob })).toBe('This workspace has as many as one may have.')
  leave(tunnels)
})

test.each(['fails', 'hangs'] as const)(
  'places of a replica whose store %s are free again when it has been silent for a minute, and not before',
  async (how) => {
    const clock = fakeClock()
    using _ = dateFollows(clock)
    await using scene = await tunnelScene({ clock, settings: atMost(2, undefined) })
    const bearer = await scene.bearer('alice')
    const { port, store } = await replicaOf(scene)
    const tunnels = await openMany(scene, bearer, 2, port)
    for (let round = 0; round < 10; round += 1) await clock.advance(renewEvery)
    expect((await scene.refused({ bearer })).status).toBe(429)
    // From here on the other replica shows no more that it is there.
    const cut = how === 'fails' ? store.fail('create', 'delete', 'get') : store.hold('create', 'delete', 'get')
    await clock.advance(silence - renewEvery)
    expect((await scene.refused({ bearer })).status).toBe(429)
    await clock.advance(silence)
    const mine = await openMany(scene, bearer, 2)
    expect((await scene.refused({ bearer })).status).toBe(429)

    // It comes back, and finds its places taken.
    cut[Symbol.dispose]()
    await clock.advance(renewEvery)
    for (const tunnel of tunnels)
      expect(await tunnel.closed).toMatchObject({ code: 1013, reason: 'its place is taken' })
    for (const tunnel of mine) expect(tunnel.ws.readyState).toBe(tunnel.ws.OPEN)
    leave(mine)
  },
)

test('while the store is away nobody is let in, and who is in stays', async () => {
  await using scene = await tunnelScene()
  const bearer = await scene.bearer('alice')
  const { port, store } = await replicaOf(scene)
  using tunnel = await scene.open(bearer, { port })
  using _ = store.fail('create')
  expect(await scene.refused({ bearer, port })).toMatchObject({ status: 503, code: 'store_unavailable' })
  expect(tunnel.ws.readyState).toBe(tunnel.ws.OPEN)
})

describe.each(['the same replica, at once', 'any replica, when that one renews what it has'] as const)(
  'a place that somebody has had is free for %s',
  (whose) => {
    const setUp = async () => {
      await using opened = new AsyncDisposableStack()
      const clock = fakeClock()
      opened.use(dateFollows(clock))
      const scene = opened.use(await tunnelScene({ clock, settings: atMost(undefined, 1) }))
      const bearer = await scene.bearer('alice')
      const { port, store } = await replicaOf(scene)
      const opensOnceMore = async () => {
        if (whose === 'the same replica, at once') return scene.open(bearer, { port })
        await clock.advance(renewEvery)
        return scene.open(bearer)
      }
      const running = opened.move()
      const end = () => running.disposeAsync()
      return { scene, bearer, port, store, opensOnceMore, [Symbol.asyncDispose]: end }
    }

    test('when its deletion failed', async () => {
      await using all = await setUp()
      const tunnel = await all.scene.open(all.bearer, { port: all.port })
      const before = all.store.calls('delete')
      const cut = all.store.fail('delete')
      tunnel.ws.close()
      await all.scene.world.until(() => all.store.calls('delete') >= before + 2, 'it was to be given back')
      cut[Symbol.dispose]()
      using _ = await all.opensOnceMore()
    })

    test('when nobody heard that it was created', async () => {
      await using all = await setUp()
      const { world } = all.scene
      const tunnel = await all.scene.open(all.bearer, { port: all.port })
      tunnel.ws.close()
      const places = async () => {
        const { items } = await world.resources.list(oneTimeKind, { namespace: 'gatehouse' })
        return items.filter(({ spec }) => spec.purpose === 'slot').length
      }
      await world.until(async () => (await places()) === 0, 'it is given back')
      const cut = all.store.loseAnswers('create')
      expect((await all.scene.refused({ bearer: all.bearer, port: all.port })).status).toBe(503)
      expect(await places()).toBe(1)
      cut[Symbol.dispose]()
      using _ = await all.opensOnceMore()
    })
  },
)

test('a page that opens a dozen connections over a forwarded port leaves SSH its places', async () => {
  await using scene = await tunnelScene()
  const bearer = await scene.bearer('alice')
  const query = { type: 'port-forward', port: '9000' }
  const page = await Promise.all(Array.from({ length: 12 }, () => scene.open(bearer, { query })))
  for (const { ws } of page) ws.send(Buffer.from('GET /'))
  await scene.world.until(() => page.every(({ received }) => received().toString() === 'GET /'), 'all are answered')
  using _ = await scene.open(bearer)
  leave(page)
})

test('kinds that settings bound apart are counted apart', async () => {
  const few = { ...bounds, pattern: 'vscode-remote', maxPerWorkspace: 1, maxPerUser: 1 }
  const many = { ...bounds, pattern: '*', maxPerWorkspace: undefined, maxPerUser: undefined }
  const clock = fakeClock()
  using _ = dateFollows(clock)
  await using scene = await tunnelScene({ clock, settings: (of) => ({ ...of, connections: [few, many] }) })
  const bearer = await scene.bearer('alice')
  const ide = { bearer, query: { type: 'vscode-remote' } }
  using _ide = await scene.open(bearer, ide)
  expect((await scene.refused(ide)).status).toBe(429)
  leave(await openMany(scene, bearer, 10))
})

test('others leave the owner of a workspace one of its places, unless it has only one', async () => {
  const clock = fakeClock()
  using _ = dateFollows(clock)
  const options = { clock, authorshipOf: () => 'ManifestGranted' as const }
  await using scene = await tunnelScene({ ...options, settings: atMost(3, undefined) })
  await shareFor(scene, 'for-bob')
  const [alice, bob] = [await scene.bearer('alice'), await scene.bearer('bob')]
  const tunnels = await openMany(scene, bob, 2)
  expect((await scene.refused({ bearer: bob })).status).toBe(429)
  using _hers = await scene.open(alice)
  expect((await scene.refused({ bearer: alice })).status).toBe(429)
  leave(tunnels)

  await using small = await tunnelScene({ ...options, settings: atMost(1, undefined) })
  await shareFor(small, 'for-bob')
  using _his = await small.open(await small.bearer('bob'))
})

/** One more gateway, whose way to the store can be broken. */
async function replicaOf({ world }: TunnelScene) {
  const stores: FaultyResources[] = []
  const resources = (shared: Resources) => {
    const store = faultyResources(shared)
    stores.push(store)
    return store
  }
  const { port } = await world.replica({ resources })
  const [store] = stores
  if (!store) throw new Error('the replica has no store')
  return { port, store }
}
