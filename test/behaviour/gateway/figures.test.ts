import { expect, test } from 'vitest'
import { api } from '#surface/urls.ts'
import { dateFollows } from '#test/support/date-follows.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { liveRequest, plainRequest } from '#test/support/plain-request.ts'
import { openSocket, refusedSocket } from '#test/support/workspace-socket.ts'
import { createWorld, type World } from '#test/support/world.ts'
import { workspaceKind } from '#workspace/workspace.ts'
import { operatedGateway } from './operated-gateway.ts'
import { callApi, cookieFor } from './scene.ts'

const minute = 60_000
const stopped = { desiredStatus: 'Stopped' }

function streams(world: World, kind: string): Promise<number> {
  return world.figure('gatehouse_streams', `kind="${kind}"`)
}

test('what is open is told by its kind, and no longer when it is closed', async () => {
  await using world = await createWorld()
  const { url } = await world.workspace({ name: 'nb', owner: 'alice' })
  const alice = await world.as('alice')
  await alice.open(url)
  const kinds = () => Promise.all(['http', 'event-stream', 'websocket'].map((kind) => streams(world, kind)))
  expect(await kinds()).toEqual([0, 0, 0])
  {
    using _events = await liveRequest(`${url}events`, { headers: cookieFor(alice, url) })
    using _one = await openSocket(alice, url)
    using _two = await openSocket(alice, url)
    await expect.poll(kinds).toEqual([0, 1, 2])
  }
  await expect.poll(kinds).toEqual([0, 0, 0])
})

test('workspaces are told by their phase', async () => {
  await using world = await createWorld()
  const phases = () =>
    Promise.all(
      ['Running', 'Stopped', 'Degraded'].map((phase) => world.figure('gatehouse_workspaces', `phase="${phase}"`)),
    )
  expect(await phases()).toEqual([0, 0, 0])
  await world.workspace({ name: 'a', owner: 'alice' })
  await world.workspace({ name: 'b', owner: 'alice' })
  await world.workspace({ name: 'c', owner: 'alice', spec: stopped })
  expect(await phases()).toEqual([2, 1, 0])
})

test('answers that came from a workspace are timed, refused ones are not', async () => {
  await using world = await createWorld()
  const { url } = await world.workspace({ name: 'nb', owner: 'alice' })
  const [alice, bob] = [await world.as('alice'), await world.as('bob')]
  await alice.open(url)
  await bob.open(url)
  const timed = async () => ({
    plain: await world.figure('gatehouse_answer_seconds_count', 'route="workspace"'),
    upgrade: await world.figure('gatehouse_answer_seconds_count', 'route="upgrade"'),
  })
  const before = await timed()
  for (let time = 0; time < 3; time++) await plainRequest(url, { headers: cookieFor(alice, url) })
  await plainRequest(url, { headers: cookieFor(bob, url) })
  await plainRequest(url)
  using _socket = await openSocket(alice, url)
  await refusedSocket(bob, url)
  expect(await timed()).toEqual({ plain: before.plain + 3, upgrade: before.upgrade + 1 })
})

test('starts are counted when people ask for them, by what became of it', async () => {
  await using world = await createWorld()
  const { ref } = await world.workspace({ name: 'nb', owner: 'alice', spec: stopped })
  const [alice, bob] = [await world.as('alice'), await world.as('bob')]
  const starts = async () => ({
    ok: await world.figure('gatehouse_workspace_starts_total', 'outcome="ok"'),
    refused: await world.figure('gatehouse_workspace_starts_total', 'outcome="refused"'),
  })
  expect((await callApi(world, bob, 'POST', api.start(ref))).status).toBe(404)
  expect(await starts()).toEqual({ ok: 0, refused: 1 })
  expect((await callApi(world, alice, 'POST', api.start(ref))).status).toBeLessThan(300)
  expect(await starts()).toEqual({ ok: 1, refused: 1 })
  expect((await callApi(world, alice, 'POST', api.stop(ref))).status).toBeLessThan(300)
  expect(await starts()).toEqual({ ok: 1, refused: 1 })
})

test('a watch that breaks is counted by what it watches, and goes on', async () => {
  await using gateway = await operatedGateway()
  gateway.isHeld[Symbol.dispose]()
  await expect.poll(() => gateway.gateway.workspaces.directory.isComplete).toBe(true)
  const interruptions = async (kind: string) => {
    const { body } = await plainRequest(`${gateway.operations}/metrics`)
    const series = new RegExp(`^gatehouse_watch_interruptions_total{kind="${kind}"} (\\d+)$`, 'm')
    return Number(series.exec(body)?.[1] ?? 0)
  }
  const workspace = (name: string) =>
    gateway.resources.create(workspaceKind, {
      metadata: { namespace: 'team', name },
      spec: workspaceKind.parseSpec(stopped),
    })
  expect(await interruptions('Workspace')).toBe(0)
  {
    using _broken = gateway.resources.fail('watch')
    await workspace('one')
    await expect.poll(() => interruptions('Workspace')).toBeGreaterThan(0)
  }
  await workspace('two')
  await expect.poll(() => [...gateway.gateway.workspaces.directory.all()].length).toBe(2)
  expect(await interruptions('WorkspaceShare')).toBe(0)
})

test('renewals are counted where they happen', async () => {
  const clock = fakeClock(Date.now())
  await using opened = new AsyncDisposableStack()
  opened.use(dateFollows(clock))
  const world = opened.use(await createWorld({ clock }))
  const alice = await world.as('alice')
  const renewals = (outcome: string) => world.figure('gatehouse_renewals_total', `outcome="${outcome}"`)
  await clock.advance(55 * minute)
  await alice.navigate(world.origin)
  await expect.poll(() => renewals('ok')).toBe(1)
  world.identityProvider.admin.revokeGrants('alice')
  await clock.advance(55 * minute)
  await alice.navigate(world.origin)
  await expect.poll(() => renewals('refused')).toBe(1)
  expect([await renewals('ok'), await renewals('failed')]).toEqual([1, 0])
})
