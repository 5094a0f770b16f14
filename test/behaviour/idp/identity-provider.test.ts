import * as oidc from 'openid-client'
import { Agent, fetch } from 'undici'
import { describe, expect, test } from 'vitest'
import type { KeyValueTable } from '#idp/table.ts'
import { localhostLookup } from '#lib/localhost-lookup.ts'
import { createScriptedBrowser } from '#test/support/browser-session.ts'
import { freePort } from '#test/support/free-port.ts'
import { type TestIdentityProvider, testIdentityProvider } from '#test/support/identity-provider.ts'
import { storeWorld } from '#test/unit/resources/store-world.ts'

const clientOrigin = 'http://localhost:9'
const redirectUri = `${clientOrigin}/callback`
const scope = 'openid profile email offline_access'
const start = (options: { port?: number; table?: KeyValueTable } = {}) =>
  testIdentityProvider({ clientOrigin, callbackPath: '/callback', ...options })

async function clientOf(provider: TestIdentityProvider): Promise<oidc.Configuration> {
  const dispatcher = new Agent({ connect: { lookup: localhostLookup } })
  return oidc.discovery(new URL(provider.issuer), provider.clientId, provider.clientSecret.reveal(), undefined, {
    execute: [oidc.allowInsecureRequests, oidc.enableNonRepudiationChecks],
    // undici's own types of its own fetch; the global ones of Node are the same code in another version.
    [oidc.customFetch]: (url, init) => fetch(url, { ...init, dispatcher } as never) as never,
  })
}

async function authorizationUrl(client: oidc.Configuration, verifier: string, extra: Record<string, string> = {}) {
  return oidc.buildAuthorizationUrl(client, {
    redirect_uri: redirectUri,
    scope,
    state: 'the-state',
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    ...extra,
  })
}

/** Goes on until the browser is sent to the client, which doesn't exist here. */
async function untilClient(browser: ReturnType<typeof createScriptedBrowser>): Promise<URL> {
  for (let hop = 0; hop < 10; hop++) {
    const { redirect, status, url } = browser.page
    if (!redirect) throw new Error(`no redirect from ${url}: ${status}`)
    if (redirect.origin === clientOrigin) return redirect
    await browser.navigate(redirect)
  }
  throw new Error('never sent back to the client')
}

async function login(provider: TestIdentityProvider, browser: ReturnType<typeof createScriptedBrowser>, user: string) {
  const client = await clientOf(provider)
  const verifier = oidc.randomPKCECodeVerifier()
  await browser.open(await authorizationUrl(client, verifier))
  const sent = await browser.submitOnly({ username: user, password: provider.password })
  expect(sent.status).toBe(303)
  const back = await untilClient(browser)
  const tokens = await oidc.authorizationCodeGrant(client, back, {
    pkceCodeVerifier: verifier,
    expectedState: 'the-state',
  })
  return { client, tokens }
}

