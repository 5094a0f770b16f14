/** A share is used after it was taken back or has run out, or for another workspace of the same name. It is no link: who has its name has nothing. */
import { expect, test } from 'vitest'
import { api, sharePath } from '#surface/urls.ts'
import { callApi, share, withBob } from '#test/behaviour/gateway/scene.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { createWorld } from '#test/support/world.ts'
import { workspaceKind } from '#workspace/workspace.ts'

const day = 86_400_000

test('#53 neither after it was taken back, nor after it has run out', async () => {
  const clock = fakeClock(Date.now())
  await using world = await createWorld({ clock })
  const { ref, url, app } = await world.workspace({ name: 'nb', owner: 'alice' })
  const [alice, bob] = await Promise.all([world.as('alice'), world.as('bob')])
  const first = await share(world, alice, ref, withBob)
  expect((await bob.open(url)).status).toBe(200)
  await callApi(world, alice, 'DELETE', api.share(ref, first.name))
  expect((await bob.open(url)).status).toBe(403)
  await share(world, alice, ref, { ...withBob, expiresAt: new Date(clock.now() + 60_000).toISOString() })
  expect((await bob.open(url)).status).toBe(200)
  await clock.advance(60_000)
  expect((await bob.open(url)).status).toBe(403)
  const past = { ...withBob, access: 'connect', expiresAt: new Date(clock.now() - day).toISOString() }
  expect((await callApi(world, alice, 'POST', api.shares(ref), past)).status).toBe(422)
  expect(app.requests).toHaveLength(2)
})

test('#53 nor by who learns its name or the address where it was made: it names its people', async () => {
  await using world = await createWorld()
  const { ref, url, app } = await world.workspace({ name: 'nb', owner: 'alice' })
  const [alice, dave] = await Promise.all([world.as('alice'), world.as('dave')])
  const { name } = await share(world, alice, ref, withBob)
  for (const query of [`?share=${name}`, `?token=${name}`, `#${name}`]) {
    expect((await dave.open(url + query)).status, query).toBe(403)
  }
  expect((await dave.open(world.origin + sharePath(ref))).status).toBe(404)
  expect((await callApi(world, dave, 'POST', api.share(ref, name))).status).toBe(405)
  expect(app.bytes()).toBe(0)
})

test('#53 nor for a workspace that was made again under the name', async () => {
  await using world = await createWorld()
  const { ref, url } = await world.workspace({ name: 'nb', owner: 'alice' })
  const [alice, bob] = await Promise.all([world.as('alice'), world.as('bob')])
  await share(world, alice, ref, withBob)
  expect((await bob.open(url)).status).toBe(200)
  await world.resources.delete(workspaceKind, ref)
  await world.until(() => world.open.workspaces.directory.get(ref) === undefined, 'it is gone')
  const again = await world.workspace({ name: 'nb', owner: 'alice' })
  expect((await bob.open(again.url)).status).toBe(403)
  expect((await alice.open(again.url)).url.href).toBe(url)
  expect(again.app.requests).toHaveLength(1)
})
