import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { CookieScope } from '#identity/authentication.ts'
import {
  clearSessionCookie,
  isOwnCookie,
  ownCookiePlace,
  sessionCookieName,
  setSessionCookie,
} from '#identity/cookie-names.ts'
import {
  bearerOf,
  newSessionCookie,
  pickSessionCookie,
  type SignedScope,
  signSessionId,
  verifySessionValue,
} from '#identity/session-cookie.ts'
import { newSessionId, parseSessionId, parseSessionName, sessionNameOf } from '#identity/session-id.ts'
import { consoleScope, hostScope, https, identityWorld, loginOf } from '#test/support/identity-world.ts'

const http = { externalScheme: 'http', externalPort: 8800 } as const
const pathScope: CookieScope = {
  kind: 'workspace',
  authority: 'workspaces.ws.example.com',
  path: '/workspaces/team/nb/',
}

/** Scopes close to each other: shared prefixes, moved borders, other kinds. */
const scope: fc.Arbitrary<SignedScope> = fc.oneof(
  fc.record({
    kind: fc.constantFrom('console' as const, 'workspace' as const),
    authority: fc.constantFrom('a.example', 'a.example:8800', 'a.example/', 'b.a.example', ''),
    path: fc.constantFrom('/', '/workspaces/a/foo/', '/workspaces/a/foobar/', '8800/', '"],"'),
  }),
  fc.record({
    kind: fc.constant('cli' as const),
    authority: fc.constantFrom('a.example', ''),
    path: fc.constant('/' as const),
  }),
)

describe('the value', () => {
  test('verifies in its own scope and in no other', async () => {
    await using world = identityWorld()
    const { keyRing } = await world.replica()
    fc.assert(
      fc.property(scope, scope, (own, other) => {
        const id = newSessionId()
        const value = signSessionId(keyRing, id, own)
        expect(verifySessionValue(keyRing, value, own)).toMatchObject({ kind: 'verified', id })
        const isSame = own.kind === other.kind && own.authority === other.authority && own.path === other.path
        if (!isSame) expect(verifySessionValue(keyRing, value, other)).toEqual({ kind: 'bad-signature' })
      }),
    )
  })

  test('verifies in no scope whose parts only read the same in a row', async () => {
    await using world = identityWorld()
    const { keyRing } = await world.replica()
    const alike: readonly SignedScope[] = [
      { kind: 'workspace', authority: 'a', path: '/b/' },
      { kind: 'workspace', authority: 'a/', path: 'b/' },
      { kind: 'workspace', authority: 'a/b', path: '/' },
      { kind: 'console', authority: 'a', path: '/b/' },
      { kind: 'console', authority: 'a/b', path: '/' },
      { kind: 'cli', authority: 'a/b', path: '/' },
    ]
    for (const own of alike) {
      const value = signSessionId(keyRing, newSessionId(), own)
      const good = alike.filter((other) => verifySessionValue(keyRing, value, other).kind === 'verified')
      expect(good).toEqual([own])
    }
  })

  test('never verifies once a bit is flipped, a character lost or added', async () => {
    await using world = identityWorld()
    const { keyRing } = await world.replica()
    const value = signSessionId(keyRing, newSessionId(), hostScope)
    const kindOf = (text: string) => verifySessionValue(keyRing, text, hostScope).kind
    expect(kindOf(value)).toBe('verified')
    for (let at = 0; at < value.length; at += 1) {
      expect(kindOf(value.slice(0, at))).toBe('malformed')
      expect(kindOf(value.slice(0, at) + value.slice(at + 1))).toBe('malformed')
      for (let bit = 0; bit < 8; bit += 1) {
        const flipped = String.fromCharCode(value.charCodeAt(at) ^ (1 << bit))
        expect(kindOf(value.slice(0, at) + flipped + value.slice(at + 1))).not.toBe('verified')
      }
    }
    for (const extra of ['A', '=', '.', ' ', '\n', '\u0000']) expect(kindOf(value + extra)).toBe('malformed')
  })

  test('no two parts of two good values make a third', async () => {
    await using world = identityWorld()
    const { keyRing } = await world.replica()
    const [one, two] = [newSessionId(), newSessionId()].map((id) => signSessionId(keyRing, id, hostScope).split('.'))
    const mixed = [one?.[0], two?.[1], one?.[2]].join('.')
    expect(verifySessionValue(keyRing, mixed, hostScope)).toEqual({ kind: 'bad-signature' })
  })

  test('whatever comes from outside is refused, and never throws', async () => {
    await using world = identityWorld()
    const { keyRing } = await world.replica()
    const { kid } = keyRing.current()
    const part = fc.oneof(fc.string(), fc.constant(kid), fc.stringMatching(/^[A-Za-z0-9_-]{43}$/))
    fc.assert(
      fc.property(fc.array(part, { maxLength: 4 }), (parts) => {
        expect(verifySessionValue(keyRing, parts.join('.'), hostScope).kind).not.toBe('verified')
      }),
    )
  })

  test('one of another ring is of an unknown key', async () => {
    await using world = identityWorld()
    await using elsewhere = identityWorld()
    const [here, there] = [await world.replica(), await elsewhere.replica()]
    const value = signSessionId(there.keyRing, newSessionId(), hostScope)
    expect(verifySessionValue(here.keyRing, value, hostScope)).toMatchObject({ kind: 'unknown-key' })
    const renamed = here.keyRing.current().kid + value.slice(8)
    expect(verifySessionValue(here.keyRing, renamed, hostScope)).toEqual({ kind: 'bad-signature' })
  })

  test('does not say the name under which the session is kept', async () => {
    const id = newSessionId()
    expect(parseSessionId(id)).toBe(id)
    expect(parseSessionName(sessionNameOf(id))).toBe(sessionNameOf(id))
    expect(sessionNameOf(id)).toMatch(/^[a-z2-7]{52}$/)
    expect(parseSessionName(id)).toBeUndefined()
    expect(sessionNameOf(newSessionId())).not.toBe(sessionNameOf(id))
  })
})

