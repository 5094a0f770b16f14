import { describe, expect, test } from 'vitest'
import { api, paths } from '#surface/urls.ts'
import type { ScriptedBrowser } from '#test/support/browser-session.ts'
import { commandLine, decide } from '#test/support/command-line-login.ts'
import { dateFollows } from '#test/support/date-follows.ts'
import { headersOf } from '#test/support/echo-app.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { plainRequest } from '#test/support/plain-request.ts'
import { openSocket, refusedSocket } from '#test/support/workspace-socket.ts'
import { createWorld, type World, type WorldOptions } from '#test/support/world.ts'
import { cookieFor, modes, press } from '../gateway/scene.ts'

const minute = 60_000
const bearer = (secret: string) => ({ Authorization: `Bearer ${secret}` })
const kindsOf = ({ open }: World) =>
  open.identities.sessions
    .find(() => true)
    .map(({ spec }) => `${spec.username} ${spec.kind}`)
    .sort()

/** Alice's workspace, and alice in front of the page that asks about a command line. */
async function scene(options: WorldOptions = {}) {
  await using stack = new AsyncDisposableStack()
  const world = stack.use(await createWorld(options))
  const { ref, url, app } = await world.workspace({ name: 'nb', owner: 'alice' })
  const alice = await world.as('alice')
  const cli = stack.use(await commandLine(world))
  await alice.open(cli.url)
  const running = stack.move()
  const whoami = async (secret: string) => plainRequest(world.origin + api.whoami, { headers: bearer(secret) })
  return { world, ref, url, app, alice, cli, whoami, [Symbol.asyncDispose]: () => running.disposeAsync() }
}

/** Agrees, and gives the command line its secret. */
async function loggedIn(s: Awaited<ReturnType<typeof scene>>): Promise<string> {
  expect((await decide(s.alice, 'allow')).status).toBe(200)
  const answer = await s.cli.exchange()
  expect(answer.status).toBe(200)
  return JSON.parse(answer.body).secret
}

describe('the page that asks', () => {
  test('names device and person; agreeing leads to the command line with a code and its own state, and to a session of its kind', async () => {
    await using s = await scene()
    expect(s.alice.page.body).toContain('the laptop of a test')
    expect(s.alice.page.body).toContain('<strong>alice</strong>')
    const secret = await loggedIn(s)
    const [answer] = s.cli.answers
    expect([...(answer?.keys() ?? [])].sort()).toEqual(['code', 'state'])
    expect(answer?.get('state')).toBe(s.cli.state)
    expect(secret).toMatch(/^gatehouse_/)
    expect(kindsOf(s.world)).toEqual(['alice browser', 'alice cli'])
    expect(s.world.audit.at(-1)).toMatchObject({ event: 'login', user: 'alice', kind: 'cli' })
    const view = JSON.parse((await s.whoami(secret)).body)
    expect(view).toMatchObject({ username: 'alice', session: { kind: 'cli' } })
  })

  test('comes after the login where nobody is logged in, and the question survives it', async () => {
    await using world = await createWorld()
    await using cli = await commandLine(world, 'another <b>laptop</b>')
    const browser = world.browser()
    await browser.open(cli.url)
    await browser.login('alice', world.identityProvider.password)
    expect(browser.page.body).toContain('another &lt;b&gt;laptop&lt;/b&gt;')
    await decide(browser, 'allow')
    expect((await cli.exchange()).status).toBe(200)
  })

  test('refused leads back with an error, and nothing is made', async () => {
    await using s = await scene()
    await decide(s.alice, 'deny')
    expect(Object.fromEntries(s.cli.answers[0] ?? [])).toEqual({ error: 'access_denied', state: s.cli.state })
    expect(kindsOf(s.world)).toEqual(['alice browser'])
  })

  test('can be answered by nobody but who was asked, from no other page, and for ten minutes', async () => {
    const clock = fakeClock()
    using _ = dateFollows(clock)
    await using s = await scene({ clock })
    const form = s.alice.page.forms.find(({ fields }) => fields.has('form'))?.fields.get('form') ?? ''
    const body = new URLSearchParams({ form, decision: 'allow' }).toString()
    const post = (browser: ScriptedBrowser, headers: Record<string, string>, text = body) =>
      plainRequest(s.world.origin + paths.cliAuthorize, {
        method: 'POST',
        headers: {
          ...cookieFor(browser, `${s.world.origin}/`),
          'Content-Type': 'application/x-www-form-urlencoded',
          ...headers,
        },
        body: text,
      })
    const own = { Origin: s.world.origin }
    for (const Origin of [new URL(s.url).origin, 'https://evil.test', 'null'])
      expect((await post(s.alice, { Origin })).status, Origin).toBe(403)
    expect((await post(s.alice, {})).status).toBe(403)
    expect((await post(await s.world.as('bob'), own)).status).toBe(400)
    expect((await post(await s.world.as('alice'), own)).status).toBe(400)
    for (const wrong of ['', 'x', form.slice(0, -4)])
      expect(
        (await post(s.alice, own, new URLSearchParams({ form: wrong, decision: 'allow' }).toString())).status,
      ).toBe(400)
    await clock.advance(10 * minute - 1)
    expect((await post(s.alice, own)).status).toBe(303)
    await clock.advance(1)
    expect((await post(s.alice, own)).status).toBe(400)
    expect(kindsOf(s.world).filter((kind) => kind.endsWith('cli'))).toEqual([])
  })

  test('answered by one person is not finished by another one at the issuer', async () => {
    await using s = await scene()
    const other = await s.world.as('alice')
    await other.open(s.cli.url)
    // Meanwhile somebody else sits down in front of the issuer.
    for (const { name } of other.cookies.of(s.world.identityProvider.issuer)) other.cookies.delete(name)
    await decide(other, 'allow')
    await other.login('bob', s.world.identityProvider.password)
    expect([other.page.status, s.cli.answers.length]).toEqual([400, 0])
    expect(kindsOf(s.world).filter((kind) => kind.endsWith('cli'))).toEqual([])
  })
})

