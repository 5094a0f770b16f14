/** One name for console and workspaces, as in upstream's layout: `routing.insecureSharedOrigin`. */
import { expect, test } from 'vitest'
import { api, paths } from '#surface/urls.ts'
import { headersOf } from '#test/support/echo-app.ts'
import { openSocket } from '#test/support/workspace-socket.ts'
import { createWorld } from '#test/support/world.ts'
import { revocationBound, share, withBob } from './scene.ts'

test('where somebody chose one name for both, login, workspaces, console and revocation work as with two', async () => {
  await using world = await createWorld({
    mode: 'path',
    settings: (settings) => ({ ...settings, routing: { mode: 'path', workspacesDomain: settings.domain } }),
  })
  const { ref, url, app } = await world.workspace({ name: 'nb', owner: 'alice' })
  expect(url).toBe(`${world.origin}/workspaces/team/nb/`)
  const bob = world.browser()
  await bob.open(`${url}lab?x=%2F`)
  expect((await bob.login('bob', world.identityProvider.password)).status).toBe(403)
  const alice = world.browser()
  await alice.open(`${url}lab?x=%2F`)
  const page = await alice.login('alice', world.identityProvider.password)
  expect([page.status, page.url.href]).toEqual([200, `${url}lab?x=%2F`])
  expect(app.requests.length).toBe(1)
  expect(app.requests.flatMap((echo) => headersOf(echo, 'cookie')).join()).not.toContain('gatehouse')

  expect((await alice.open(`${world.origin}${paths.console}`)).body).toContain('Workspaces')
  const made = await share(world, alice, ref, withBob)
  expect((await bob.open(url)).status).toBe(200)
  using his = await openSocket(bob, `${url}ws`)
  using hers = await openSocket(alice, `${url}ws`)
  const began = performance.now()
  await alice.open(`${world.origin}/`)
  const revoked = await alice.fetch(world.origin + api.share(ref, made.name), { method: 'DELETE' })
  expect(revoked.status).toBe(204)
  const { code, at } = await his.closed
  expect([code, at - began < revocationBound, hers.isOpen()]).toEqual([1008, true, true])
  expect((await bob.open(url)).status).toBe(403)
})
