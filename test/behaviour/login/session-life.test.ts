import { describe, expect, test } from 'vitest'
import { dateFollows } from '#test/support/date-follows.ts'
import { type FakeClock, fakeClock } from '#test/support/fake-clock.ts'
import { type Faults, newSigningKey } from '#test/support/faulty-issuer.ts'
import { faultyIssuerWorld } from '#test/support/faulty-issuer-world.ts'
import { plainRequest } from '#test/support/plain-request.ts'
import { openSocket } from '#test/support/workspace-socket.ts'
import { createWorld, type World } from '#test/support/world.ts'
import { cookieFor, share } from '../gateway/scene.ts'

const minute = 60_000
const hour = 60 * minute

const sessionOf = ({ open }: World, user: string) =>
  open.identities.sessions.find(({ spec }) => spec.username === user)[0]
const expiryOf = (world: World, user: string) => Date.parse(sessionOf(world, user)?.spec.expiresAt ?? '')

/** The time goes on; whatever falls due has a moment to talk to the issuer over its real socket. */
async function pass(world: World, clock: FakeClock, span: number, user: string): Promise<void> {
  const before = expiryOf(world, user)
  const horizon = Date.parse(sessionOf(world, user)?.spec.notAfter ?? '')
  await clock.advance(span)
  const isDue = clock.now() >= before - 10 * minute && before < horizon
  if (isDue) await world.until(() => expiryOf(world, user) !== before, 'the session is renewed')
}

/** Alice's workspace, which the group `ds` may use, and dave of that group, with a socket that says nothing. */
async function scene() {
  await using stack = new AsyncDisposableStack()
  const clock = fakeClock()
  stack.use(dateFollows(clock))
  const world = stack.use(await createWorld({ clock }))
  const { ref, url } = await world.workspace({ name: 'nb', owner: 'alice' })
  const alice = await world.as('alice')
  await share(world, alice, ref, { grantees: [{ kind: 'Group', name: 'ds' }] })
  const dave = await world.as('dave')
  expect((await dave.open(url)).status).toBe(200)
  const socket = stack.use(await openSocket(dave, url))
  const running = stack.move()
  return { clock, world, url, dave, socket, [Symbol.asyncDispose]: () => running.disposeAsync() }
}

