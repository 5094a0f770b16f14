import { describe, expect, test } from 'vitest'
import { api, paths } from '#surface/urls.ts'
import { callbackOf, changed } from '#test/support/callback.ts'
import { dateFollows } from '#test/support/date-follows.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { openSocket } from '#test/support/workspace-socket.ts'
import { createWorld, type World } from '#test/support/world.ts'
import { refreshOf } from '../gateway/scene.ts'

const minute = 60_000
const sessionOf = ({ open }: World, user: string) =>
  open.identities.sessions.find(({ spec }) => spec.username === user)[0]

test('[JK2.1] a login goes by code and PKCE: the browser carries a code alone, and it is worth nothing without the verifier', async () => {
  await using world = await createWorld()
  const browser = world.browser()
  await browser.open(`${world.origin}/`)
  const asked = browser.history.find((url) => url.pathname === '/authorize')
  const request = Object.fromEntries(asked?.searchParams ?? [])
  const callback = await callbackOf(world, browser, 'alice', browser.page.url.href)
  expect(request).toMatchObject({ response_type: 'code', code_challenge_method: 'S256' })
  expect(request.code_challenge).toMatch(/^[\w-]{43}$/)
  expect([...callback.searchParams.keys()].sort()).toEqual(['code', 'iss', 'state'])
  // The provider knows which challenge each code was given for.
  const stolen = await callbackOf(world, world.browser(), 'bob')
  const refused = await browser.navigate(changed(callback, { code: stolen.searchParams.get('code') ?? '' }))
  expect([refused.status, world.audit.at(-1)]).toMatchObject([400, { event: 'deny', reason: 'login:code_refused' }])
  const again = world.browser()
  expect((await again.open(await callbackOf(world, again, 'alice'))).status).toBe(200)
  expect(again.history.every((url) => !/token|verifier/.test(url.href))).toBe(true)
})

test('[JK2.3] the issuer changes its keys amid a session: it is renewed, its stream goes on, and new logins are good', async () => {
  const clock = fakeClock()
  using _ = dateFollows(clock)
  await using world = await createWorld({ clock })
  const { url } = await world.workspace({ name: 'nb', owner: 'alice' })
  const alice = await world.as('alice')
  await alice.open(url)
  using socket = await openSocket(alice, url)
  for (const keepOld of [true, false]) {
    const before = sessionOf(world, 'alice')?.spec.expiresAt
    world.identityProvider.admin.rotateKeys({ keepOld })
    await clock.advance(51 * minute)
    expect((await alice.navigate(url)).status).toBe(200)
    await world.until(() => sessionOf(world, 'alice')?.spec.expiresAt !== before, 'the session is renewed')
    expect(String(await socket.ask('still here'))).toBe('still here')
    const bob = await world.as('bob')
    expect(JSON.parse((await bob.fetch(world.origin + api.whoami)).body).username).toBe('bob')
  }
})

describe('an issuer that is down', () => {
  test('[JK2.4] lets sessions go on, old and open ones; a new login gets a 503 page that retries until it works', async () => {
    const clock = fakeClock()
    using _ = dateFollows(clock)
    await using world = await createWorld({ clock })
    const { url } = await world.workspace({ name: 'nb', owner: 'alice' })
    const alice = await world.as('alice')
    await alice.open(url)
    using socket = await openSocket(alice, url)
    await world.identityProvider.admin.stopListening()
    // Its last sign of life counts for a quarter of a minute.
    await clock.advance(minute)

    const bob = world.browser()
    const page = await bob.open(`${url}lab?x=1`)
    expect([page.status, page.headers['retry-after'], page.url.origin]).toEqual([503, '5', world.origin])
    expect(page.body).toContain('The login service does not answer')
    const retry = refreshOf(page)
    expect(retry?.pathname).toBe(paths.login)
    expect((await bob.fetch(world.origin + api.whoami)).status).toBe(401)

    expect((await alice.navigate(`${url}x`)).status).toBe(200)
    expect(String(await socket.ask('still here'))).toBe('still here')
    expect((await alice.navigate(`${world.origin}/`)).status).toBe(200)
    const other = await world.workspace({ name: 'second', owner: 'alice' })
    expect((await alice.open(other.url)).status).toBe(200)

    await world.identityProvider.admin.startListening()
    for (let tries = 0; tries < 10 && bob.page.status === 503; tries += 1) {
      await clock.advance(5_000)
      await bob.open(retry ?? '')
    }
    expect(bob.page.url.origin).toBe(world.identityProvider.issuer)
    await bob.login('bob', world.identityProvider.password)
    expect([bob.page.status, bob.page.url.href]).toEqual([403, `${url}lab?x=1`])
  })

  test('from the start on keeps no gateway from starting; the first login works as soon as it is there', async () => {
    await using world = await createWorld()
    await world.identityProvider.admin.stopListening()
    const browser = world.browser()
    expect((await browser.open(`${world.origin}/`)).status).toBe(503)
    expect(await browser.fetch(world.origin + api.whoami)).toMatchObject({ status: 401 })
    await world.identityProvider.admin.startListening()
    const retry = refreshOf(browser.page) ?? ''
    await world.until(async () => (await browser.open(retry)).status === 200, 'the issuer is asked again')
    await browser.login('alice', world.identityProvider.password)
    expect(browser.page.status).toBe(200)
  })
})
