/** The way back from the issuer is a URL that anybody can write: what makes it good is in the browser that began (RFC 9700 section 4). */
import { expect, test } from 'vitest'
import type { Page, ScriptedBrowser } from '#test/support/browser-session.ts'
import { callbackOf, changed } from '#test/support/callback.ts'
import { dateFollows } from '#test/support/date-follows.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { faultyIssuerWorld } from '#test/support/faulty-issuer-world.ts'
import { plainRequest } from '#test/support/plain-request.ts'
import { createWorld, type World } from '#test/support/world.ts'

const usersOf = ({ open }: World) => open.identities.sessions.find(() => true).map(({ spec }) => spec.username)
const lastReason = ({ audit }: World) => audit.findLast((event) => event.event === 'deny')?.reason

/** 400, a reason in the audit trail, no cookie of a session, nobody logged in. */
function expectRefused(world: World, page: Page, reason: string, what: string): void {
  expect([page.status, lastReason(world)], what).toEqual([400, `login:${reason}`])
  const kept = (page.headers['set-cookie'] ?? []).filter((cookie) => !cookie.includes('Max-Age=0'))
  expect(kept, what).toEqual([])
  expect(usersOf(world), what).toEqual([])
}

function attemptCookies(browser: ScriptedBrowser, world: World) {
  return browser.cookies.of(world.origin).filter(({ name }) => name.includes('-login-'))
}

test('#38 a state that is missing, empty, foreign, cut, changed or said twice makes no session, and spoils nothing', async () => {
  await using world = await createWorld()
  const browser = world.browser()
  const callback = await callbackOf(world, browser, 'alice')
  const state = callback.searchParams.get('state') ?? ''
  const stranger = await callbackOf(world, world.browser(), 'bob')
  const flip = (text: string) => text.slice(0, -2) + (text.at(-2) === 'A' ? 'B' : 'A') + text.slice(-1)
  for (const wrong of [undefined, '', ' '])
    expectRefused(
      world,
      await browser.navigate(changed(callback, { state: wrong })),
      wrong === ' ' ? 'state_foreign' : 'state_missing',
      `${wrong}`,
    )
  const foreign = [
    'x',
    state.slice(1),
    state.slice(0, -8),
    `${state}x`,
    flip(state),
    'a.b.c',
    '__proto__',
    stranger.searchParams.get('code') ?? '',
    'x'.repeat(7_000),
  ]
  for (const wrong of foreign)
    expectRefused(world, await browser.navigate(changed(callback, { state: wrong })), 'state_foreign', wrong)
  for (const twice of [
    `${callback.href}&state=x`,
    `${callback.href}&code=x`,
    `${callback.href}&iss=https%3A%2F%2Fevil.test`,
  ]) {
    const other = world.browser()
    const own = await callbackOf(world, other, 'alice')
    expectRefused(
      world,
      await other.navigate(own.href + twice.slice(callback.href.length)),
      'parameter_repeated',
      twice,
    )
  }
  expect((await browser.open(callback)).status).toBe(200)
  expect(usersOf(world)).toEqual(['alice'])
})

test('#38 an answer that has been used is good for nothing, even with the cookie that made it good', async () => {
  await using world = await createWorld()
  const browser = world.browser()
  const callback = await callbackOf(world, browser, 'alice')
  const cookies = attemptCookies(browser, world)
  expect(cookies).toHaveLength(1)
  expect((await browser.open(callback)).status).toBe(200)
  for (const replaying of [browser, world.browser()]) {
    for (const { name, value } of cookies) replaying.cookies.take(`${name}=${value}; Path=/`, callback)
    const page = await replaying.navigate(callback)
    expect([page.status, lastReason(world)]).toEqual([400, 'login:state_replayed'])
  }
  expect(usersOf(world)).toEqual(['alice'])
  // The first session goes on: a second use at the issuer would have taken back what it gave for the first.
  expect((await browser.navigate(`${world.origin}/`)).status).toBe(200)
})

test('#38 a code of one attempt is no good in another one: the issuer was told which browser may use it', async () => {
  await using world = await createWorld()
  const attackers = await callbackOf(world, world.browser(), 'bob')
  const victim = world.browser()
  const callback = await callbackOf(world, victim, 'alice')
  const injected = changed(callback, { code: attackers.searchParams.get('code') ?? '' })
  expectRefused(world, await victim.navigate(injected), 'code_refused', 'of another attempt')
  const again = world.browser()
  const invented = changed(await callbackOf(world, again, 'alice'), { code: 'invented' })
  expectRefused(world, await again.navigate(invented), 'code_refused', 'invented')
  for (const code of [undefined, '']) {
    const other = world.browser()
    expectRefused(
      world,
      await other.navigate(changed(await callbackOf(world, other, 'alice'), { code })),
      'code_missing',
      `${code}`,
    )
  }
})

test('#38 an answer without the cookie of its attempt logs nobody in: that browser begins a login of its own', async () => {
  await using world = await createWorld()
  const attackers = await callbackOf(world, world.browser(), 'bob')
  const victim = world.browser()
  const page = await victim.navigate(attackers)
  expect(page.status).toBe(302)
  expect(page.redirect?.origin).toBe(world.identityProvider.issuer)
  expect(page.redirect?.searchParams.get('state')).not.toBe(attackers.searchParams.get('state'))
  expect(usersOf(world)).toEqual([])
  await victim.follow()
  await victim.login('alice', world.identityProvider.password)
  expect(usersOf(world)).toEqual(['alice'])
})