describe('the code', () => {
  test('is worth nothing without the verifier, and trying does not spoil it', async () => {
    await using s = await scene()
    await decide(s.alice, 'allow')
    const code = s.cli.answers[0]?.get('code') ?? ''
    for (const verifier of ['', 'x'.repeat(43), s.cli.verifier.slice(1), `${s.cli.verifier}x`])
      expect((await s.cli.exchange({ verifier })).status, verifier).toBe(400)
    for (const wrong of ['', 'x', code.slice(0, -4), `${code}x`])
      expect((await s.cli.exchange({ code: wrong })).status).toBe(400)
    expect((await s.cli.exchange()).status).toBe(200)
  })

  test('is good once: a second use takes back what the first one gave', async () => {
    await using s = await scene()
    const secret = await loggedIn(s)
    expect((await s.whoami(secret)).status).toBe(200)
    const again = await s.cli.exchange()
    expect([again.status, JSON.parse(again.body).code]).toEqual([400, 'invalid_grant'])
    expect((await s.whoami(secret)).status).toBe(401)
    expect(kindsOf(s.world)).toEqual(['alice browser'])
  })

  test('lives for a minute; a session that nobody fetches ends by itself', async () => {
    const clock = fakeClock()
    using _ = dateFollows(clock)
    await using s = await scene({ clock })
    await decide(s.alice, 'allow')
    expect(kindsOf(s.world)).toContain('alice cli')
    await clock.advance(minute)
    expect((await s.cli.exchange()).status).toBe(400)
    await clock.advance(5_000)
    await s.world.until(() => !kindsOf(s.world).includes('alice cli'), 'the session is over')
  })

  test('and the secret are all that leaves the gateway: no token of the issuer does', async () => {
    await using s = await scene()
    await decide(s.alice, 'allow')
    const answer = JSON.parse((await s.cli.exchange()).body)
    expect(Object.keys(answer).sort()).toEqual(['expiresAt', 'notAfter', 'secret', 'session', 'username'])
    expect(JSON.stringify(answer)).not.toMatch(/eyJ|refresh|id_token/)
  })
})

