/** Logout tokens come over a public address: only the issuer's own ends a session (OpenID Connect Back-Channel Logout 1.0 section 2.6). */
import { randomUUID } from 'node:crypto'
import { SignJWT, UnsecuredJWT } from 'jose'
import { describe, expect, test } from 'vitest'
import type { Claims } from '#identity/claims.ts'
import { paths } from '#surface/urls.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { newSigningKey } from '#test/support/faulty-issuer.ts'
import {
  type FaultyIssuerWorld,
  type FaultyIssuerWorldOptions,
  faultyIssuerWorld,
} from '#test/support/faulty-issuer-world.ts'
import { type PlainRequest, plainRequest } from '#test/support/plain-request.ts'
import { openSocket } from '#test/support/workspace-socket.ts'

const event = 'http://schemas.openid.net/event/backchannel-logout'
const otherKey = newSigningKey()

/** Alice is logged in by a login that the issuer calls `sid-1`. */
async function scene(options: FaultyIssuerWorldOptions = {}) {
  const made = await faultyIssuerWorld(options)
  const browser = made.world.browser()
  await made.logIn({ claims: (claims) => ({ ...claims, sid: 'sid-1' }) }, browser)
  expect(made.sessions()).toHaveLength(1)
  const to = `${made.world.origin}${paths.backchannelLogout}`
  const send = (token: string, more: Partial<PlainRequest> = {}) =>
    plainRequest(to, {
      method: 'POST',
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ logout_token: token }).toString(),
      ...more,
    })
  return { made, browser, to, send, [Symbol.asyncDispose]: () => made[Symbol.asyncDispose]() }
}

function goodClaims({ issuer }: FaultyIssuerWorld, more: Claims = {}): Claims {
  const iat = Math.floor(Date.now() / 1000)
  const about = { iss: issuer.url, aud: issuer.clientId, sub: 'sub-alice', sid: 'sid-1' }
  return { ...about, iat, exp: iat + 120, jti: randomUUID(), events: { [event]: {} }, ...more }
}

describe('a logout token is refused and ends nothing', () => {
  const now = () => Math.floor(Date.now() / 1000)
  const contents: readonly (readonly [string, () => Claims])[] = [
    ['token_issuer', () => ({ iss: 'https://evil.test' })],
    ['token_issuer', () => ({ iss: undefined })],
    ['token_audience', () => ({ aud: 'another-client' })],
    ['token_audience', () => ({ aud: [] })],
    ['token_audience', () => ({ aud: undefined })],
    ['token_authorized_party', () => ({ azp: 'another-client' })],
    ['event_missing', () => ({ events: undefined })],
    ['event_missing', () => ({ events: {} })],
    ['event_missing', () => ({ events: { 'http://schemas.openid.net/event/other': {} } })],
    ['event_missing', () => ({ events: { [event]: 'yes' } })],
    ['event_missing', () => ({ events: [event] })],
    ['nonce_present', () => ({ nonce: 'n' })],
    ['jti_missing', () => ({ jti: undefined })],
    ['jti_missing', () => ({ jti: '' })],
    ['nobody_named', () => ({ sub: undefined, sid: undefined })],
    ['nobody_named', () => ({ sub: '', sid: '' })],
    ['nobody_named', () => ({ sub: ['sub-alice'], sid: { toString: 'sid-1' } })],
    ['token_claim_missing', () => ({ iat: undefined })],
    ['token_claim_missing', () => ({ exp: undefined })],
    ['token_expired', () => ({ iat: now() - 420, exp: now() - 360 })],
    ['token_issued_in_future', () => ({ iat: now() + 390, exp: now() + 500 })],
    ['too_old', () => ({ iat: now() - 601, exp: now() + 60 })],
  ]

  test('#49 that is about another issuer, client or event, is an ID token, or is too old', async () => {
    await using s = await scene()
    for (const [reason, change] of contents) {
      const claims = { ...goodClaims(s.made), ...change() }
      const lines = s.made.world.lines.length
      const answer = await s.send(await s.made.issuer.sign(claims))
      expect(answer.status, reason).toBe(400)
      expect(answer.body).not.toContain(reason)
      expect(s.made.world.lines.slice(lines).map((line) => JSON.parse(line).reason)).toContain(`logout:${reason}`)
      expect(s.made.sessions()).toHaveLength(1)
    }
    expect((await s.browser.navigate(`${s.made.world.origin}/`)).status).toBe(200)
  })

  test('#49 that is unsigned, signed by a secret that everybody knows, by another key or as another kind of token', async () => {
    await using s = await scene()
    const { key, sign } = s.made.issuer
    const claims = { ...goodClaims(s.made) }
    const publicKey = Buffer.from(key.publicKey.export({ type: 'spki', format: 'pem' }))
    const [head, body] = (await sign(claims)).split('.')
    const tokens = [
      new UnsecuredJWT(claims).encode(),
      `${new UnsecuredJWT(claims).encode()}c2ln`,
      await new SignJWT(claims).setProtectedHeader({ alg: 'HS256', kid: key.kid }).sign(publicKey),
      await new SignJWT(claims).setProtectedHeader({ alg: 'RS512', kid: key.kid }).sign(key.privateKey),
      await sign(claims, otherKey),
      await sign(claims, otherKey, { kid: key.kid }),
      await sign(claims, key, { typ: 'at+jwt' }),
      await sign(claims, key, { typ: 'dpop+jwt' }),
      `${head}.${body}.`,
      `${head}.${body}`,
      ...['', 'x', '..', 'a.b.c', 'x'.repeat(20_000)],
    ]
    for (const token of tokens) {
      expect((await s.send(token)).status, token.slice(0, 40)).toBe(400)
      expect(s.made.sessions()).toHaveLength(1)
    }
    const body2 = new URLSearchParams([['logout_token', await sign(claims, otherKey)]]).toString()
    expect((await s.send('', { body: body2, headers: { 'Content-Type': 'text/plain' } })).status).toBe(415)
    expect((await s.send('x'.repeat(70_000))).status).toBe(413)
    expect(s.made.sessions()).toHaveLength(1)
  })

  test('#49 that comes by GET or in the query', async () => {
    await using s = await scene()
    const token = await s.made.issuer.sign(goodClaims(s.made))
    const inQuery = `${s.to}?logout_token=${token}`
    expect((await plainRequest(inQuery)).status).toBe(405)
    expect((await plainRequest(inQuery, { headers: { Accept: 'text/html' } })).status).toBe(405)
    const headers = { 'Content-Type': 'application/x-www-form-urlencoded' }
    expect((await plainRequest(inQuery, { method: 'POST', headers, body: '' })).status).toBe(400)
    expect(s.made.sessions()).toHaveLength(1)
  })
})

