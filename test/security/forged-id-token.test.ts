/** ID tokens that no issuer of ours has made for this login: none of them becomes a session (OpenID Connect Core 1.0 section 3.1.3.7). */
import { SignJWT, UnsecuredJWT } from 'jose'
import { expect, test } from 'vitest'
import type { Claims } from '#identity/claims.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { type Faults, type FaultyIssuer, newSigningKey, publicJwk } from '#test/support/faulty-issuer.ts'
import { type FaultyIssuerWorld, faultyIssuerWorld } from '#test/support/faulty-issuer-world.ts'

const saying = (change: Claims): Faults => ({ claims: (claims) => ({ ...claims, ...change }) })
const fromNow = (seconds: number) => Math.floor(Date.now() / 1000) + seconds
const otherKey = newSigningKey()
const ellipticKey = newSigningKey('ES256')

/** By the reason that has to stand in the log. */
type Forgery = readonly [reason: string, faults: (issuer: FaultyIssuer) => Faults]

const headed = (alg: string, key: Parameters<SignJWT['sign']>[0], kid?: string) => (claims: Claims) =>
  new SignJWT({ ...claims }).setProtectedHeader({ alg, ...(kid === undefined ? {} : { kid }) }).sign(key)

const signatures: readonly Forgery[] = [
  ['token_alg_none', () => ({ sign: async (claims) => new UnsecuredJWT({ ...claims }).encode() })],
  ['token_alg_none', () => ({ sign: async (claims) => `${new UnsecuredJWT({ ...claims }).encode()}c2lnbmF0dXJl` })],
  [
    'token_alg_symmetric',
    ({ key }) => ({
      sign: headed('HS256', Buffer.from(key.publicKey.export({ type: 'spki', format: 'pem' })), key.kid),
    }),
  ],
  ['token_alg_symmetric', ({ key }) => ({ sign: headed('HS512', Buffer.alloc(64, key.kid), key.kid) })],
  ['token_alg', ({ key }) => ({ sign: headed('RS512', key.privateKey, key.kid) })],
  ['token_signature', ({ key, sign }) => ({ sign: (claims) => sign(claims, otherKey, { kid: key.kid }) })],
  ['token_unknown_key', ({ sign }) => ({ sign: (claims) => sign(claims, otherKey) })],
  ['token_unknown_key', ({ key }) => ({ sign: headed('ES256', ellipticKey.privateKey, key.kid) })],
  [
    'token_signature',
    ({ sign }) => ({
      sign: async (claims) => {
        const [head, , signature] = (await sign(claims)).split('.')
        const mallory = Buffer.from(JSON.stringify({ ...claims, preferred_username: 'mallory' })).toString('base64url')
        return `${head}.${mallory}.${signature}`
      },
    }),
  ],
]

const contents: readonly Forgery[] = [
  ['token_issuer', () => saying({ iss: 'https://evil.test' })],
  ['token_audience', () => saying({ aud: 'another-client' })],
  ['token_audience', () => saying({ aud: ['one', 'two'], azp: 'gatehouse' })],
  ['token_audience', () => saying({ aud: [] })],
  ['token_authorized_party', () => saying({ aud: ['gatehouse', 'other'], azp: 'other' })],
  ['token_authorized_party', () => saying({ azp: 'other' })],
  ...['iss', 'sub', 'aud', 'iat', 'exp'].map(
    (claim): Forgery => ['token_claim_missing', () => saying({ [claim]: undefined })],
  ),
  ['token_expired', () => saying({ exp: fromNow(-360) })],
  ['token_issued_in_future', () => saying({ iat: fromNow(390) })],
  ['token_not_yet_valid', () => saying({ nbf: fromNow(390) })],
  ['id_token_nonce', () => saying({ nonce: undefined })],
  ['id_token_nonce', () => saying({ nonce: 'of-another-attempt' })],
  ['id_token_hash', () => saying({ at_hash: 'AAAAAAAAAAAAAAAAAAAAAA' })],
  ['id_token_hash', () => saying({ c_hash: 'AAAAAAAAAAAAAAAAAAAAAA' })],
]

/** Nobody is logged in by it, and the log and the audit trail tell why. */
async function expectRefused(made: FaultyIssuerWorld, [reason, faults]: Forgery): Promise<void> {
  const lines = made.world.lines.length
  const outcome = await made.logIn(faults(made.issuer))
  expect({ ...outcome, page: undefined }).toEqual({ page: undefined, status: 400, reason: `login:${reason}`, made: [] })
  const cookies = outcome.page.headers['set-cookie'] ?? []
  expect(cookies.filter((cookie) => !cookie.includes('Max-Age=0'))).toEqual([])
  const told = made.world.lines.slice(lines).map((line) => JSON.parse(line).reason)
  expect(told).toContain(reason)
}

