/**
 * Whatever takes access away is felt by what is open and by the next request, on every replica, within two seconds: of the fifteen peers looked at,
 * all but one authorise the handshake only.
 */
import { describe, expect, test } from 'vitest'
import { api, paths } from '#surface/urls.ts'
import type { WorkspaceRef } from '#surface/workspace-ref.ts'
import { callApi, cookieFor, modes, press, revocationBound, share, withBob } from '#test/behaviour/gateway/scene.ts'
import type { ScriptedBrowser } from '#test/support/browser-session.ts'
import { dateFollows } from '#test/support/date-follows.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { type LiveAnswer, liveRequest, plainRequest } from '#test/support/plain-request.ts'
import { openSocket, type WorkspaceSocket } from '#test/support/workspace-socket.ts'
import { createWorld, type World, type WorldOptions } from '#test/support/world.ts'
import { workspaceKind } from '#workspace/workspace.ts'

/** What somebody has open: at each replica a socket and an event stream of the app. */
interface Open {
  readonly sockets: readonly WorkspaceSocket[]
  readonly events: readonly LiveAnswer[]
}

interface Scene extends AsyncDisposable {
  readonly world: World
  readonly ref: WorkspaceRef
  readonly url: string
  readonly alice: ScriptedBrowser
  readonly bob: ScriptedBrowser
  /** As the share's record is named. */
  readonly shareName: string
  open(browser: ScriptedBrowser): Promise<Open>
  /** Of a request at each replica. */
  statuses(browser: ScriptedBrowser): Promise<readonly number[]>
}

