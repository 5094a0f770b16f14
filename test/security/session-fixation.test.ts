/** A session that was in the browser before a login is worth nothing after it, whoever has put it there (OWASP, "Session fixation"). */
import { describe, expect, test } from 'vitest'
import { api, paths } from '#surface/urls.ts'
import type { ScriptedBrowser } from '#test/support/browser-session.ts'
import { plainRequest } from '#test/support/plain-request.ts'
import { openSocket } from '#test/support/workspace-socket.ts'
import { createWorld, type World } from '#test/support/world.ts'

function consoleCookie({ open, origin }: World, browser: ScriptedBrowser) {
  const url = new URL(origin)
  const name = open.identities.authenticator.cookieName({ kind: 'console', authority: url.host, path: '/' })
  const value = browser.cookies.of(url).find((cookie) => cookie.name === name)?.value
  if (value === undefined) throw new Error('no session')
  return { name, value, header: `${name}=${value}` }
}

/** Whom the console takes somebody with this cookie for; `undefined`: nobody. */
async function whoIs({ origin }: World, Cookie: string): Promise<string | undefined> {
  const { status, body } = await plainRequest(origin + api.whoami, { headers: { Cookie } })
  return status === 200 ? JSON.parse(body).username : undefined
}

const sessionsOf = ({ open }: World) => open.identities.sessions.find(() => true).map(({ spec }) => spec.username)

test('#37 a login in a browser with a planted session gives a new one, and the planted one is dead', async () => {
  await using world = await createWorld()
  const attacker = await world.as('bob')
  const planted = consoleCookie(world, attacker)
  const victim = world.browser()
  victim.cookies.take(`${planted.header}; Path=/`, new URL(world.origin))
  await victim.open(`${world.origin}${paths.login}?to=/`)
  await victim.login('alice', world.identityProvider.password)
  expect(victim.page.status).toBe(200)
  const own = consoleCookie(world, victim)
  expect(own.value.split('.')[1]).not.toBe(planted.value.split('.')[1])
  expect(await whoIs(world, own.header)).toBe('alice')
  expect(await whoIs(world, planted.header)).toBeUndefined()
  expect(sessionsOf(world)).toEqual(['alice'])
})

test('#37 a made-up id is not taken over by a login, however well it is formed', async () => {
  await using world = await createWorld()
  const real = consoleCookie(world, await world.as('bob'))
  const [kid] = real.value.split('.')
  for (const value of ['x', `${kid}.${'A'.repeat(43)}.${'A'.repeat(43)}`]) {
    const victim = world.browser()
    victim.cookies.take(`${real.name}=${value}; Path=/`, new URL(world.origin))
    await victim.open(`${world.origin}/`)
    await victim.login('alice', world.identityProvider.password)
    const own = consoleCookie(world, victim)
    expect(own.value).not.toContain('AAAA')
    expect(await whoIs(world, own.header)).toBe('alice')
    expect(await whoIs(world, `${real.name}=${value}`)).toBeUndefined()
  }
})

describe.each(['host', 'path'] as const)('in %s mode', (mode) => {
  test('#37 a new login of the same person ends the session before it: cookies, sockets and all', async () => {
    await using world = await createWorld({ mode })
    const { url, app } = await world.workspace({ name: 'nb', owner: 'alice' })
    const browser = await world.as('alice')
    await browser.open(url)
    const before = consoleCookie(world, browser).header
    const atWorkspace = browser.cookieHeader(url) ?? ''
    using socket = await openSocket(browser, url)
    await browser.open(`${world.origin}${paths.login}?to=/`)
    expect(browser.page.status).toBe(200)
    expect(await socket.closed).toMatchObject({ code: 1008 })
    expect(await whoIs(world, before)).toBeUndefined()
    const bytes = app.bytes()
    expect((await plainRequest(url, { headers: { Cookie: atWorkspace } })).status).toBe(401)
    expect(app.bytes()).toBe(bytes)
    expect(await whoIs(world, consoleCookie(world, browser).header)).toBe('alice')
    expect(sessionsOf(world)).toEqual(['alice'])
  })

  test('#37 a hand-over that somebody else began does not log a browser in at a workspace', async () => {
    await using world = await createWorld({ mode })
    const { url, app } = await world.workspace({ name: 'nb', owner: 'bob' })
    const attacker = await world.as('bob')
    let page = await attacker.navigate(url)
    while (page.redirect && !page.redirect.searchParams.has('ticket')) page = await attacker.navigate(page.redirect)
    const victim = await world.as('alice')
    const at = await victim.navigate(page.redirect ?? url)
    // The ticket is not this browser's: it goes on as who it is, by a hand-over of its own.
    expect(at.headers['set-cookie']).toBeUndefined()
    expect((await victim.follow()).status).toBe(403)
    expect(app.bytes()).toBe(0)
  })
})