test('#40 a token without a signature, by a wrong algorithm, or by a key that is not the issuer’s makes no session', async () => {
  await using made = await faultyIssuerWorld()
  for (const forgery of signatures) await expectRefused(made, forgery)
  expect(made.sessions()).toEqual([])
})

test('#40 a token without a kid makes none where several keys could be meant', async () => {
  await using made = await faultyIssuerWorld()
  const { key, sign } = made.issuer
  const keys = [await publicJwk(key), await publicJwk(otherKey)]
  await expectRefused(made, [
    'token_ambiguous_key',
    () => ({ keys, sign: (claims) => sign(claims, key, { kid: undefined }) }),
  ])
})

test('#40 a token for somebody else, from another time, or with anything missing makes no session', async () => {
  await using made = await faultyIssuerWorld()
  for (const forgery of contents) await expectRefused(made, forgery)
  expect(made.sessions()).toEqual([])
})

test('#40 an answer without a token, with what is none, or with one of a megabyte makes no session', async () => {
  await using made = await faultyIssuerWorld()
  await expectRefused(made, ['id_token_missing', () => ({ sign: async () => undefined })])
  await expectRefused(made, ['issuer_answer_malformed', () => saying({ padding: 'x'.repeat(1_000_000) })])
  for (const token of ['', 'x', 'a.b', 'a.b.c', 'a.b.c.d.e', `${'x'.repeat(400_000)}.y.z`]) {
    const outcome = await made.logIn({ sign: async () => token })
    expect(outcome).toMatchObject({ status: 400, made: [] })
    expect(outcome.reason).toMatch(/^login:(token|issuer_answer)_malformed$/)
  }
})

test('#40 [JK2.2] wrong state, nonce, iss, aud, azp, an expired token, alg none, HS256 with the public key and an unknown kid are refused, each with a log reason of its own', async () => {
  await using made = await faultyIssuerWorld()
  const wrongState: Forgery = ['state_foreign', () => ({ authorize: (answer) => answer.set('state', 'wrong') })]
  const [none, , symmetric] = signatures
  const unknown = signatures.find(([reason]) => reason === 'token_unknown_key')
  const named = ['id_token_nonce', 'token_issuer', 'token_audience', 'token_authorized_party', 'token_expired']
  const ofContents = named.map((name) => contents.find(([reason]) => reason === name))
  const all = [wrongState, none, symmetric, unknown, ...ofContents].filter((forgery) => forgery !== undefined)
  expect(new Set(all.map(([reason]) => reason)).size).toBe(9)
  for (const forgery of all) await expectRefused(made, forgery)
  expect(made.sessions()).toEqual([])
  expect(await made.logIn()).toMatchObject({ status: 200, reason: undefined, made: [{ spec: { username: 'alice' } }] })
})

test('#40 tokens with invented key ids make us ask for the issuer’s keys once a minute at most', async () => {
  const clock = fakeClock()
  await using made = await faultyIssuerWorld({ clock })
  const asked = () => made.issuer.requests.filter((path) => path === '/jwks').length
  const { sign } = made.issuer
  const invented: Forgery = ['token_unknown_key', () => ({ sign: (claims) => sign(claims, otherKey) })]
  for (let tries = 0; tries < 5; tries += 1) await expectRefused(made, invented)
  expect(asked()).toBe(1)
  await clock.advance(60_000)
  for (let tries = 0; tries < 5; tries += 1) await expectRefused(made, invented)
  expect(asked()).toBe(2)
})

test('#40 tokens by each of the algorithms that are accepted are good, so the others are refused for what they are', async () => {
  await using made = await faultyIssuerWorld()
  const pairs = ['RS256', 'PS256', 'ES256', 'EdDSA'].map((alg) => newSigningKey(alg))
  const keys = await Promise.all(pairs.map((pair) => publicJwk(pair)))
  for (const pair of pairs) {
    const outcome = await made.logIn({ keys, sign: (claims) => made.issuer.sign(claims, pair) })
    expect(outcome, pair.alg).toMatchObject({ status: 200, made: [{ spec: { username: 'alice' } }] })
  }
})
