import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import type { Authentication, CookieScope } from '#identity/authentication.ts'
import { signedScopeOf } from '#identity/browser-tie.ts'
import { keyRingKind, keyRingName } from '#identity/key-ring-record.ts'
import { bearerOf, signSessionId } from '#identity/session-cookie.ts'
import { newSessionId, type SessionId } from '#identity/session-id.ts'
import {
  consoleScope,
  hostScope,
  https,
  identityWorld,
  loginOf,
  namespace,
  type Replica,
} from '#test/support/identity-world.ts'

const hour = 3_600_000
const name = '__Host-gatehouse'
const otherHost: CookieScope = { ...hostScope, authority: 'nb-mfzwi.ws.example.com' }
const http = { externalScheme: 'http', externalPort: 8800 } as const

const cookie = (...values: readonly string[]) => ({
  cookie: values.map((value) => `${name}=${value}`).join('; '),
  bearer: undefined,
})
const bearer = (secret: string) => ({ cookie: undefined, bearer: secret })
const anonymous = (reason: string): Authentication => ({ kind: 'anonymous', reason }) as Authentication

async function loggedIn(replica: Replica, username = 'alice') {
  const { session, id } = await replica.sessions.create(loginOf(username))
  return { session, id, value: signSessionId(replica.keyRing, id, hostScope) }
}

/** How many MACs are computed while `run` runs: nothing but a MAC looks at the key itself. */
function macsDuring(replica: Replica, run: () => unknown): number {
  const key = replica.keyRing.current()
  const { cookies } = key
  const look = vi.fn(() => cookies)
  Object.defineProperty(key, 'cookies', { configurable: true, get: look })
  run()
  Object.defineProperty(key, 'cookies', { value: cookies })
  return look.mock.calls.length
}

