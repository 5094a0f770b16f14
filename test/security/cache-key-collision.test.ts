/**
 * What was found out once is remembered under a key of several parts. Where the parts are only written one after the other, `a` + `bc` finds what
 * `ab` + `c` has left (CVE-2026-71326, CVE-2026-33496): a cookie accepted at one place would be at another, or one person be served as another.
 */
import { describe, expect, test } from 'vitest'
import { cookieValues } from '#http/cookies.ts'
import type { CookieScope } from '#identity/authentication.ts'
import { signSessionId } from '#identity/session-cookie.ts'
import { newSessionId } from '#identity/session-id.ts'
import { api } from '#surface/urls.ts'
import { headersOf } from '#test/support/echo-app.ts'
import { blocked, requestText, type Tenant, type Tenants, useTenants } from '#test/support/tenants.ts'

/** Places whose names only read the same in a row. */
const pairs = [
  [
    { namespace: 'team', name: 'a-b' },
    { namespace: 'team-a', name: 'b' },
  ],
  [
    { namespace: 'x', name: 'yz' },
    { namespace: 'xy', name: 'z' },
  ],
] as const

describe.each(['host', 'path'] as const)('in %s mode', (mode) => {
  const tenants = useTenants({ mode })

  const scopeOf = ({ authority, prefix }: Tenant): CookieScope => ({ kind: 'workspace', authority, path: prefix })
  const sessionCookie = ({ world }: Tenants, tenant: Tenant) => {
    const name = world.open.identities.authenticator.cookieName(scopeOf(tenant))
    const [value = ''] = cookieValues(tenant.cookie, name)
    return { name, value }
  }
  const ask = (tenant: Tenant, cookie: string, fields: readonly string[] = []) =>
    tenants().attack(requestText({ target: `${tenant.prefix}x`, host: tenant.authority, cookie, fields }))

  test('#47 workspaces whose names run together share no cookie and no decision', async () => {
    const { alice, bob, tenant } = tenants()
    for (const [first, second] of pairs) {
      const mine = await tenant({ ...first, owner: 'alice' }, alice)
      const others = await tenant({ ...second, owner: 'bob' }, bob)
      for (let round = 0; round < 3; round += 1) {
        expect((await ask(mine, mine.cookie)).status).toBe(200)
        expect((await ask(others, others.cookie)).status).toBe(200)
        for (const [at, cookie] of [
          [mine, others.cookie],
          [others, mine.cookie],
        ] as const)
          expect(await ask(at, cookie)).toMatchObject({ status: 401, upstreamBytes: 0 })
      }
      expect(new Set(mine.app.requests.flatMap((echo) => headersOf(echo, 'X-Forwarded-User')))).toEqual(
        new Set(['alice']),
      )
      expect(new Set(others.app.requests.flatMap((echo) => headersOf(echo, 'X-Forwarded-User')))).toEqual(
        new Set(['bob']),
      )
    }
  })

  test('#47 a good cookie with characters moved between it and the place where it is sent is nobody’s', async () => {
    const t = tenants()
    const { name, value } = sessionCookie(t, t.a)
    expect((await ask(t.a, `${name}=${value}`)).status).toBe(200)
    const place = `${t.a.authority}${t.a.prefix}`
    for (let length = 1; length <= place.length; length += 1) {
      const outcome = await ask(t.b, `${name}=${place.slice(-length)}${value}`)
      expect(outcome).toMatchObject({ status: 401, upstreamBytes: 0 })
    }
    for (let length = 1; length < value.length; length += 7) {
      expect(await ask(t.b, `${name}=${value.slice(length)}`)).toMatchObject({ status: 401, upstreamBytes: 0 })
    }
  })

  test('#47 two tokens of one length, or one beginning with the other, are two people', async () => {
    const t = tenants()
    const { keyRing } = t.world.open.identities
    const { name, value } = sessionCookie(t, t.a)
    const [kid = '', id = ''] = value.split('.')
    const stranger = signSessionId(keyRing, newSessionId(), scopeOf(t.a))
    for (let round = 0; round < 3; round += 1) {
      expect((await ask(t.a, `${name}=${value}`)).status).toBe(200)
      for (const other of [stranger, `${value}${id}`, value.slice(0, -1), `${kid}.${id}.${stranger.slice(-43)}`])
        expect(await ask(t.a, `${name}=${other}`)).toMatchObject({ status: 401, upstreamBytes: 0 })
    }
  })

  test('#47 a decision that let one session in is not the next one’s, in whatever order they come', async () => {
    const t = tenants()
    const { keyRing } = t.world.open.identities
    const { name, value } = sessionCookie(t, t.a)
    const { id: ofMallory } = await t.world.open.identities.sessions.create({
      kind: 'browser',
      issuer: t.world.identityProvider.issuer,
      subject: 'demo-mallory',
      identity: { kind: 'person', username: 'mallory', uid: 'demo-mallory', groups: [] },
      userAgent: '',
    })
    const mallory = signSessionId(keyRing, ofMallory, scopeOf(t.a))
    for (let round = 0; round < 3; round += 1) {
      expect((await ask(t.a, `${name}=${value}`)).status).toBe(200)
      expect(await ask(t.a, `${name}=${mallory}`)).toEqual(blocked(403, 'no-grant'))
    }
  })
})

describe('the console', () => {
  const tenants = useTenants()

  test('#47 tells each session its own name, however they take turns', async () => {
    const { world, alice, bob } = tenants()
    for (let round = 0; round < 5; round += 1) {
      const names = await Promise.all(
        [alice, bob, alice, bob].map(async (browser) => {
          const url = `${world.origin}${api.whoami}`
          const Cookie = browser.cookies.header({ url: new URL(url), isSameSite: true, isSafeNavigation: true }) ?? ''
          return JSON.parse((await browser.fetch(url, { headers: { Cookie, 'Sec-Fetch-Site': 'same-origin' } })).body)
            .username
        }),
      )
      expect(names).toEqual(['alice', 'bob', 'alice', 'bob'])
    }
  })
})
