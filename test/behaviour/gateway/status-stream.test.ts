/** The event stream of a workspace's status lasts as long as what its listener rests on, and no longer; one that a replica ends goes on at another. */
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { issuerKeys } from '#identity/issuer-keys.ts'
import { systemClock } from '#lib/clock.ts'
import { paths } from '#surface/urls.ts'
import { dateFollows } from '#test/support/date-follows.ts'
import { type FakeClock, fakeClock } from '#test/support/fake-clock.ts'
import { type LiveAnswer, liveRequest, plainRequest } from '#test/support/plain-request.ts'
import { type ScriptedReviewer, scriptedReviewer } from '#test/support/scripted-reviewer.ts'
import { createWorld, type World } from '#test/support/world.ts'
import { cookieFor, press, revocationBound, share, withBob } from './scene.ts'

const seconds = 1_000
const issuer = 'https://kubernetes.default.svc.cluster.local'
const bot = 'system:serviceaccount:ci:bot'
const spec = { idleShutdown: { enabled: true, idleTimeoutInMinutes: 30 } }

const parts = new AsyncDisposableStack()
const reviewer: ScriptedReviewer = scriptedReviewer()
let clock: FakeClock
let world: World
let url: string
let open: string
let token: string
/** Of the API server about the bot's token. */
let isTokenGood = true

beforeAll(async () => {
  const { publicKey, privateKey } = await generateKeyPair('RS256')
  const jwk = { ...(await exportJWK(publicKey)), kid: 'one', alg: 'RS256', use: 'sig' }
  const now = Math.floor(Date.now() / 1000)
  const claims = { iss: issuer, sub: bot, aud: 'gatehouse', iat: now, exp: now + 7_200 }
  const said = { namespace: 'ci', serviceaccount: { name: 'bot', uid: 'uid-of-bot' } }
  const unsigned = new SignJWT({ ...claims, 'kubernetes.io': said }).setProtectedHeader({ alg: 'RS256', kid: 'one' })
  token = await unsigned.sign(privateKey)
  clock = fakeClock(Date.now())
  parts.use(dateFollows(clock))
  const keys = issuerKeys({ load: async () => ({ keys: [jwk] }), clock: systemClock })
  const machine = { issuer, audience: 'gatehouse', subjects: [bot], isCluster: true, usernamePrefix: '', keys }
  world = parts.use(await createWorld({ clock, reviewer, machines: [{ ...machine, review: async () => isTokenGood }] }))
  url = (await world.workspace({ name: 'nb', owner: 'alice', spec })).url
  open = (await world.workspace({ name: 'open', owner: 'alice', spec: { ...spec, accessType: 'Public' } })).url
})
afterAll(() => parts.disposeAsync())

const ref = { namespace: 'team', name: 'nb' }
const bearing = () => ({ Authorization: `Bearer ${token}` })

async function listen(headers: Record<string, string>, at = url, port?: number): Promise<LiveAnswer> {
  const asked = { headers: { ...headers, Accept: 'text/event-stream' }, ...(port === undefined ? {} : { port }) }
  const stream = await liveRequest(`${at}.gatehouse/status`, asked)
  expect(stream.status).toBe(200)
  await world.until(() => stream.text().includes('event: status'), 'the first news')
  return stream
}

/** Logged in, and at the workspace. */
async function visitor(username: string) {
  const browser = await world.as(username)
  await browser.open(url)
  return { browser, headers: cookieFor(browser, url) }
}

const last = /event: end\ndata: \{\}\n\n$/

test('it ends with the login, at once', async () => {
  await share(world, await world.as('alice'), ref, withBob)
  const { browser, headers } = await visitor('bob')
  using stream = await listen(headers)
  await browser.open(`${world.origin}/`)
  const began = performance.now()
  await press(browser, paths.logout)
  const { whole, at } = await stream.ended
  expect([whole, at - began < revocationBound]).toEqual([true, true])
  expect(stream.text()).toMatch(last)
  expect((await plainRequest(`${url}.gatehouse/status`, { headers })).status).toBe(401)
})

test('it ends with a share whose time is over', async () => {
  const expiresAt = new Date(clock.now() + 90 * seconds).toISOString()
  const grantees = [{ kind: 'User', name: 'dave' }] as const
  await share(world, await world.as('alice'), ref, { grantees, expiresAt })
  const { headers } = await visitor('dave')
  using stream = await listen(headers)
  await clock.advance(88 * seconds)
  expect(stream.text()).not.toContain('event: end')
  await clock.advance(2 * seconds)
  expect(await stream.ended).toMatchObject({ whole: true })
  expect(stream.text()).toMatch(last)
})

test('it ends within 25 s where RBAC alone has changed, whoever else asked about him when', async () => {
  const { headers } = await visitor('bob')
  using stream = await listen(headers)
  await clock.advance(15.1 * seconds)
  expect((await plainRequest(url, { headers })).status).toBe(200)
  reviewer.says = ({ subject }) => (subject.username === 'bob' ? 'denied' : 'allowed')
  await clock.advance(25 * seconds)
  expect(await stream.ended).toMatchObject({ whole: true })
  expect(stream.text()).toMatch(last)
  reviewer.says = 'allowed'
})

test('a machine listens by its token, until the API server no longer knows that', async () => {
  const answer = await plainRequest(`${open}.gatehouse/status`, { headers: bearing() })
  expect([answer.status, JSON.parse(answer.body)]).toMatchObject([200, { name: 'open', reader: bot }])
  // It may not open the other one.
  expect((await plainRequest(`${url}.gatehouse/status`, { headers: bearing() })).status).toBe(403)
  using stream = await listen(bearing(), open)
  await clock.advance(65 * seconds)
  expect(stream.isOpen()).toBe(true)
  isTokenGood = false
  await clock.advance(65 * seconds)
  expect(await stream.ended).toMatchObject({ whole: true })
  expect(stream.text()).toMatch(last)
})

test('a replica that is about to end lets its listeners go, who are taken on by another one', async () => {
  const { headers } = await visitor('alice')
  const other = await world.replica()
  using stream = await listen(headers, url, other.port)
  other.open.endNews()
  expect(await stream.ended).toMatchObject({ whole: true })
  // The end of all is said to nobody who is to come again.
  expect(stream.text()).not.toContain('event: end')
  using _again = await listen(headers)
})