describe('a session cookie', () => {
  test('speaks for its session in its own scope, between other cookies too', async () => {
    await using world = identityWorld()
    const replica = await world.replica()
    const { session, value } = await loggedIn(replica)
    const expected = { kind: 'session', session, via: 'cookie' }
    expect(replica.authenticator.peek(cookie(value), hostScope)).toEqual(expected)
    const among = { cookie: `_xsrf=2|1; ${name}=${value};theme=dark`, bearer: undefined }
    expect(replica.authenticator.peek(among, hostScope)).toEqual(expected)
    expect(replica.authenticator.peek(cookie(value), otherHost)).toEqual(anonymous('bad-signature'))
    expect(replica.authenticator.peek(cookie(value), consoleScope)).toEqual(anonymous('bad-signature'))
    expect(replica.authenticator.peek({ cookie: undefined, bearer: undefined }, hostScope)).toEqual(anonymous('none'))
    expect(replica.authenticator.peek({ cookie: 'a=b', bearer: undefined }, hostScope)).toEqual(anonymous('none'))
  })

  test('costs no cryptography when it was seen before, and is remembered for each scope apart', async () => {
    await using world = identityWorld()
    const replica = await world.replica()
    const { value, id } = await loggedIn(replica)
    const elsewhere = signSessionId(replica.keyRing, id, otherHost)
    const peek = () => replica.authenticator.peek(cookie(value), hostScope)
    expect(macsDuring(replica, peek)).toBe(1)
    expect(macsDuring(replica, peek)).toBe(0)
    expect(macsDuring(replica, () => replica.authenticator.peek(cookie(value), otherHost))).toBe(1)
    expect(macsDuring(replica, () => replica.authenticator.peek(cookie(elsewhere), otherHost))).toBe(1)
    expect(macsDuring(replica, peek)).toBe(0)
  })

  // List item 34.
  test('that is empty, garbage, cut short, flipped, of another key or under another name is nobody, and never an error', async () => {
    await using world = identityWorld()
    const replica = await world.replica()
    const { value } = await loggedIn(replica)
    const good = replica.authenticator.peek(cookie(value), hostScope)
    expect(good?.kind).toBe('session')
    const kindOf = async (credentials: { cookie: string; bearer: undefined }) =>
      (await replica.authenticator.resolve(credentials, hostScope)).kind
    for (let at = 0; at < value.length; at += 1) {
      const flipped = value.slice(0, at) + String.fromCharCode(value.charCodeAt(at) ^ 1) + value.slice(at + 1)
      expect(await kindOf(cookie(value.slice(0, at)))).toBe('anonymous')
      expect(await kindOf(cookie(flipped))).toBe('anonymous')
    }
    for (const other of ['gatehouse', '__Secure-gatehouse', '__host-gatehouse', ' ', 'gatehouse-443']) {
      expect(await kindOf({ cookie: `${other}=${value}`, bearer: undefined })).toBe('anonymous')
    }
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary' }), async (text) => {
        expect(await kindOf(cookie(text))).toBe('anonymous')
        expect(await kindOf({ cookie: text, bearer: undefined })).toBe('anonymous')
      }),
    )
  })

  // List item 35.
  test('beside a planted one of the same name counts in either order; two that are both ours count as none', async () => {
    await using world = identityWorld()
    const replica = await world.replica()
    const { session, value } = await loggedIn(replica)
    const { value: mallorys } = await loggedIn(replica, 'mallory')
    const foreign = signSessionId(replica.keyRing, newSessionId(), otherHost)
    const peek = (...values: string[]) => replica.authenticator.peek(cookie(...values), hostScope)
    for (const planted of ['', 'x', foreign, value.slice(1), `${value}A`]) {
      expect(peek(planted, value)).toEqual({ kind: 'session', session, via: 'cookie' })
      expect(peek(value, planted)).toEqual({ kind: 'session', session, via: 'cookie' })
    }
    expect(peek(value, value)).toMatchObject({ kind: 'session', session })
    expect(peek(mallorys, value)).toEqual(anonymous('malformed'))
    expect(peek(value, mallorys)).toEqual(anonymous('malformed'))
    // A twin that a sibling host can set does not carry the prefix, and is not even looked at.
    const twin = { cookie: `gatehouse=${mallorys}; ${name}=${value}; gatehouse-443=${mallorys}`, bearer: undefined }
    expect(replica.authenticator.peek(twin, hostScope)).toMatchObject({ kind: 'session', session })
  })

  // List item 36: there are no chunks, so nothing is put together and nothing is counted.
  test('that is huge, or a thousand, or spread over numbered names is refused after a bounded look', async () => {
    await using world = identityWorld()
    const replica = await world.replica()
    const { value } = await loggedIn(replica)
    const thousand = Array.from({ length: 1_000 }, (_, index) => value.slice(0, -4) + String(index).padStart(4, '0'))
    let answer: Authentication | undefined
    expect(
      macsDuring(replica, () => {
        answer = replica.authenticator.peek(cookie(...thousand), hostScope)
      }),
    ).toBe(4)
    expect(answer).toEqual(anonymous('bad-signature'))
    const chunks = { cookie: `${name}.0=${value.slice(0, 50)}; ${name}.1=${value.slice(50)}; ${name}.count=1000000000` }
    const huge = cookie(value + 'A'.repeat(1_000_000))
    const macs = macsDuring(replica, () => {
      expect(replica.authenticator.peek({ ...chunks, bearer: undefined }, hostScope)).toEqual(anonymous('none'))
      expect(replica.authenticator.peek(huge, hostScope)).toEqual(anonymous('malformed'))
    })
    expect(macs).toBe(0)
  })

  // List item 47: neither of two parts can borrow from the other in what is remembered.
  test('remembered for a scope is not found for one whose parts only read the same in a row', async () => {
    await using world = identityWorld()
    const replica = await world.replica()
    const { id } = await loggedIn(replica)
    const scopes: readonly CookieScope[] = [
      { kind: 'workspace', authority: 'a', path: '/b/' },
      { kind: 'workspace', authority: 'a/', path: 'b/' },
      { kind: 'workspace', authority: 'a/b', path: '/' },
      { kind: 'workspace', authority: '', path: 'a/b/' },
      { kind: 'console', authority: 'a', path: '/b/' },
    ]
    const cookieNames = (scope: CookieScope) => replica.authenticator.cookieName(scope)
    const browser = `__Host-gatehouse-browser=${'b'.repeat(43)}`
    for (const own of scopes) {
      const value = signSessionId(replica.keyRing, id, signedScopeOf(https, own, browser) ?? own)
      for (const other of scopes) {
        const credentials = { cookie: `${cookieNames(other)}=${value}; ${browser}`, bearer: undefined }
        const kind = own === other ? 'session' : 'anonymous'
        expect(replica.authenticator.peek(credentials, other)?.kind).toBe(kind)
      }
    }
  })

  test('is refused at once when its session ends, runs out or is locked, and when its key is taken out', async () => {
    await using world = identityWorld()
    const replica = await world.replica()
    const [alice, bob, carol, dave] = await Promise.all(
      ['alice', 'bob', 'carol', 'dave'].map((username) => loggedIn(replica, username)),
    )
    if (!alice || !bob || !carol || !dave) throw new Error('nobody')
    const peek = (value: string) => replica.authenticator.peek(cookie(value), hostScope)
    for (const { value } of [alice, bob, carol, dave]) expect(peek(value)?.kind).toBe('session')
    void replica.sessions.end(alice.session.name, 'logged-out')
    expect(peek(alice.value)).toEqual(anonymous('unknown-session'))
    void replica.sessions.setLocked(['bob'])
    expect(peek(bob.value)).toEqual(anonymous('locked'))
    const record = replica.sessions.record(carol.session.name)
    if (!record) throw new Error('no record')
    await world.clock.advance(hour / 2)
    await replica.sessions.extend(record, {})
    await world.clock.advance(hour / 2)
    expect(peek(dave.value)).toEqual(anonymous('expired'))
    expect(peek(carol.value)?.kind).toBe('session')
    await world.resources.delete(keyRingKind, { namespace, name: keyRingName })
    await world.settle()
    expect(replica.authenticator.peek(cookie(carol.value), hostScope)).toBeUndefined()
    expect(await replica.authenticator.resolve(cookie(carol.value), hostScope)).toEqual(anonymous('unknown-key'))
  })

  // List item 37: what a browser brought along before the login is worth nothing after it.
  test('of before a login is dead after it, and the new one has an id of its own', async () => {
    await using world = identityWorld()
    const replica = await world.replica()
    const planted = await loggedIn(replica)
    const own = await loggedIn(replica)
    await replica.sessions.end(planted.session.name, 'replaced')
    expect(own.id).not.toBe(planted.id)
    expect(replica.authenticator.peek(cookie(planted.value), hostScope)).toEqual(anonymous('unknown-session'))
    expect(replica.authenticator.peek(cookie(own.value), hostScope)?.kind).toBe('session')
  })

  test('signed with a key that this replica has not heard of yet makes it ask, not log out', async () => {
    await using world = identityWorld()
    const [one, two] = [await world.replica(), await world.replica()]
    const { session, id } = await loggedIn(one)
    await world.settle()
    using _deaf = two.resources.hold('watch')
    await one.keyRing.rotateNow()
    await world.clock.advance(5_000)
    const value = signSessionId(one.keyRing, id, hostScope)
    expect(two.authenticator.peek(cookie(value), hostScope)).toBeUndefined()
    expect(await two.authenticator.resolve(cookie(value), hostScope)).toMatchObject({ kind: 'session', session })
  })

  test('of an unknown key while the store is away is neither a login nor a refusal', async () => {
    await using world = identityWorld()
    const replica = await world.replica()
    using _down = replica.resources.fail('get')
    const value = `00000000${signSessionId(replica.keyRing, newSessionId(), hostScope).slice(8)}`
    expect(await replica.authenticator.resolve(cookie(value), hostScope)).toEqual({ kind: 'unavailable' })
  })
})

