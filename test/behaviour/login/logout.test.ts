import { describe, expect, test } from 'vitest'
import { api, paths } from '#surface/urls.ts'
import type { ScriptedBrowser } from '#test/support/browser-session.ts'
import { plainRequest } from '#test/support/plain-request.ts'
import { openSocket } from '#test/support/workspace-socket.ts'
import { createWorld, type World } from '#test/support/world.ts'
import { callApi, cookieFor, modes, press, revocationBound } from '../gateway/scene.ts'

const usersOf = ({ open }: World) => open.identities.sessions.find(() => true).map(({ spec }) => spec.username)

/** By the button of the console's page. */
async function logOut(world: World, browser: ScriptedBrowser) {
  await browser.open(`${world.origin}/`)
  return press(browser, paths.logout)
}

describe.each(modes)('in %s mode', (mode) => {
  test('[JK2.5] logging out ends the session here, with all that is open, and at the issuer, which asks for the password again', async () => {
    await using world = await createWorld({ mode })
    const { url } = await world.workspace({ name: 'nb', owner: 'alice' })
    const alice = await world.as('alice')
    await alice.open(url)
    using socket = await openSocket(alice, url)
    const [before, atWorkspace] = [cookieFor(alice, `${world.origin}/`), cookieFor(alice, url)]
    const began = performance.now()
    const page = await logOut(world, alice)
    expect([page.status, page.url.pathname]).toEqual([200, paths.loggedOut])
    expect(page.body).toContain('You are logged out')
    expect(alice.history.some((place) => place.origin === world.identityProvider.issuer)).toBe(true)

    const closed = await socket.closed
    expect(closed).toMatchObject({ code: 1008, reason: 'session ended' })
    expect(closed.at - began).toBeLessThan(revocationBound)
    expect((await plainRequest(world.origin + api.whoami, { headers: before })).status).toBe(401)
    expect((await plainRequest(url, { headers: atWorkspace })).status).toBe(401)
    expect(usersOf(world)).toEqual([])
    expect(world.audit).toContainEqual(expect.objectContaining({ event: 'logout', user: 'alice' }))
    await alice.open(url)
    expect(alice.page.url.origin).toBe(world.identityProvider.issuer)
    expect(alice.page.forms[0]?.fields.has('password')).toBe(true)
  })
})

test('a person is logged out in one browser and goes on in another', async () => {
  await using world = await createWorld()
  const [office, home] = [await world.as('alice'), await world.as('alice')]
  await logOut(world, office)
  expect((await home.navigate(`${world.origin}/`)).status).toBe(200)
  expect(usersOf(world)).toEqual(['alice'])
})

test('logging out works here while the issuer is away', async () => {
  await using world = await createWorld()
  const alice = await world.as('alice')
  await world.identityProvider.admin.stopListening()
  await alice.open(`${world.origin}/`)
  const page = await alice.submitOnly({}, alice.page.forms.find(({ action }) => action === paths.logout)?.id)
  expect(page.status).toBe(303)
  expect(usersOf(world)).toEqual([])
})

describe('the issuer’s back channel', () => {
  test('ends what a person has in every browser and command line, and nobody else’s', async () => {
    await using world = await createWorld()
    const { url } = await world.workspace({ name: 'nb', owner: 'alice', spec: { accessType: 'Public' } })
    const browsers = [await world.as('alice'), await world.as('alice'), await world.as('bob')]
    const sockets = []
    for (const browser of browsers) {
      await browser.open(url)
      sockets.push(await openSocket(browser, url))
    }
    const began = performance.now()
    await world.identityProvider.admin.endSessions('alice')
    for (const socket of sockets.slice(0, 2)) {
      const closed = await socket.closed
      expect(closed).toMatchObject({ code: 1008, reason: 'session ended' })
      expect(closed.at - began).toBeLessThan(revocationBound)
    }
    expect(usersOf(world)).toEqual(['bob'])
    expect(sockets[2]?.isOpen()).toBe(true)
    const ended = world.audit.filter((event) => event.event === 'session-ended')
    expect(ended).toMatchObject([
      { user: 'alice', reason: 'logged-out-at-issuer' },
      { user: 'alice', reason: 'logged-out-at-issuer' },
    ])
    for (const socket of sockets) socket[Symbol.dispose]()
  })
})

describe('a locked person', () => {
  test('is kept out by name although the issuer lets him in, and told so; others are not', async () => {
    await using world = await createWorld({ settings: (settings) => ({ ...settings, locked: ['bob'] }) })
    const bob = world.browser()
    await bob.open(`${world.origin}/`)
    const page = await bob.login('bob', world.identityProvider.password)
    expect(page.status).toBe(403)
    expect(page.body).toContain('An administrator has locked this account.')
    expect(world.audit.at(-1)).toMatchObject({ event: 'deny', reason: 'login:locked' })
    await world.as('alice')
    expect(usersOf(world)).toEqual(['alice'])
  })

  test('who was at work when he was locked is out within two seconds, and single sign-on does not bring him back', async () => {
    await using world = await createWorld()
    const { url } = await world.workspace({ name: 'nb', owner: 'bob' })
    const bob = await world.as('bob')
    await bob.open(url)
    using socket = await openSocket(bob, url)
    const began = performance.now()
    await world.open.identities.sessions.setLocked(['bob'])
    const closed = await socket.closed
    expect(closed).toMatchObject({ code: 1008 })
    expect(closed.at - began).toBeLessThan(revocationBound)
    expect((await bob.open(url)).status).toBe(403)
    expect(usersOf(world)).toEqual([])
    expect(world.audit).toContainEqual(
      expect.objectContaining({ event: 'session-ended', user: 'bob', reason: 'locked' }),
    )
  })
})

describe('one’s sessions', () => {
  test('are listed with where they are, and ended one by one; an administrator ends anybody’s', async () => {
    await using world = await createWorld()
    const [office, home, bob, carol] = [
      await world.as('alice'),
      await world.as('alice'),
      await world.as('bob'),
      await world.as('carol'),
    ]
    const list = async (browser: ScriptedBrowser) =>
      JSON.parse((await browser.fetch(world.origin + api.sessions)).body).sessions
    const seen: readonly { name: string; current: boolean; username: string; userAgent: string }[] = await list(office)
    expect(seen.map(({ username, userAgent }) => [username, userAgent])).toEqual([
      ['alice', 'ScriptedBrowser/1.0'],
      ['alice', 'ScriptedBrowser/1.0'],
    ])
    expect(seen.filter(({ current }) => current)).toHaveLength(1)
    const other = seen.find(({ current }) => !current)?.name ?? ''
    expect((await callApi(world, bob, 'DELETE', api.session(other))).status).toBe(404)
    expect((await callApi(world, office, 'DELETE', api.session(other))).status).toBe(204)
    expect((await home.fetch(world.origin + api.whoami)).status).toBe(401)
    expect(await list(office)).toHaveLength(1)
    const bobs = (await list(carol)).find((session: { username: string }) => session.username === 'bob')
    expect((await callApi(world, carol, 'DELETE', api.session(bobs.name))).status).toBe(204)
    expect((await bob.fetch(world.origin + api.whoami)).status).toBe(401)
    expect(world.audit.filter(({ event }) => event === 'session-ended')).toMatchObject([
      { user: 'alice', reason: 'revoked-by:alice' },
      { user: 'carol', reason: 'revoked-by:carol' },
    ])
  })
})