describe('a session', () => {
  test('[JK11.2] is good for an hour, renewed in silence ahead of that with what the issuer says now, and over after twelve hours', async () => {
    await using s = await scene()
    const { createdAt = '', notAfter = '' } = sessionOf(s.world, 'dave')?.spec ?? {}
    const began = Date.parse(createdAt)
    expect(expiryOf(s.world, 'dave')).toBe(began + hour)
    expect(Date.parse(notAfter)).toBe(began + 12 * hour)
    for (let passed = 0; passed < 14; passed += 1) await pass(s.world, s.clock, 51 * minute, 'dave')
    // Not one request and not one byte for all that time; the open socket alone keeps it renewed.
    expect(s.socket.isOpen()).toBe(true)
    expect(expiryOf(s.world, 'dave')).toBe(began + 12 * hour)
    await s.clock.advance(began + 12 * hour - 1 - s.clock.now())
    expect(s.socket.isOpen()).toBe(true)
    expect((await s.dave.navigate(s.url)).status).toBe(200)
    await s.clock.advance(1)
    expect(await s.socket.closed).toMatchObject({ code: 1008, reason: 'session ended' })
    expect((await s.dave.fetch(s.url)).status).toBe(401)
  }, 180_000)

  test('[JK11.2] is decided about anew when it is renewed: who has lost the group is out, who has got another one is in', async () => {
    await using s = await scene()
    s.world.identityProvider.admin.setGroups('dave', ['admins'])
    await pass(s.world, s.clock, 51 * minute, 'dave')
    expect(s.socket.isOpen()).toBe(true)
    expect(sessionOf(s.world, 'dave')?.spec.groups).toEqual(['admins'])
    s.world.identityProvider.admin.setGroups('dave', [])
    await pass(s.world, s.clock, 51 * minute, 'dave')
    expect(await s.socket.closed).toMatchObject({ code: 1008, reason: 'access ended' })
    expect((await s.dave.navigate(s.url)).status).toBe(403)
    s.world.identityProvider.admin.setGroups('dave', ['ds'])
    await s.clock.advance(51 * minute)
    // Nothing is open any more; his next request to Gatehouse brings the renewal.
    await s.dave.navigate(`${s.world.origin}/`)
    await s.world.until(async () => (await s.dave.navigate(s.url)).status === 200, 'dave is let in again')
  })

  test('that nobody uses is left to end after its hour', async () => {
    await using s = await scene()
    s.socket.ws.close()
    await s.socket.closed
    await s.world.until(() => s.world.open.streams.all().every((group) => group.size === 0), 'nothing is open')
    await s.clock.advance(hour)
    expect(sessionOf(s.world, 'dave')).toBeUndefined()
    expect((await s.dave.open(s.url)).status).toBe(200)
  })

  test('[JK11.5] of a tab that asks fifty times at once as renewal is due is renewed once, and can be again', async () => {
    await using s = await scene()
    for (let round = 0; round < 3; round += 1) {
      const before = expiryOf(s.world, 'dave')
      await s.clock.advance(before - 9 * minute - s.clock.now())
      const headers = cookieFor(s.dave, s.url)
      const answers = await Promise.all(
        Array.from({ length: 50 }, (_, index) => plainRequest(`${s.url}${index}`, { headers })),
      )
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
      // A refresh token used twice would have the provider take back the grant.
      await s.world.until(() => expiryOf(s.world, 'dave') > before, 'it is renewed')
      expect(expiryOf(s.world, 'dave') - s.clock.now()).toBeLessThanOrEqual(hour)
    }
    expect(s.socket.isOpen()).toBe(true)
  })
})

const otherKey = newSigningKey()
const outOfOrder: readonly (readonly [string, Faults])[] = [
  ['is answered with an error of the server', { token: () => ({ status: 500, body: {} }) }],
  ['is answered with nonsense', { token: () => ({ status: 200, body: { nothing: true } }) }],
  ['is cut off', { answer: (path, response) => path === '/token' && response.destroy() !== undefined }],
  ['comes back with a token of another key', { sign: async () => 'a.b.c' }],
  ['comes back about somebody else', { claims: (claims) => ({ ...claims, sub: 'sub-mallory' }) }],
  ['comes back expired', { claims: (claims) => ({ ...claims, exp: 1 }) }],
  ['is refused for the client', { token: () => ({ status: 401, body: { error: 'invalid_client' } }) }],
]

test.each([...outOfOrder, ['comes back with a token signed by a stranger', 'stranger'] as const])(
  '[JK11.4] a renewal that %s never lengthens the session',
  async (_what, faults) => {
    const clock = fakeClock()
    await using made = await faultyIssuerWorld({ clock })
    const { world, issuer } = made
    const { url } = await world.workspace({ name: 'nb', owner: 'alice' })
    const alice = world.browser()
    await alice.open(url)
    using socket = await openSocket(alice, url)
    const before = expiryOf(world, 'alice')
    issuer.faults =
      faults === 'stranger' ? { sign: (claims) => issuer.sign(claims, otherKey, { kid: issuer.key.kid }) } : faults
    await clock.advance(51 * minute)
    for (let passed = 51; passed < 60; passed += 1) {
      expect((await alice.navigate(url)).status).toBe(200)
      expect(expiryOf(world, 'alice')).toBe(before)
      await clock.advance(minute)
    }
    expect(clock.now()).toBe(before)
    expect(await socket.closed).toMatchObject({ code: 1008, reason: 'session ended' })
    expect(sessionOf(world, 'alice')).toBeUndefined()
    expect(issuer.requests.filter((path) => path === '/token').length).toBeGreaterThan(1)
    expect((await alice.fetch(url)).status).toBe(401)
  },
)