describe('a session that this replica has not heard of yet', () => {
  async function twoReplicas(world: ReturnType<typeof identityWorld>) {
    const [one, two] = [await world.replica(), await world.replica()]
    const deaf = two.resources.hold('watch')
    const { session, id } = await one.sessions.create(loginOf('alice'))
    return { two, deaf, session, credentials: cookie(signSessionId(two.keyRing, id, hostScope)) }
  }

  test('is read once, however many ask at the same time, and from memory then', async () => {
    await using world = identityWorld()
    const { two, session, credentials } = await twoReplicas(world)
    const before = two.resources.calls('get')
    expect(two.authenticator.peek(credentials, hostScope)).toBeUndefined()
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => two.authenticator.resolve(credentials, hostScope)),
    )
    expect(answers).toEqual(answers.map(() => ({ kind: 'session', session, via: 'cookie' })))
    expect(two.resources.calls('get')).toBe(before + 1)
    expect(two.authenticator.peek(credentials, hostScope)?.kind).toBe('session')
  })

  test('is unavailable while the store is, and nothing is remembered of that', async () => {
    await using world = identityWorld()
    const { two, credentials } = await twoReplicas(world)
    const down = two.resources.fail('get')
    expect(await two.authenticator.resolve(credentials, hostScope)).toEqual({ kind: 'unavailable' })
    down[Symbol.dispose]()
    expect(await two.authenticator.resolve(credentials, hostScope)).toMatchObject({ kind: 'session' })
  })

  test('and does not exist is remembered for 2 s', async () => {
    await using world = identityWorld()
    const replica = await world.replica()
    const credentials = cookie(signSessionId(replica.keyRing, newSessionId(), hostScope))
    const before = replica.resources.calls('get')
    const ask = () => replica.authenticator.resolve(credentials, hostScope)
    expect(await ask()).toEqual(anonymous('unknown-session'))
    await world.clock.advance(1_999)
    expect(replica.authenticator.peek(credentials, hostScope)).toEqual(anonymous('unknown-session'))
    await ask()
    expect(replica.resources.calls('get')).toBe(before + 1)
    await world.clock.advance(1)
    await ask()
    expect(replica.resources.calls('get')).toBe(before + 2)
  })

  test('of which there are too many in a second is unavailable, so that nobody can keep the store busy', async () => {
    await using world = identityWorld()
    const replica = await world.replica()
    const before = replica.resources.calls('get')
    const ask = () => {
      const value = signSessionId(replica.keyRing, newSessionId(), hostScope)
      return replica.authenticator.resolve(cookie(value), hostScope)
    }
    const kinds = (await Promise.all(Array.from({ length: 150 }, ask))).map((answer) => answer.kind)
    expect(kinds.filter((kind) => kind === 'unavailable')).toHaveLength(50)
    expect(replica.resources.calls('get')).toBe(before + 100)
    await world.clock.advance(1_000)
    expect(await ask()).toEqual(anonymous('unknown-session'))
  })
})

