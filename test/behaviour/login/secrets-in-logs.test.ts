import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { keyRingKind } from '#identity/key-ring-record.ts'
import { api, openPath, paths } from '#surface/urls.ts'
import type { ScriptedBrowser } from '#test/support/browser-session.ts'
import { callbackOf, changed } from '#test/support/callback.ts'
import { commandLine, decide } from '#test/support/command-line-login.ts'
import { headersOf } from '#test/support/echo-app.ts'
import { newSigningKey } from '#test/support/faulty-issuer.ts'
import { faultyIssuerWorld } from '#test/support/faulty-issuer-world.ts'
import { plainRequest } from '#test/support/plain-request.ts'
import { openSocket, refusedSocket } from '#test/support/workspace-socket.ts'
import { createWorld, type World } from '#test/support/world.ts'
import { cookieFor, share, withBob } from '../gateway/scene.ts'

/** Everything that must stay out of logs, by what it is. */
class Secrets {
  readonly #known = new Map<string, string>()

  add(what: string, ...values: readonly (string | null | undefined)[]): void {
    for (const value of values) if (value && value.length >= 8) this.#known.set(value, what)
  }

  /** What a browser has at this moment, and what was in the addresses on its way there. */
  of(browser: ScriptedBrowser): void {
    for (const { name, value } of browser.cookies.all()) this.add(`cookie ${name}`, value, ...partsOf(value))
    for (const { searchParams } of [...browser.history, ...(browser.page.redirect ? [browser.page.redirect] : [])]) {
      for (const name of ['code', 'state', 'nonce', 'ticket', 'code_challenge', 'id_token_hint', 'logout_token'])
        this.add(name, searchParams.get(name))
    }
    for (const { fields } of browser.page.forms) this.add('form', fields.get('form'), fields.get('xsrf'))
  }

  get count(): number {
    return this.#known.size
  }