describe('the cookie', () => {
  test('on HTTPS has a prefix that no sibling host can set, HttpOnly, Secure, SameSite=Lax and no Domain', () => {
    expect(setSessionCookie(https, hostScope, 'v', 43_200)).toBe(
      '__Host-gatehouse=v; Path=/; Max-Age=43200; HttpOnly; Secure; SameSite=Lax',
    )
    expect(setSessionCookie(https, pathScope, 'v', 43_200)).toBe(
      '__Secure-gatehouse=v; Path=/workspaces/team/nb/; Max-Age=43200; HttpOnly; Secure; SameSite=Lax',
    )
    expect(clearSessionCookie(https, hostScope)).toBe(
      '__Host-gatehouse=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax',
    )
  })

  test('on plain HTTP carries the port in its name, because cookies of localhost reach every port', () => {
    expect(setSessionCookie(http, hostScope, 'v', 1)).toBe(
      'gatehouse-8800=v; Path=/; Max-Age=1; HttpOnly; SameSite=Lax',
    )
    expect(sessionCookieName(http, pathScope)).toBe('gatehouse-ws-8800')
    expect(sessionCookieName({ ...http, externalPort: 9900 }, hostScope)).toBe('gatehouse-9900')
  })

  test('[JK11.1] that a login sets is __Host- or path-scoped, HttpOnly, Secure and SameSite=Lax, with a value that verifies', async () => {
    await using world = identityWorld()
    const { keyRing, sessions } = await world.replica()
    const { session, id } = await sessions.create(loginOf('alice'))
    const by = { keyRing, cookies: https, clock: world.clock }
    for (const scope of [consoleScope, hostScope, pathScope]) {
      const [pair = '', ...attributes] = newSessionCookie(by, session, id, scope).split('; ')
      const [name, value = ''] = pair.split('=')
      expect(name).toBe(scope === pathScope ? '__Secure-gatehouse' : '__Host-gatehouse')
      expect(attributes).toEqual([`Path=${scope.path}`, 'Max-Age=43200', 'HttpOnly', 'Secure', 'SameSite=Lax'])
      expect(verifySessionValue(keyRing, value, scope)).toMatchObject({ kind: 'verified', id })
    }
  })

  test('lives as long as the session can', async () => {
    await using world = identityWorld()
    const { keyRing, sessions } = await world.replica()
    const { session, id } = await sessions.create(loginOf('alice'))
    await world.clock.advance(1_000)
    const by = { keyRing, cookies: https, clock: world.clock }
    expect(newSessionCookie(by, session, id, consoleScope)).toContain('; Max-Age=43199;')
  })

  test('every name that Gatehouse sets is its own, in any case of letters; names beside it are not', () => {
    for (const policy of [https, http, { ...http, externalPort: 443 }]) {
      expect(isOwnCookie(sessionCookieName(policy, hostScope))).toBe(true)
      expect(isOwnCookie(sessionCookieName(policy, pathScope))).toBe(true)
      expect(isOwnCookie(ownCookiePlace(policy, 'nonce-x').name)).toBe(true)
    }
    for (const name of ['__host-gatehouse', '__HOST-Gatehouse-state-1', '__secure-GATEHOUSE', 'Gatehouse-8800']) {
      expect(isOwnCookie(name)).toBe(true)
    }
    for (const name of ['', '_xsrf', 'gatehouse', 'my-gatehouse-8800', '__Host-other', 'username-localhost-8888']) {
      expect(isOwnCookie(name)).toBe(false)
    }
  })

  test('of one name all are looked at, four at most, and of no other name any', () => {
    const raw = '__Host-gatehouse=a; gatehouse=x; __host-gatehouse=y; __Host-gatehouse=b; __Host-gatehouse-1=z'
    expect(pickSessionCookie(raw, '__Host-gatehouse')).toEqual(['a', 'b'])
    const many = Array.from({ length: 1_000 }, (_, index) => `__Host-gatehouse=${index}`).join('; ')
    expect(pickSessionCookie(many, '__Host-gatehouse')).toEqual(['0', '1', '2', '3'])
    expect(pickSessionCookie(undefined, '__Host-gatehouse')).toEqual([])
  })
})

test("a command line's secret has a prefix that scanners find, prints as [redacted], and is good as a cookie nowhere", async () => {
  await using world = identityWorld()
  const { keyRing } = await world.replica()
  const secret = bearerOf(keyRing, newSessionId(), consoleScope.authority)
  expect(`${secret}`).toBe('[redacted]')
  expect(secret.reveal()).toMatch(/^gatehouse_[0-9a-f]{8}\.[\w-]{43}\.[\w-]{43}$/)
  const value = secret.reveal().slice('gatehouse_'.length)
  expect(verifySessionValue(keyRing, value, { ...consoleScope, kind: 'cli', path: '/' }).kind).toBe('verified')
  expect(verifySessionValue(keyRing, value, consoleScope).kind).toBe('bad-signature')
})