describe("a command line's secret", () => {
  async function cli(replica: Replica) {
    const { session, id } = await replica.sessions.create(loginOf('alice', { kind: 'cli', device: 'laptop' }))
    return { session, id, secret: bearerOf(replica.keyRing, id, consoleScope.authority).reveal() }
  }

  test('speaks for its session on every host, and costs no cryptography the second time', async () => {
    await using world = identityWorld()
    const replica = await world.replica()
    const { session, secret } = await cli(replica)
    const expected = { kind: 'session', session, via: 'bearer' }
    expect(replica.authenticator.peek(bearer(secret), consoleScope)).toEqual(expected)
    expect(macsDuring(replica, () => replica.authenticator.peek(bearer(secret), hostScope))).toBe(0)
    expect(await replica.authenticator.resolve(bearer(secret), hostScope)).toEqual(expected)
  })

  // List item 52, as far as it is about the token itself.
  test('ended, run out, locked, cut short or of another deployment is nobody', async () => {
    await using world = identityWorld()
    const replica = await world.replica()
    const { session, id, secret } = await cli(replica)
    const peek = (text: string) => replica.authenticator.peek(bearer(text), consoleScope)
    for (let end = 0; end < secret.length; end += 1) expect(peek(secret.slice(0, end))).toEqual(anonymous('malformed'))
    expect(peek(secret.slice('gatehouse_'.length))).toEqual(anonymous('malformed'))
    expect(peek(bearerOf(replica.keyRing, id, 'other.example.com').reveal())).toEqual(anonymous('bad-signature'))
    await replica.sessions.end(session.name, 'revoked')
    expect(peek(secret)).toEqual(anonymous('unknown-session'))
    const second = await cli(replica)
    await replica.sessions.setLocked(['alice'])
    expect(peek(second.secret)).toEqual(anonymous('locked'))
    await replica.sessions.setLocked([])
    const third = await cli(replica)
    await world.clock.advance(hour)
    expect(peek(third.secret)).toEqual(anonymous('expired'))
  })

  test("is no cookie, and a browser's id is no bearer", async () => {
    await using world = identityWorld()
    const replica = await world.replica()
    const { id } = await cli(replica)
    const browser = await loggedIn(replica)
    const asCookie = cookie(signSessionId(replica.keyRing, id, hostScope))
    expect(replica.authenticator.peek(asCookie, hostScope)).toEqual(anonymous('unknown-session'))
    const asBearer = bearer(bearerOf(replica.keyRing, browser.id, consoleScope.authority).reveal())
    expect(replica.authenticator.peek(asBearer, hostScope)).toEqual(anonymous('unknown-session'))
    expect(replica.authenticator.peek(bearer(browser.value), hostScope)).toEqual(anonymous('malformed'))
  })

  test('is looked at only when there is no cookie', async () => {
    await using world = identityWorld()
    const replica = await world.replica()
    const { secret } = await cli(replica)
    expect(replica.authenticator.peek({ cookie: `${name}=x`, bearer: secret }, consoleScope)).toEqual(
      anonymous('malformed'),
    )
    expect(replica.authenticator.peek({ cookie: 'theme=dark', bearer: secret }, consoleScope)?.kind).toBe('session')
  })
})

