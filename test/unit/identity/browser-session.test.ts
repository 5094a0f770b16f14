import { expect, test } from 'vitest'
import { openBrowserSession } from '#identity/browser-session.ts'
import { consoleScope, https, identityWorld, loginOf, type Replica } from '#test/support/identity-world.ts'

const open = (
  replica: Replica,
  log: ReturnType<typeof identityWorld>['log'],
  user: string,
  startedAt: number,
  previous?: Parameters<typeof openBrowserSession>[2]['previous'],
) =>
  openBrowserSession(
    { sessions: replica.sessions, keyRing: replica.keyRing, cookies: https, scope: consoleScope, log },
    { login: loginOf(user), startedAt },
    { userAgent: 'Firefox', previous },
  )

test('a login always makes a new session, and the one that the browser had is over', async () => {
  await using world = identityWorld()
  const replica = await world.replica()
  const planted = await open(replica, world.log, 'mallory', world.clock.now())
  await world.clock.advance(1000)
  const made = await open(replica, world.log, 'alice', world.clock.now(), planted.session)
  expect(made.session.name).not.toBe(planted.session.name)
  expect(replica.sessions.get(planted.session.name)).toBeUndefined()
  const again = await open(replica, world.log, 'alice', world.clock.now() + 1, made.session)
  expect(again.session.name).not.toBe(made.session.name)
  expect(replica.sessions.get(made.session.name)).toBeUndefined()
})

test('tabs of one person that log in together do not end each other’s sessions', async () => {
  await using world = identityWorld()
  const replica = await world.replica()
  const startedAt = world.clock.now()
  await world.clock.advance(1000)
  const first = await open(replica, world.log, 'alice', startedAt)
  const second = await open(replica, world.log, 'alice', startedAt, first.session)
  expect(replica.sessions.get(first.session.name)).toBeDefined()
  expect(replica.sessions.get(second.session.name)).toBeDefined()
  const bob = await open(replica, world.log, 'bob', startedAt, second.session)
  expect(replica.sessions.get(second.session.name)).toBeUndefined()
  expect(replica.sessions.get(bob.session.name)).toBeDefined()
})

test('the cookie is the console’s alone, out of reach of scripts, and speaks for the session', async () => {
  await using world = identityWorld()
  const replica = await world.replica()
  const { session, setCookie } = await open(replica, world.log, 'alice', 0)
  expect(setCookie).toMatch(/^__Host-gatehouse=[\w.-]+; Path=\/; Max-Age=43200; HttpOnly; Secure; SameSite=Lax$/)
  const cookie = setCookie.split(';')[0]
  expect(replica.authenticator.peek({ cookie, bearer: undefined }, consoleScope)).toMatchObject({
    kind: 'session',
    session: { name: session.name },
  })
})

test('a store that can’t end the old session does not undo the new one', async () => {
  await using world = identityWorld()
  const replica = await world.replica()
  const old = await open(replica, world.log, 'alice', 0)
  await world.clock.advance(1)
  using _down = replica.resources.fail('delete')
  const made = await open(replica, world.log, 'alice', world.clock.now(), old.session)
  expect(replica.sessions.get(made.session.name)).toBeDefined()
  expect(replica.sessions.get(old.session.name)).toBeUndefined()
})