test('#38 the cookie of another attempt, a changed one, or none, counts as none; a browser that keeps none is told so', async () => {
  await using world = await createWorld()
  const browser = world.browser()
  const callback = await callbackOf(world, browser, 'alice')
  const [own] = attemptCookies(browser, world)
  const stranger = world.browser()
  await callbackOf(world, stranger, 'bob')
  const [other] = attemptCookies(stranger, world)
  if (!own || !other) throw new Error('no cookies of attempts')
  for (const value of ['', 'x', `${own.value}x`, own.value.slice(1), other.value]) {
    const one = world.browser()
    one.cookies.take(`${own.name}=${value}; Path=/`, callback)
    const page = await one.navigate(callback)
    expect([page.status, page.redirect?.origin], value).toEqual([302, world.identityProvider.issuer])
  }
  const forgetful = world.browser()
  let at = await callbackOf(world, forgetful, 'carol')
  for (let round = 0; round < 2; round += 1) {
    forgetful.cookies.delete(attemptCookies(forgetful, world)[0]?.name ?? '')
    at = await callbackOf(world, forgetful, 'carol', at.href)
  }
  forgetful.cookies.delete(attemptCookies(forgetful, world)[0]?.name ?? '')
  expectRefused(world, await forgetful.navigate(at), 'cookies_refused', 'no cookies')
})

test('#38 an answer that names another issuer, or none, is not looked at further, an error neither (RFC 9207)', async () => {
  await using world = await createWorld()
  const answers = [
    ['issuer_mismatch', { iss: 'https://evil.test' }],
    ['issuer_mismatch', { iss: `${world.identityProvider.issuer}/` }],
    ['issuer_mismatch', { iss: '' }],
    ['issuer_missing', { iss: undefined }],
    ['issuer_mismatch', { iss: 'https://evil.test', error: 'access_denied', code: undefined }],
    ['issuer_missing', { iss: undefined, error: 'access_denied', code: undefined }],
    ['provider_error', { error: 'access_denied', code: undefined }],
  ] as const
  for (const [reason, change] of answers) {
    const browser = world.browser()
    const callback = await callbackOf(world, browser, 'alice')
    expectRefused(world, await browser.navigate(changed(callback, change)), reason, JSON.stringify(change))
  }
})

test('#38 an answer that is posted, by whatever page, or asked for by a script, an image or a program, makes no session', async () => {
  await using world = await createWorld()
  const browser = world.browser()
  const callback = await callbackOf(world, browser, 'alice')
  const cookie = browser.cookies.header({ url: callback, isSameSite: true, isSafeNavigation: true }) ?? ''
  const form = { 'Content-Type': 'application/x-www-form-urlencoded', Cookie: cookie }
  const bare = `${callback.origin}${callback.pathname}`
  for (const Origin of [world.identityProvider.issuer, 'https://evil.test', 'null', world.origin]) {
    const fields = { 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Dest': 'document', 'Sec-Fetch-Site': 'cross-site' }
    const headers = { ...form, ...fields, Origin }
    const posted = await plainRequest(bare, { method: 'POST', headers, body: callback.searchParams.toString() })
    expect([403, 405], Origin).toContain(posted.status)
    expect(posted.headers['set-cookie']).toBeUndefined()
  }
  for (const [mode, dest] of [
    ['no-cors', 'image'],
    ['cors', 'empty'],
    ['websocket', 'websocket'],
    ['no-cors', 'script'],
  ] as const) {
    const headers = { Cookie: cookie, 'Sec-Fetch-Mode': mode, 'Sec-Fetch-Dest': dest, 'Sec-Fetch-Site': 'same-origin' }
    const asked = await plainRequest(callback, { headers })
    expect([asked.status, asked.headers['set-cookie']], dest).toEqual([401, undefined])
  }
  expect((await plainRequest(callback, { headers: { Cookie: cookie } })).status).toBe(401)
  expect(usersOf(world)).toEqual([])
  expect((await browser.open(callback)).status).toBe(200)
})

test('#38 after ten minutes an answer begins the login anew, after a day it is refused', async () => {
  const clock = fakeClock()
  using _ = dateFollows(clock)
  await using world = await createWorld({ clock })
  const browser = world.browser()
  const callback = await callbackOf(world, browser, 'alice')
  await clock.advance(10 * 60_000)
  const late = await browser.navigate(callback)
  expect([late.status, late.redirect?.origin]).toEqual([302, world.identityProvider.issuer])
  await clock.advance(24 * 3_600_000)
  expectRefused(world, await browser.navigate(callback), 'state_foreign', 'a day later')
})

test('#38 a login that an issuer finishes for another attempt than it was asked for is refused by its nonce', async () => {
  await using made = await faultyIssuerWorld()
  expect(await made.logIn({ claims: (claims) => ({ ...claims, nonce: 'of-another-attempt' }) })).toMatchObject({
    status: 400,
    reason: 'login:id_token_nonce',
    made: [],
  })
})
