/** Whatever takes access away ends the tunnels that lean on it, at every replica, within the bound of all streams; nobody else's end with them. */
import { expect, test } from 'vitest'
import { api } from '#surface/urls.ts'
import { callApi, revocationBound } from '#test/behaviour/gateway/scene.ts'
import { dateFollows } from '#test/support/date-follows.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { type OpenTunnel, type SceneOptions, type TunnelScene, tunnelScene } from '#test/support/tunnel-scene.ts'
import { shareFor, unshare } from './shares.ts'

interface TwoReplicas extends TunnelScene {
  /** Of somebody's command line, at each replica, with a byte through it. */
  openBoth(bearer: string): Promise<readonly OpenTunnel[]>
  /** What the next one is refused with at each. */
  refusedBoth(bearer: string): Promise<readonly number[]>
}

async function twoReplicas(options: SceneOptions = {}): Promise<TwoReplicas> {
  await using stack = new AsyncDisposableStack()
  const scene = stack.use(await tunnelScene({ authorshipOf: () => 'ManifestGranted', ...options }))
  const { world, ref } = scene
  const other = await world.replica()
  const knows = () => other.open.workspaces.directory.get(ref)?.state.phase === 'Running'
  await world.until(knows, 'the other replica knows it')
  const ports = [world.port, other.port]
  const running = stack.move()
  return {
    ...scene,
    async openBoth(bearer) {
      const tunnels: OpenTunnel[] = []
      for (const port of ports) tunnels.push(running.use(await scene.open(bearer, { port })))
      for (const { ws } of tunnels) ws.send(Buffer.from('x'))
      await world.until(() => tunnels.every(({ received }) => received().length === 1), 'both lead there')
      return tunnels
    },
    async refusedBoth(bearer) {
      const answers = await Promise.all(ports.map((port) => scene.refused({ bearer, port })))
      return answers.map(({ status }) => status)
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}

async function expectEnded(tunnels: readonly OpenTunnel[], since: number, reason: string): Promise<void> {
  for (const tunnel of tunnels) {
    const closed = await tunnel.closed
    expect(closed).toMatchObject({ code: 1008, reason })
    expect(closed.at - since).toBeLessThan(revocationBound)
  }
}

const areOpen = (tunnels: readonly OpenTunnel[]) => tunnels.every(({ ws }) => ws.readyState === ws.OPEN)

type Way = readonly [what: string, act: (scene: TwoReplicas) => Promise<unknown>]

const endings: readonly Way[] = [
  ['a lock on his name', ({ world }) => world.open.identities.sessions.setLocked(['bob'])],
  ['the issuer’s back channel', ({ world }) => world.identityProvider.admin.endSessions('bob')],
  [
    'an administrator who ends his session',
    async ({ world }) => {
      const carol = await world.as('carol')
      const { sessions } = JSON.parse((await carol.fetch(world.origin + api.sessions)).body)
      const line = sessions.find(
        ({ username, kind }: { username: string; kind: string }) => username === 'bob' && kind === 'cli',
      )
      expect((await callApi(world, carol, 'DELETE', api.session(line.name))).status).toBe(204)
    },
  ],
]

test.each(endings)('#48 %s ends his tunnels at both replicas, and nobody else’s', async (_what, act) => {
  await using scene = await twoReplicas()
  await shareFor(scene, 'for-bob')
  const [hers, his] = [await scene.bearer('alice'), await scene.bearer('bob')]
  const [alices, bobs] = [await scene.openBoth(hers), await scene.openBoth(his)]
  const began = performance.now()
  await act(scene)
  await expectEnded(bobs, began, 'session ended')
  expect(await scene.refusedBoth(his)).toEqual([401, 401])
  expect(areOpen(alices)).toBe(true)
})

test('#48 a share that is taken back ends them at both replicas, and nobody else’s', async () => {
  await using scene = await twoReplicas()
  await shareFor(scene, 'for-bob')
  const [hers, his] = [await scene.bearer('alice'), await scene.bearer('bob')]
  const [alices, bobs] = [await scene.openBoth(hers), await scene.openBoth(his)]
  const began = performance.now()
  await unshare(scene, 'for-bob')
  await expectEnded(bobs, began, 'access ended')
  expect(await scene.refusedBoth(his)).toEqual([403, 403])
  expect(areOpen(alices)).toBe(true)
})

test('#48 a group that is lost at the issuer ends them at the next renewal, which they ask for themselves', async () => {
  const clock = fakeClock()
  using _ = dateFollows(clock)
  await using scene = await twoReplicas({ clock })
  const { world } = scene
  await shareFor(scene, 'for-ds', { grantees: [{ kind: 'Group', name: 'ds' }] })
  const [hers, his] = [await scene.bearer('alice'), await scene.bearer('dave')]
  const [alices, daves] = [await scene.openBoth(hers), await scene.openBoth(his)]
  world.identityProvider.admin.setGroups('dave', ['qa'])
  await clock.advance(50 * 60_000)
  await expectEnded(daves, performance.now(), 'access ended')
  expect(await scene.refusedBoth(his)).toEqual([403, 403])
  expect(areOpen(alices)).toBe(true)
})
