/** A command line's session through the gateway: given with consent, used as a bearer, listed and ended like any other. */
import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { api, paths } from '#surface/urls.ts'
import type { ScriptedBrowser } from '#test/support/browser-session.ts'
import { headersOf } from '#test/support/echo-app.ts'
import { plainRequest } from '#test/support/plain-request.ts'
import { openSocket, refusedSocket } from '#test/support/workspace-socket.ts'
import { createWorld, type World } from '#test/support/world.ts'
import { callApi } from './scene.ts'

const verifier = 'v'.repeat(43)

/** Where the browser is sent in the end: an address of the command line's own. */
async function consent(world: World, browser: ScriptedBrowser, decision: 'allow' | 'deny'): Promise<URLSearchParams> {
  const query = new URLSearchParams({
    redirect_uri: 'http://127.0.0.1:49152/done',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
    state: 'of-the-command-line',
    device: 'the <laptop>',
  })
  const page = await browser.open(`${world.origin}${paths.cliAuthorize}?${query}`)
  expect(page.body).toContain('the &lt;laptop&gt;')
  const form = page.forms.find(({ fields }) => fields.has('form'))
  let answer = await browser.navigate(`${world.origin}${paths.cliAuthorize}`, {
    method: 'POST',
    from: page,
    body: new URLSearchParams({ form: form?.fields.get('form') ?? '', decision }).toString(),
    headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
  })
  while (answer.redirect && answer.redirect.port !== '49152') answer = await browser.navigate(answer.redirect)
  const back = answer.redirect?.searchParams ?? new URLSearchParams()
  expect(back.get('state')).toBe('of-the-command-line')
  return back
}

async function exchange(world: World, code: string) {
  const headers = { 'Content-Type': 'application/json' }
  const body = JSON.stringify({ code, verifier })
  const answer = await plainRequest(world.origin + paths.cliToken, { method: 'POST', headers, body })
  return { status: answer.status, ...JSON.parse(answer.body) }
}

test('a command line speaks for its person at the API and at workspaces, until its session is ended', async () => {
  await using world = await createWorld()
  const { url, app } = await world.workspace({ name: 'nb', owner: 'alice' })
  const other = await world.workspace({ name: 'nb', namespace: 'other', owner: 'bob' })
  const alice = await world.as('alice')
  const code = (await consent(world, alice, 'allow')).get('code') ?? ''
  const token = await exchange(world, code)
  expect(token).toMatchObject({ status: 200, username: 'alice' })
  const logins = world.audit.filter((event) => event.event === 'login')
  expect(logins.map(({ user, kind }) => [user, kind])).toEqual([
    ['alice', 'browser'],
    ['alice', 'cli'],
  ])

  const headers = { Authorization: `Bearer ${token.secret}` }
  const whoami = await plainRequest(world.origin + api.whoami, { headers })
  expect(JSON.parse(whoami.body)).toMatchObject({ username: 'alice', session: { kind: 'cli', name: token.session } })
  // A program has no origin, and no page of somebody else could know the token.
  expect((await plainRequest(`${url}api`, { method: 'POST', headers, body: 'x' })).status).toBe(200)
  const [echo] = app.requests.slice(-1)
  expect(echo && headersOf(echo, 'authorization')).toEqual([])
  expect(echo && headersOf(echo, 'x-forwarded-user')).toEqual(['alice'])
  expect((await plainRequest(other.url, { headers })).status).toBe(403)
  using socket = await openSocket(undefined, url, { headers })
  expect(String(await socket.ask('hi'))).toBe('hi')

  await alice.open(`${world.origin}/`)
  const { sessions } = JSON.parse((await alice.fetch(world.origin + api.sessions)).body)
  expect(sessions.map(({ kind, current }: { kind: string; current: boolean }) => [kind, current]).toSorted()).toEqual([
    ['browser', true],
    ['cli', false],
  ])
  expect((await callApi(world, alice, 'DELETE', api.session(token.session))).status).toBe(204)
  expect(await socket.closed).toMatchObject({ code: 1008 })
  for (const of of [world.origin + api.whoami, url]) expect((await plainRequest(of, { headers })).status).toBe(401)
  expect((await refusedSocket(undefined, url, { headers })).status).toBe(401)
  expect((await alice.open(url)).status).toBe(200)
})

test('a code that is used a second time is worth nothing, and neither is what it gave: somebody else knows it', async () => {
  await using world = await createWorld()
  const alice = await world.as('alice')
  const code = (await consent(world, alice, 'allow')).get('code') ?? ''
  const headers = { Authorization: `Bearer ${(await exchange(world, code)).secret}` }
  expect((await plainRequest(world.origin + api.whoami, { headers })).status).toBe(200)
  expect(await exchange(world, code)).toMatchObject({ status: 400, code: 'invalid_grant' })
  expect((await plainRequest(world.origin + api.whoami, { headers })).status).toBe(401)
  expect((await alice.open(`${world.origin}/`)).status).toBe(200)
})

test('a person who does not agree sends the command line away without anything', async () => {
  await using world = await createWorld()
  const alice = await world.as('alice')
  const back = await consent(world, alice, 'deny')
  expect([back.get('code'), back.get('error')]).toEqual([null, 'access_denied'])
  expect(world.audit.filter((event) => event.event === 'login').length).toBe(1)
})