/** Alice's workspace, shared with bob, behind two replicas. */
async function scene(options: WorldOptions): Promise<Scene> {
  await using stack = new AsyncDisposableStack()
  const world = stack.use(await createWorld(options))
  const { ref, url } = await world.workspace({ name: 'nb', owner: 'alice' })
  const [alice, bob] = await Promise.all([world.as('alice'), world.as('bob')])
  const { name: shareName } = await share(world, alice, ref, withBob)
  const other = await world.replica()
  await world.until(
    () => other.open.workspaces.directory.get(ref)?.state.phase === 'Running',
    'the other replica knows it',
  )
  for (const browser of [alice, bob]) expect((await browser.open(url)).status).toBe(200)
  const ports = [world.port, other.port]
  const running = stack.move()
  return {
    ...{ world, ref, url, alice, bob, shareName },
    async open(browser) {
      const headers = cookieFor(browser, url)
      const sockets = []
      const events = []
      for (const port of ports) {
        const socket = running.use(await openSocket(browser, url, { port }))
        expect(String(await socket.ask('hello'))).toBe('hello')
        sockets.push(socket)
        events.push(running.use(await liveRequest(`${url}events`, { port, headers })))
      }
      return { sockets, events }
    },
    statuses: (browser) =>
      Promise.all(
        ports.map(async (port) => (await plainRequest(`${url}x`, { port, headers: cookieFor(browser, url) })).status),
      ),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}

/** All of it, soon, and the sockets by a word that says why. */
async function expectEnded({ sockets, events }: Open, closed: { code: number; reason: string }): Promise<void> {
  const began = performance.now()
  for (const socket of sockets) expect(await socket.closed).toMatchObject(closed)
  for (const stream of events) await stream.ended
  expect(performance.now() - began).toBeLessThan(revocationBound)
}

const isOpen = ({ sockets, events }: Open) =>
  [...sockets, ...events].every((one) => one.isOpen()) && sockets.length + events.length === 4

const sessionEnded = { code: 1008, reason: 'session ended' }
const accessEnded = { code: 1008, reason: 'access ended' }

/** Whose streams end, whose go on, and what the next request of those gets. */
type Way = readonly [what: string, act: (s: Scene) => Promise<unknown>]

const endings: readonly Way[] = [
  [
    'her own logout',
    async ({ world, alice }) => {
      const tab = alice.tab()
      await tab.open(`${world.origin}${paths.logout}`)
      expect((await press(tab, paths.logout)).url.pathname).toBe(paths.loggedOut)
    },
  ],
  [
    'an administrator who ends her session',
    async ({ world }) => {
      const carol = await world.as('carol')
      const { sessions } = JSON.parse((await carol.fetch(world.origin + api.sessions)).body)
      const { name } = sessions.find((session: { username: string }) => session.username === 'alice')
      expect((await callApi(world, carol, 'DELETE', api.session(name))).status).toBe(204)
    },
  ],
  ['the issuer’s back channel', ({ world }) => world.identityProvider.admin.endSessions('alice')],
  ['a lock on her name', ({ world }) => world.open.identities.sessions.setLocked(['alice'])],
]

describe.each(modes)('in %s mode', (mode) => {
  test.each(endings)(
    '#48 %s closes all that alice has open on both replicas, and nothing of bob’s',
    async (_what, act) => {
      await using s = await scene({ mode })
      const [alices, bobs] = [await s.open(s.alice), await s.open(s.bob)]
      const cookies = cookieFor(s.alice, s.url)
      await act(s)
      await expectEnded(alices, sessionEnded)
      const again = await plainRequest(s.url, { headers: cookies })
      expect(again.status).toBe(401)
      expect(await s.statuses(s.alice)).toEqual([401, 401])
      expect(isOpen(bobs)).toBe(true)
      expect(await s.statuses(s.bob)).toEqual([200, 200])
    },
  )

  test('#48 a share that is taken back closes all that bob has open on both replicas, and nothing of alice’s', async () => {
    await using s = await scene({ mode })
    const [alices, bobs] = [await s.open(s.alice), await s.open(s.bob)]
    expect((await callApi(s.world, s.alice, 'DELETE', api.share(s.ref, s.shareName))).status).toBe(204)
    await expectEnded(bobs, accessEnded)
    expect(await s.statuses(s.bob)).toEqual([403, 403])
    expect(isOpen(alices)).toBe(true)
    expect(await s.statuses(s.alice)).toEqual([200, 200])
  })

  test('#48 a stop, and a deletion, close what everybody has open on both replicas', async () => {
    await using s = await scene({ mode })
    const [alices, bobs] = [await s.open(s.alice), await s.open(s.bob)]
    expect((await callApi(s.world, s.alice, 'POST', api.stop(s.ref))).status).toBe(202)
    for (const open of [alices, bobs]) await expectEnded(open, { code: 1001, reason: 'workspace stopping' })
    expect(await s.statuses(s.alice)).toEqual([424, 424])

    await using t = await scene({ mode })
    const open = [await t.open(t.alice), await t.open(t.bob)]
    await t.world.resources.delete(workspaceKind, t.ref)
    for (const one of open) await expectEnded(one, { code: 1001, reason: 'workspace deleted' })
    expect(await t.statuses(t.alice)).toEqual([403, 403])
  })
})

test('#48 a group that is lost at the issuer is lost here at the next renewal, on both replicas', async () => {
  const clock = fakeClock()
  using _ = dateFollows(clock)
  await using s = await scene({ clock })
  await share(s.world, s.alice, s.ref, { grantees: [{ kind: 'Group', name: 'ds' }] })
  const dave = await s.world.as('dave')
  expect((await dave.open(s.url)).status).toBe(200)
  const [alices, daves] = [await s.open(s.alice), await s.open(dave)]
  s.world.identityProvider.admin.setGroups('dave', ['qa'])
  await clock.advance(50 * 60_000)
  // No request of his: what he has open asks for the renewal.
  await expectEnded(daves, accessEnded)
  expect(await s.statuses(dave)).toEqual([403, 403])
  expect(isOpen(alices)).toBe(true)
})

test('#48 event streams of the console end with the session, on both replicas', async () => {
  await using world = await createWorld()
  const { ref } = await world.workspace({ name: 'nb', owner: 'alice' })
  const alice = await world.as('alice')
  const other = await world.replica()
  await world.until(() => other.open.workspaces.directory.get(ref) !== undefined, 'the other replica knows it')
  const url = `${world.origin}${api.events(ref)}`
  const headers = cookieFor(alice, url)
  const streams: LiveAnswer[] = []
  for (const port of [world.port, other.port]) streams.push(await liveRequest(url, { port, headers }))
  await world.until(() => streams.every((stream) => stream.text() !== ''), 'both have said something')
  await world.identityProvider.admin.endSessions('alice')
  const began = performance.now()
  for (const stream of streams) await stream.ended
  expect(performance.now() - began).toBeLessThan(revocationBound)
  for (const port of [world.port, other.port]) expect((await plainRequest(url, { port, headers })).status).toBe(401)
})
