/**
 * Renewal under load and faults: refresh tokens are good once, so a second use of one would have the issuer take everything back (RFC 9700 section
 * 4.14.2). Two replicas on one store; the time is a fake clock's.
 */
import type { ServerResponse } from 'node:http'
import { describe, expect, test } from 'vitest'
import type { ScriptedBrowser } from '#test/support/browser-session.ts'
import { dateFollows } from '#test/support/date-follows.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { faultyIssuerWorld } from '#test/support/faulty-issuer-world.ts'
import { plainRequest } from '#test/support/plain-request.ts'
import { openSocket } from '#test/support/workspace-socket.ts'
import { createWorld, type World } from '#test/support/world.ts'

const second = 1_000
const minute = 60 * second

function cookieAt(browser: ScriptedBrowser, url: string): string {
  const cookie = browser.cookies.header({ url: new URL(url), isSameSite: true, isSafeNavigation: true })
  if (cookie === undefined) throw new Error(`no cookie for ${url}`)
  return cookie
}

/** As every replica has it. */
const recordOf = ({ open }: Pick<World, 'open'>, user: string) =>
  open.identities.sessions.find(({ spec }) => spec.username === user)[0]

test('#46 fifty requests at once, on two replicas, ask the issuer once, though it takes ten seconds', async () => {
  const clock = fakeClock()
  await using made = await faultyIssuerWorld({ clock })
  const { world, issuer } = made
  const { url } = await world.workspace({ name: 'nb', owner: 'alice' })
  const browser = world.browser()
  await browser.open(url)
  const other = await world.replica()
  const Cookie = cookieAt(browser, url)
  const askAll = async () => {
    const ports = Array.from({ length: 50 }, (_, index) => (index % 2 === 0 ? world.port : other.port))
    const answers = await Promise.all(ports.map((port) => plainRequest(url, { port, headers: { Cookie } })))
    return new Set(answers.map(({ status }) => status))
  }
  const before = recordOf(world, 'alice')?.spec.expiresAt
  await clock.advance(51 * minute)

  const held: ServerResponse[] = []
  issuer.faults = { answer: (path, response) => path === '/token' && held.push(response) > 0 }
  const asked = () => issuer.requests.filter((path) => path === '/token').length - 1
  for (let passed = 0; passed < 10; passed += 1) {
    // Whoever lost the race is served on meanwhile.
    expect(await askAll()).toEqual(new Set([200]))
    await world.until(() => asked() > 0, 'the issuer is asked')
    await clock.advance(second)
  }
  expect(asked()).toBe(1)
  const idToken = await issuer.sign(issuer.goodClaims())
  const body = { access_token: 'a', token_type: 'Bearer', refresh_token: 'the-next-one', id_token: idToken }
  held[0]?.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(body))
  for (const replica of [world, other])
    await world.until(() => recordOf(replica, 'alice')?.spec.expiresAt !== before, 'it is renewed on both')
  expect(await askAll()).toEqual(new Set([200]))
  await clock.advance(minute)
  expect(await askAll()).toEqual(new Set([200]))
  expect(asked()).toBe(1)
})

/** Dave at work at the real provider, with a socket open at each of two replicas. */
async function atWork() {
  const clock = fakeClock()
  await using stack = new AsyncDisposableStack()
  stack.use(dateFollows(clock))
  const world = stack.use(await createWorld({ clock }))
  const { url } = await world.workspace({ name: 'nb', owner: 'dave' })
  const browser = await world.as('dave')
  await browser.open(url)
  const other = await world.replica()
  const sockets = []
  for (const port of [world.port, other.port]) sockets.push(stack.use(await openSocket(browser, url, { port })))
  const Cookie = cookieAt(browser, url)
  const statuses = () =>
    Promise.all(
      [world.port, other.port].map(async (port) => (await plainRequest(url, { port, headers: { Cookie } })).status),
    )
  const running = stack.move()
  return { clock, world, other, sockets, statuses, [Symbol.asyncDispose]: () => running.disposeAsync() }
}

describe('an issuer that', () => {
  test('#46 is away keeps nobody from working until the session’s own end, and no session is lengthened by it', async () => {
    await using s = await atWork()
    const before = recordOf(s.world, 'dave')?.spec.expiresAt ?? ''
    await s.world.identityProvider.admin.stopListening()
    await s.clock.advance(51 * minute)
    for (let passed = 0; passed < 8; passed += 1) {
      expect(await s.statuses()).toEqual([200, 200])
      await s.clock.advance(minute)
    }
    await s.clock.advance(Date.parse(before) - s.clock.now() - 1)
    expect(await s.statuses()).toEqual([200, 200])
    expect(recordOf(s.world, 'dave')?.spec.expiresAt).toBe(before)
    expect(s.sockets.every((socket) => socket.isOpen())).toBe(true)
    await s.clock.advance(1)
    for (const socket of s.sockets) expect(await socket.closed).toMatchObject({ code: 1008, reason: 'session ended' })
    expect(await s.statuses()).toEqual([401, 401])
    const log = s.world.lines.filter((line) => line.includes('a session could not be renewed'))
    expect(log.length).toBeGreaterThan(0)
  })

  test('#46 comes back in time renews the session as if nothing had been', async () => {
    await using s = await atWork()
    const before = recordOf(s.world, 'dave')?.spec.expiresAt ?? ''
    await s.world.identityProvider.admin.stopListening()
    await s.clock.advance(51 * minute)
    expect(await s.statuses()).toEqual([200, 200])
    await s.clock.advance(2 * minute)
    await s.world.identityProvider.admin.startListening()
    // It is tried again by itself: something is open.
    for (let passed = 0; passed < 20 && recordOf(s.other, 'dave')?.spec.expiresAt === before; passed += 1) {
      await s.clock.advance(10 * second)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    expect(Date.parse(recordOf(s.other, 'dave')?.spec.expiresAt ?? '')).toBeGreaterThan(Date.parse(before))
    await s.clock.advance(10 * minute)
    expect(await s.statuses()).toEqual([200, 200])
    expect(s.sockets.every((socket) => socket.isOpen())).toBe(true)
  })

  test('#46 has taken the grant back ends the session on both replicas, sockets and all', async () => {
    await using s = await atWork()
    s.world.identityProvider.admin.revokeGrants('dave')
    await s.clock.advance(51 * minute)
    await s.world.until(() => recordOf(s.other, 'dave') === undefined, 'it is over on the other replica')
    for (const socket of s.sockets) expect(await socket.closed).toMatchObject({ code: 1008, reason: 'session ended' })
    expect(await s.statuses()).toEqual([401, 401])
  })
})
