/** Two gateways with managers of their own on one store: each serves its own workspaces alone, and a workspace may go over. */
import { expect, test } from 'vitest'
import { freePort } from '#test/support/free-port.ts'
import { managing } from '#test/support/managed.ts'
import { plainRequest } from '#test/support/plain-request.ts'
import { openSocket } from '#test/support/workspace-socket.ts'
import { createWorld } from '#test/support/world.ts'
import { urlOf } from '#workspace/address.ts'
import { managerKind } from '#workspace/manager.ts'
import { workspaceKind } from '#workspace/workspace.ts'

async function openScene() {
  await using stack = new AsyncDisposableStack()
  const port = await freePort()
  const world = stack.use(await createWorld({ managed: {}, otherOrigins: [`http://second.localhost:${port}`] }))
  const { spec } = await managing(world).manager()
  await world.resources.create(managerKind, {
    metadata: { namespace: 'gatehouse', name: 'second' },
    spec: { ...spec, domain: 'second.localhost' },
  })
  const second = await world.replica({
    port,
    settings: (settings) => ({
      ...settings,
      managerName: 'second',
      external: { scheme: 'http', port },
      cluster: { ...settings.cluster, servesUnclaimed: false },
    }),
  })
  await world.until(() => second.open.conditions.every((condition) => condition.isMet()), 'the second has settings')
  const running = stack.move()
  return { world, first: world.open, second: second.open, [Symbol.asyncDispose]: () => running.disposeAsync() }
}

test('each of two gateways serves the workspaces of its manager, and one of them those that name none', async () => {
  await using s = await openScene()
  const { world, first, second } = s
  const mine = await world.workspace({ name: 'mine', owner: 'alice' })
  const theirs = await world.workspace({ name: 'theirs', owner: 'alice' })
  await world.resources.patchSpec(workspaceKind, theirs.ref, { managerRef: { name: 'second' } })
  await world.until(() => second.workspaces.directory.get(theirs.ref)?.state.phase === 'Running', 'the second has it')
  expect([...first.workspaces.directory.all()].map(({ ref }) => ref.name)).toEqual(['mine'])
  expect([...second.workspaces.directory.all()].map(({ ref }) => ref.name)).toEqual(['theirs'])

  const alice = await world.as('alice')
  expect((await alice.open(mine.url)).status).toBe(200)
  expect((await alice.open(theirs.url)).status).toBe(403)
  const there = world.browser()
  await there.open(`http://second.localhost:${second.site.port}/`)
  await there.login('alice', world.identityProvider.password)
  expect((await there.open(urlOf(second.site, theirs.ref, undefined))).status).toBe(200)
  expect((await there.open(urlOf(second.site, mine.ref, undefined))).status).toBe(403)
  // A gateway knows no other one's names.
  const asked = { headers: { Host: new URL(theirs.url).host }, port: second.site.port ?? 0 }
  expect((await plainRequest(theirs.url, asked)).status).toBe(421)
})

test('a changed reference moves the route while both run: its sockets end with 1001, and its neighbours stay', async () => {
  await using s = await openScene()
  const { world, first, second } = s
  const moving = await world.workspace({ name: 'moving', owner: 'alice' })
  const staying = await world.workspace({ name: 'staying', owner: 'alice' })
  const alice = await world.as('alice')
  await alice.open(moving.url)
  await alice.open(staying.url)
  using gone = await openSocket(alice, moving.url)
  using kept = await openSocket(alice, staying.url)
  await world.resources.patchSpec(workspaceKind, moving.ref, { managerRef: { name: 'second' } })
  expect((await gone.closed).code).toBe(1001)
  expect((await alice.open(moving.url)).status).toBe(403)
  expect((await kept.ask('still there?')).toString()).toBe('still there?')

  await world.until(() => second.workspaces.directory.get(moving.ref)?.state.phase === 'Running', 'the second has it')
  const url = urlOf(second.site, moving.ref, undefined)
  const there = world.browser()
  await there.open(url)
  await there.login('alice', world.identityProvider.password)
  expect([there.page.status, there.page.url.href]).toEqual([200, url])
  using open = await openSocket(there, url)
  await world.resources.patchSpec(workspaceKind, moving.ref, { managerRef: null })
  expect((await open.closed).code).toBe(1001)
  await world.until(() => first.workspaces.directory.get(moving.ref)?.state.phase === 'Running', 'the first has it')
  expect((await alice.open(moving.url)).status).toBe(200)
})