describe('the embedded identity provider', () => {
  test('logs somebody in by a form, and says in the ID token who it is', async () => {
    await using provider = await start()
    const { tokens } = await login(provider, createScriptedBrowser(), 'carol')
    expect(tokens.claims()).toMatchObject({
      iss: provider.issuer,
      aud: 'gatehouse',
      preferred_username: 'carol',
      groups: ['admins'],
      email: 'carol@example.com',
      email_verified: true,
      sid: expect.any(String),
    })
    expect(tokens.refresh_token).toEqual(expect.any(String))
  })

  test('gives a changed group and a new refresh token at renewal; the old token, used again, ends the grant', async () => {
    await using provider = await start()
    const { client, tokens } = await login(provider, createScriptedBrowser(), 'bob')
    provider.admin.setGroups('bob', ['ds', 'qa'])
    const renewed = await oidc.refreshTokenGrant(client, tokens.refresh_token ?? '')
    expect(renewed.claims()?.groups).toEqual(['ds', 'qa'])
    expect(renewed.refresh_token).not.toBe(tokens.refresh_token)
    await expect(oidc.refreshTokenGrant(client, tokens.refresh_token ?? '')).rejects.toMatchObject({
      error: 'invalid_grant',
    })
    await expect(oidc.refreshTokenGrant(client, renewed.refresh_token ?? '')).rejects.toMatchObject({
      error: 'invalid_grant',
    })
  })

  test('a person whose grants were revoked gets no further token', async () => {
    await using provider = await start()
    const { client, tokens } = await login(provider, createScriptedBrowser(), 'bob')
    provider.admin.revokeGrants('bob')
    await expect(oidc.refreshTokenGrant(client, tokens.refresh_token ?? '')).rejects.toMatchObject({
      error: 'invalid_grant',
    })
  })

  test('a restart keeps logins, refresh tokens and keys, which are in the state file', async () => {
    await using stores = await storeWorld()
    const port = await freePort()
    const browser = createScriptedBrowser()
    const before = stores.open()
    const first = await start({ port, table: before.table('identity-provider') })
    const { tokens } = await login(first, browser, 'alice')
    await first[Symbol.asyncDispose]()
    await before[Symbol.asyncDispose]()
    await using second = await start({ port, table: stores.open().table('identity-provider') })
    const client = await clientOf(second)
    const renewed = await oidc.refreshTokenGrant(client, tokens.refresh_token ?? '')
    expect(renewed.claims()?.preferred_username).toBe('alice')
    await browser.navigate(await authorizationUrl(client, oidc.randomPKCECodeVerifier()))
    expect((await untilClient(browser)).searchParams.get('code')).toEqual(expect.any(String))
  })

  test('a rotated key signs the next token, and tokens of the old key still verify', async () => {
    await using provider = await start()
    const { client, tokens } = await login(provider, createScriptedBrowser(), 'alice')
    const kidOf = (token: string | undefined) =>
      JSON.parse(Buffer.from(token?.split('.')[0] ?? '', 'base64url').toString()).kid
    provider.admin.rotateKeys()
    const fresh = await clientOf(provider)
    const renewed = await oidc.refreshTokenGrant(fresh, tokens.refresh_token ?? '')
    expect(kidOf(renewed.id_token)).not.toBe(kidOf(tokens.id_token))
    const keys = await (await createScriptedBrowser().open(client.serverMetadata().jwks_uri ?? '')).body
    expect(JSON.parse(keys).keys.map((key: { kid: string }) => key.kid)).toEqual([
      kidOf(renewed.id_token),
      kidOf(tokens.id_token),
    ])
  })

  test('a wrong password and an unknown name get the same answer, and after ten tries a wait', async () => {
    await using provider = await start()
    const browser = createScriptedBrowser()
    await browser.open(await authorizationUrl(await clientOf(provider), oidc.randomPKCECodeVerifier()))
    const wrong = await browser.submit({ username: 'alice', password: 'wrong' })
    const unknown = await browser.submit({ username: 'mallory', password: provider.password })
    expect(wrong.status).toBe(401)
    expect(unknown.status).toBe(401)
    expect(unknown.body.replaceAll('mallory', 'alice')).toBe(wrong.body)
    for (let tries = 1; tries < 10; tries++) await browser.submit({ username: 'alice', password: 'wrong' })
    const tired = await browser.submit({ username: 'alice', password: provider.password })
    expect(tired.status).toBe(429)
    expect(Number(tired.headers['retry-after'])).toBeGreaterThan(0)
  })

  test('logging out with an ID token needs no second question, ends the login and its tokens, and leads back', async () => {
    await using provider = await testIdentityProvider({
      clientOrigin,
      callbackPath: '/callback',
      loggedOutPath: '/bye',
    })
    const browser = createScriptedBrowser()
    const { client, tokens } = await login(provider, browser, 'alice')
    const logout = oidc.buildEndSessionUrl(client, {
      id_token_hint: tokens.id_token ?? '',
      post_logout_redirect_uri: `${clientOrigin}/bye`,
      state: 'xyz',
    })
    await browser.navigate(logout)
    await browser.submitOnly()
    expect(browser.page.redirect?.href).toBe(`${clientOrigin}/bye?state=xyz`)
    await expect(oidc.refreshTokenGrant(client, tokens.refresh_token ?? '')).rejects.toMatchObject({
      error: 'invalid_grant',
    })
    const again = await browser.open(await authorizationUrl(client, oidc.randomPKCECodeVerifier()))
    expect(again.forms[0]?.fields.has('password')).toBe(true)
  })

  test('logging out without an ID token asks first', async () => {
    await using provider = await start()
    const browser = createScriptedBrowser()
    await login(provider, browser, 'alice')
    const page = await browser.open(`${provider.issuer}/logout`)
    expect(page.body).toContain('>Log out</button>')
    expect((await browser.submit()).body).toContain('You are logged out')
  })

  test('answers to its own name only', async () => {
    await using provider = await start()
    const page = await createScriptedBrowser().open(
      `http://localhost:${provider.port}/.well-known/openid-configuration`,
    )
    expect(page.status).toBe(421)
  })

  test('its pages load nothing, cannot be framed, and its cookies carry the port', async () => {
    await using provider = await start()
    const browser = createScriptedBrowser()
    const page = await browser.open(await authorizationUrl(await clientOf(provider), oidc.randomPKCECodeVerifier()))
    expect(page.headers['content-security-policy']).toMatch(/^default-src 'none'; .*frame-ancestors 'none'/)
    expect(page.body).not.toMatch(/(?:src|href)=/)
    expect(browser.cookies.all().length).toBeGreaterThan(0)
    for (const cookie of browser.cookies.all()) expect(cookie.name).toContain(`-${provider.port}-`)
  })

  test('a login form sent from another site is refused', async () => {
    await using provider = await start()
    const browser = createScriptedBrowser()
    const page = await browser.open(await authorizationUrl(await clientOf(provider), oidc.randomPKCECodeVerifier()))
    const answer = await browser.navigate(page.url, {
      method: 'POST',
      body: new URLSearchParams({ username: 'alice', password: provider.password }).toString(),
      headers: { Origin: 'http://evil.localhost', 'Content-Type': 'application/x-www-form-urlencoded' },
    })
    expect(answer.status).toBe(403)
  })

  test('an authorization without PKCE, or to an address that was not registered, is refused', async () => {
    await using provider = await start()
    const client = await clientOf(provider)
    const plain = oidc.buildAuthorizationUrl(client, { redirect_uri: redirectUri, scope })
    const refused = await createScriptedBrowser().navigate(plain)
    expect(refused.redirect?.searchParams.get('error')).toBe('invalid_request')
    const url = await authorizationUrl(client, oidc.randomPKCECodeVerifier(), {
      redirect_uri: 'http://evil.localhost/',
    })
    const foreign = await createScriptedBrowser().navigate(url)
    expect(foreign.status).toBe(400)
    expect(foreign.redirect).toBeUndefined()
  })

  test('ten tabs that ask at once share one login and one grant', async () => {
    await using provider = await start()
    const browser = createScriptedBrowser()
    const { client, tokens } = await login(provider, browser, 'alice')
    const urls = await Promise.all(
      Array.from({ length: 10 }, async () => {
        const verifier = oidc.randomPKCECodeVerifier()
        const tab = browser.tab()
        await tab.navigate(await authorizationUrl(client, verifier))
        return { back: await untilClient(tab), verifier }
      }),
    )
    for (const { back, verifier } of urls) {
      const more = await oidc.authorizationCodeGrant(client, back, {
        pkceCodeVerifier: verifier,
        expectedState: 'the-state',
      })
      expect(more.claims()?.sid).toBe(tokens.claims()?.sid)
    }
  })

  test('can play dead and come back', async () => {
    await using provider = await start()
    await provider.admin.stopListening()
    await expect(createScriptedBrowser().open(provider.issuer)).rejects.toThrow(/ECONNREFUSED/)
    await provider.admin.startListening()
    expect((await createScriptedBrowser().open(`${provider.issuer}/.well-known/openid-configuration`)).status).toBe(200)
  })
})