test('#49 a good one is a 200 that ends the session and its sockets, and is good once, on every replica', async () => {
  await using s = await scene()
  const { world } = s.made
  const { url } = await world.workspace({ name: 'nb', owner: 'alice' })
  const other = await world.replica()
  await s.browser.open(url)
  using socket = await openSocket(s.browser, url)
  const token = await s.made.issuer.sign(goodClaims(s.made), undefined, { typ: 'logout+jwt' })
  const answer = await s.send(token)
  expect([answer.status, answer.body, answer.headers['cache-control']]).toEqual([200, '', 'no-store'])
  expect(await socket.closed).toMatchObject({ code: 1008 })
  expect(s.made.sessions()).toEqual([])

  await s.made.logIn({ claims: (claims) => ({ ...claims, sid: 'sid-1' }) })
  for (const port of [world.port, other.port]) expect((await s.send(token, { port })).status).toBe(400)
  expect(s.made.sessions()).toHaveLength(1)
})

test('#49 one about another login, another person, or nobody known here is a 200 and ends nothing', async () => {
  await using s = await scene()
  for (const about of [
    { sid: 'sid-2' },
    { sub: 'sub-bob' },
    { sub: 'sub-bob', sid: 'sid-1' },
    { sub: undefined, sid: 'sid-9' },
  ]) {
    expect((await s.send(await s.made.issuer.sign(goodClaims(s.made, about)))).status).toBe(200)
    expect(s.made.sessions()).toHaveLength(1)
  }
  expect((await s.send(await s.made.issuer.sign(goodClaims(s.made, { sid: undefined })))).status).toBe(200)
  expect(s.made.sessions()).toEqual([])
})

test('#49 one that can’t be checked, because the issuer’s keys can’t be had, is a 503 and may come again', async () => {
  const clock = fakeClock()
  await using s = await scene({ clock })
  const token = await s.made.issuer.sign(goodClaims(s.made))
  await clock.advance(11 * 60_000)
  s.made.issuer.faults = { answer: (path, response) => path === '/jwks' && response.writeHead(500).end() !== undefined }
  const fresh = await s.made.issuer.sign(goodClaims(s.made))
  const answer = await s.send(fresh)
  expect([answer.status, answer.headers['retry-after']]).toEqual([503, '5'])
  expect(s.made.sessions()).toHaveLength(1)
  s.made.issuer.faults = {}
  expect((await s.send(token)).status).toBe(400)
  expect((await s.send(fresh)).status).toBe(200)
  expect(s.made.sessions()).toEqual([])
})