describe.each(modes)('the secret in %s mode', (mode) => {
  test('works as a bearer on the API and at every workspace of that person, for requests and sockets, without Origin', async () => {
    await using s = await scene({ mode })
    const second = await s.world.workspace({ name: 'second', owner: 'alice' })
    const foreign = await s.world.workspace({ name: 'foreign', owner: 'bob' })
    const secret = await loggedIn(s)
    const headers = bearer(secret)
    expect((await plainRequest(s.world.origin + api.workspaces, { headers })).status).toBe(200)
    expect((await plainRequest(s.world.origin + api.stop(second.ref), { method: 'POST', headers })).status).toBe(202)
    for (const [method, status] of [
      ['GET', 200],
      ['POST', 200],
      ['DELETE', 200],
    ] as const)
      expect((await plainRequest(`${s.url}api/x`, { method, headers })).status).toBe(status)
    using socket = await openSocket(undefined, s.url, { headers: { ...headers, Origin: 'https://elsewhere.test' } })
    expect(String(await socket.ask('x'))).toBe('x')
    expect((await plainRequest(foreign.url, { headers })).status).toBe(403)
    expect((await refusedSocket(undefined, foreign.url, { headers })).status).toBe(403)
    expect(foreign.app.bytes()).toBe(0)
  })

  test('never reaches a workspace; an Authorization field of the app’s own does, when a cookie speaks for the person', async () => {
    await using s = await scene({ mode })
    const secret = await loggedIn(s)
    await plainRequest(`${s.url}with-bearer`, { headers: bearer(secret) })
    await plainRequest(`${s.url}lower-case`, { headers: { authorization: `bearer ${secret}` } })
    using _ = await openSocket(undefined, `${s.url}socket`, { headers: bearer(secret) })
    expect(
      s.app.requests.map((echo) => [headersOf(echo, 'Authorization'), headersOf(echo, 'X-Forwarded-User')]),
    ).toEqual(Array.from({ length: 3 }, () => [[], ['alice']]))
    await s.alice.open(s.url)
    await plainRequest(s.url, { headers: { ...cookieFor(s.alice, s.url), Authorization: 'token of-jupyter' } })
    await plainRequest(s.url, { headers: { ...cookieFor(s.alice, s.url), ...bearer(secret) } })
    const [own, both] = s.app.requests.slice(-2).map((echo) => headersOf(echo, 'Authorization'))
    expect(own).toEqual(['token of-jupyter'])
    expect(both).toEqual([])
    expect(JSON.stringify(s.app.requests)).not.toContain(secret.slice('gatehouse_'.length))
  })
})

describe('the secret', () => {
  test('of the issuer’s making is none: neither its ID token nor its refresh token is a bearer here', async () => {
    await using s = await scene()
    const { sessions } = s.world.open.identities
    const [record] = sessions.find(({ spec }) => spec.username === 'alice')
    const tokens = record && sessions.tokens(record)
    for (const token of [tokens?.idToken?.reveal(), tokens?.refreshToken?.reveal()]) {
      expect(token).toEqual(expect.any(String))
      for (const url of [s.world.origin + api.whoami, s.url])
        expect((await plainRequest(url, { headers: bearer(token ?? '') })).status).toBe(401)
    }
  })

  test('is a session of its own: the browser logs out, it goes on; used on the API alone it is renewed', async () => {
    const clock = fakeClock()
    using _ = dateFollows(clock)
    await using s = await scene({ clock })
    const secret = await loggedIn(s)
    await s.alice.open(`${s.world.origin}/`)
    const expiry = () => s.world.open.identities.sessions.find(({ spec }) => spec.kind === 'cli')[0]?.spec.expiresAt
    const before = expiry()
    await clock.advance(51 * minute)
    expect((await s.whoami(secret)).status).toBe(200)
    await s.world.until(() => expiry() !== before, 'it is renewed')
    await clock.advance(20 * minute)
    expect(kindsOf(s.world)).toEqual(['alice cli'])
    expect((await s.whoami(secret)).status).toBe(200)
  })

  test('ends when the issuer ends the logins of its person', async () => {
    await using s = await scene()
    const secret = await loggedIn(s)
    await s.world.identityProvider.admin.endSessions('alice')
    await s.world.until(async () => (await s.whoami(secret)).status === 401, 'the command line is logged out too')
    expect(kindsOf(s.world)).toEqual([])
  })
})

test('a logout at the console ends the login at the issuer, and with it the command line that was logged in by it', async () => {
  await using s = await scene()
  const secret = await loggedIn(s)
  await s.alice.open(`${s.world.origin}/`)
  await press(s.alice, paths.logout)
  // Their tokens belong to the login at the issuer that has just ended, and its back channel names that login.
  await s.world.until(async () => (await s.whoami(secret)).status === 401, 'it is logged out too')
})