  /** Those of which a piece of 20 characters (or all, of shorter ones) stands in a line. */
  in(lines: readonly string[]): readonly string[] {
    const text = lines.join('')
    return [...this.#known]
      .filter(([value]) => piecesOf(value).some((piece) => text.includes(piece)))
      .map(([, what]) => what)
  }
}

/** Without the names of keys, which are no secret. */
function partsOf(sealed: string): readonly string[] {
  return sealed.split('.').filter((part) => part.length > 20)
}

function piecesOf(secret: string): readonly string[] {
  const spellings = [secret, encodeURIComponent(secret)]
  return spellings.flatMap((text) =>
    text.length <= 20
      ? [text]
      : Array.from({ length: Math.floor((text.length - 20) / 10) + 1 }, (_, index) =>
          text.slice(index * 10, index * 10 + 20),
        ),
  )
}

async function keysOf({ resources }: World): Promise<readonly string[]> {
  const { items } = await resources.list(keyRingKind)
  return items.flatMap(({ spec }) => spec.keys.map(({ secret }) => secret))
}

function tokensOf({ open }: World): readonly (string | undefined)[] {
  const { sessions } = open.identities
  return sessions
    .find(() => true)
    .flatMap((record) => {
      const { idToken, refreshToken } = sessions.tokens(record)
      return [idToken?.reveal(), refreshToken?.reveal(), record.spec.refreshToken, record.spec.idToken]
    })
}

test('no cookie, code, state, ticket, password, token, assertion, verifier or key is in any line of the log or of the audit trail', async () => {
  const secrets = new Secrets()
  await using world = await createWorld()
  const { url, ref, app } = await world.workspace({ name: 'nb', owner: 'alice' })
  secrets.add('client secret', world.identityProvider.clientSecret.reveal())
  secrets.add('password', world.identityProvider.password, 'a password of mine, mistyped')

  // Logins: begun, mistyped, tampered with, finished, replayed.
  const alice = world.browser()
  await alice.open(`${url}lab?token=${'of-the-app-'.repeat(3)}`)
  secrets.of(alice)
  await alice.submit({ username: 'alice', password: 'a password of mine, mistyped' })
  const callback = await callbackOf(world, alice, 'alice')
  secrets.of(alice)
  for (const change of [{ state: 'x' }, { iss: 'https://evil.test' }, { code: 'invented' }]) {
    const other = world.browser()
    secrets.add('code', callback.searchParams.get('code'))
    const theirs = await callbackOf(world, other, 'bob')
    await other.open(changed(theirs, change))
    secrets.of(other)
  }
  await alice.open(callback)
  secrets.of(alice)
  await alice.navigate(callback)

  // Hand-overs: followed, replayed, changed.
  await alice.navigate(`${url}lab`)
  for (let hops = 0; hops < 3 && alice.page.redirect; hops += 1) {
    secrets.of(alice)
    const { redirect } = alice.page
    if (redirect.searchParams.has('ticket')) await world.browser().navigate(changed(redirect, { ticket: 'forged' }))
    await alice.navigate(redirect)
    if (redirect.searchParams.has('ticket')) await world.browser().navigate(redirect)
  }
  await alice.open(url)
  secrets.of(alice)

  // At work: requests, sockets, shares, an app that breaks, an app that is gone, cookies that are nobody's.
  using socket = await openSocket(alice, url)
  expect(String(await socket.ask('x'))).toBe('x')
  await share(world, alice, ref, withBob)
  const headers = cookieFor(alice, url)
  app.answer = (request) => {
    const isBroken = request.url?.includes('broken') === true
    if (isBroken) request.socket.destroy()
    return isBroken
  }
  const appToken = `token ${randomBytes(24).toString('hex')}`
  secrets.add('token of the app', appToken.slice(6))
  expect(
    (
      await plainRequest(`${url}broken?token=${appToken.slice(6)}`, {
        headers: { ...headers, Authorization: appToken },
      })
    ).status,
  ).toBe(502)
  await plainRequest(url, { headers: { Cookie: `${headers.Cookie}x`, Authorization: appToken } })
  await refusedSocket(undefined, `${url}?token=${appToken.slice(6)}`, {
    headers: { Cookie: headers.Cookie ?? '', Origin: 'https://evil.test' },
  })
  await plainRequest(`${url}a%zz?token=${appToken.slice(6)}`, { headers })
  await plainRequest(`${world.origin}${openPath(ref)}?to=/x?token=${appToken.slice(6)}`, {
    headers: cookieFor(alice, world.origin),
  })

  // A command line: its login, its bearer, its code used twice.
  await using cli = await commandLine(world)
  await alice.open(cli.url)
  secrets.of(alice)
  await decide(alice, 'allow')
  secrets.of(alice)
  secrets.add('verifier', cli.verifier)
  secrets.add('state', cli.state)
  secrets.add('code', cli.answers[0]?.get('code'))
  await cli.exchange({ verifier: `${cli.verifier}x` })
  const { secret } = JSON.parse((await cli.exchange()).body)
  secrets.add('bearer', secret, ...partsOf(secret))
  for (const Authorization of [
    `Bearer ${secret}`,
    `Bearer ${secret}x`,
    `Basic ${Buffer.from(`alice:${secret}`).toString('base64')}`,
  ]) {
    secrets.add('authorization', Authorization.split(' ')[1])
    await plainRequest(world.origin + api.whoami, { headers: { Authorization } })
    await plainRequest(url, { headers: { Authorization } })
  }
  secrets.add('sealed token, token', ...tokensOf(world))
  secrets.add('assertion', ...app.requests.flatMap((echo) => headersOf(echo, 'X-Gatehouse-Assertion')))
  secrets.add('key', ...(await keysOf(world)))
  await cli.exchange()

  // Ends: forged and real, and an issuer that is away.
  const forged = `${Buffer.from(JSON.stringify({ alg: 'none' })).toString('base64url')}.${randomBytes(30).toString('base64url')}.`
  secrets.add('logout token', forged)
  await plainRequest(world.origin + paths.backchannelLogout, {
    method: 'POST',
    headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    body: `logout_token=${forged}`,
  })
  await world.identityProvider.admin.stopListening()
  // It was alive a moment ago, so the browser may be sent where nobody answers.
  await world
    .browser()
    .open(url)
    .catch(() => undefined)
  await alice.open(`${world.origin}${paths.logout}`)

  expect(secrets.count).toBeGreaterThan(60)
  const said = world.lines.join('')
  for (const message of [
    'a login was refused',
    'ticket:wrong-nonce',
    'a code was refused',
    'a logout token was refused',
    'a request could not be forwarded',
    '"event":"login"',
  ])
    expect(said).toContain(message)
  expect(secrets.in(world.lines)).toEqual([])
  // The search does find what is there.
  const [key = ''] = await keysOf(world)
  expect(secrets.in([`{"x":"${key.slice(5, 35)}"}`])).toEqual(['key'])
})

test('nor is anything that an issuer gives or gets, whatever goes wrong there', async () => {
  const secrets = new Secrets()
  await using made = await faultyIssuerWorld()
  const { world, issuer } = made
  const tokens: string[] = []
  const sign = async (
    claims: Parameters<typeof issuer.sign>[0],
    ...more: readonly [key?: typeof issuer.key, header?: object]
  ) => {
    const token = await issuer.sign(claims, ...more)
    tokens.push(token)
    return token
  }
  const seen = (form: URLSearchParams) => {
    for (const name of ['code', 'code_verifier', 'refresh_token']) secrets.add(name, form.get(name))
    return undefined
  }
  const stranger = newSigningKey()
  const secretClaim = randomBytes(24).toString('hex')
  secrets.add('claim', secretClaim)
  const faults = [
    { sign },
    { sign: (claims: object) => sign({ ...claims }, stranger, { kid: issuer.key.kid }) },
    { sign: (claims: object) => sign({ ...claims, nonce: secretClaim }) },
    { sign: (claims: object) => sign({ ...claims, aud: secretClaim }) },
    { sign: (claims: object) => sign({ ...claims, preferred_username: `system:${secretClaim}` }) },
    { sign: async () => `x.${secretClaim}.y` },
  ]
  for (const fault of faults) {
    const browser = world.browser()
    await made.logIn({ ...fault, token: seen }, browser)
    secrets.of(browser)
  }
  const answered = {
    access_token: secretClaim,
    token_type: 'Bearer',
    error: 'invalid_grant',
    error_description: secretClaim,
  }
  for (const [status, body] of [
    [400, answered],
    [401, answered],
    [500, answered],
    [200, answered],
    [200, { id_token: secretClaim }],
  ] as const)
    await made.logIn({ token: (form) => seen(form) ?? { status, body } })
  secrets.add('ID token', ...tokens)
  secrets.add('kept token', ...tokensOf(world))
  expect(made.sessions().length).toBeGreaterThan(0)
  expect(secrets.count).toBeGreaterThan(20)
  expect(world.lines.join('')).toContain('token_signature')
  expect(secrets.in(world.lines)).toEqual([])
})