test('the names of cookies follow the scheme and the scope', async () => {
  await using world = identityWorld()
  const [secure, plain] = [await world.replica(), await world.replica({ cookies: http })]
  const pathScope: CookieScope = { kind: 'workspace', authority: 'workspaces.localhost:8800', path: '/workspaces/a/b/' }
  expect(secure.authenticator.cookieName(hostScope)).toBe('__Host-gatehouse')
  expect(secure.authenticator.cookieName(pathScope)).toBe('__Secure-gatehouse')
  expect(plain.authenticator.cookieName(hostScope)).toBe('gatehouse-8800')
  expect(plain.authenticator.cookieName(pathScope)).toBe('gatehouse-ws-8800')
  expect(plain.authenticator.isOwnCookie('__Host-gatehouse')).toBe(true)
})

test('the id for a hand-over comes from a live session of this scope alone', async () => {
  await using world = identityWorld()
  const replica = await world.replica({ cookies: https })
  const { session, id } = await replica.sessions.create(loginOf('alice'))
  const idOf = (value: string): SessionId | undefined =>
    replica.authenticator.sessionIdOf(`${name}=junk; ${name}=${value}`, consoleScope)
  expect(idOf(signSessionId(replica.keyRing, id, consoleScope))).toBe(id)
  expect(idOf(signSessionId(replica.keyRing, id, hostScope))).toBeUndefined()
  await replica.sessions.end(session.name, 'logged-out')
  expect(idOf(signSessionId(replica.keyRing, id, consoleScope))).toBeUndefined()
})

test('nothing that could be replayed gets into a log', async () => {
  await using world = identityWorld()
  const replica = await world.replica()
  const { id, value } = await loggedIn(replica)
  using _down = replica.resources.fail('get', 'list', 'watch')
  const unknown = signSessionId(replica.keyRing, newSessionId(), hostScope)
  await replica.authenticator.resolve(cookie(unknown), hostScope)
  await replica.authenticator.resolve(cookie(value, unknown.replace(/^.{8}/, '00000000')), hostScope)
  expect(world.lines.length).toBeGreaterThan(0)
  for (const secret of [id, value, ...unknown.split('.').slice(1)]) expect(world.lines.join('')).not.toContain(secret)
})
