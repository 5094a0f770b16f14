import { expect, test } from 'vitest'
import type { CookieScope } from '#identity/authentication.ts'
import { signedScopeOf, tieTo } from '#identity/browser-tie.ts'
import { signSessionId } from '#identity/session-cookie.ts'
import { consoleScope, hostScope, https, identityWorld, loginOf } from '#test/support/identity-world.ts'

const pathScope: CookieScope = { kind: 'workspace', authority: 'workspaces.example.com', path: '/workspaces/team/nb/' }
const http = { externalScheme: 'http', externalPort: 8800 } as const

/** What a browser that took these sends. */
const sentOf = (setCookies: readonly string[]) => setCookies.map((text) => text.split(';', 1)[0]).join('; ')

test('in path mode a session cookie is good only beside the cookie of the browser that it was given to', async () => {
  await using world = identityWorld()
  const replica = await world.replica()
  const give = async (username: string) => {
    const { session, id } = await replica.sessions.create(loginOf(username))
    const tied = tieTo(https, pathScope, undefined)
    return {
      session,
      own: `__Secure-gatehouse=${signSessionId(replica.keyRing, id, tied.scope)}`,
      browser: sentOf(tied.setCookies),
    }
  }
  const [alice, bob] = [await give('alice'), await give('bob')]
  const peek = (...cookies: readonly string[]) =>
    replica.authenticator.peek({ cookie: cookies.join('; '), bearer: undefined }, pathScope)
  const asAlice = { kind: 'session', session: alice.session, via: 'cookie' }
  expect(peek(alice.own, alice.browser)).toEqual(asAlice)
  expect(peek(alice.own)).toEqual({ kind: 'anonymous', reason: 'none' })
  // Planted by a sibling host, which can't set a cookie with the prefix.
  expect(peek(bob.own, alice.browser)).toEqual({ kind: 'anonymous', reason: 'bad-signature' })
  for (const cookies of [
    [bob.own, alice.own, alice.browser],
    [alice.own, bob.own, alice.browser],
  ]) {
    expect(peek(...cookies)).toEqual(asAlice)
  }
  expect(peek(alice.own, alice.browser, bob.browser)).toEqual({ kind: 'anonymous', reason: 'none' })
})

test('a browser keeps its tie from hand-over to hand-over; one that is malformed is replaced', () => {
  const first = tieTo(https, pathScope, undefined)
  expect(first.setCookies).toEqual([
    expect.stringMatching(
      /^__Host-gatehouse-browser=[\w-]{43}; Path=\/; Max-Age=2592000; HttpOnly; Secure; SameSite=Lax$/,
    ),
  ])
  const sent = sentOf(first.setCookies)
  expect(tieTo(https, { ...pathScope, path: '/workspaces/team/other/' }, sent).setCookies).toEqual(first.setCookies)
  expect(tieTo(https, pathScope, `${sent}x`).setCookies).not.toEqual(first.setCookies)
})

test('where a prefix protects the cookie, and where none could, nothing is tied', () => {
  for (const [policy, scope] of [
    [https, hostScope],
    [https, consoleScope],
    [http, pathScope],
  ] as const) {
    expect(tieTo(policy, scope, undefined)).toEqual({ scope, setCookies: [] })
    expect(signedScopeOf(policy, scope, undefined)).toBe(scope)
  }
})
