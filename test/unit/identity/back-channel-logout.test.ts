import { SignJWT, UnsecuredJWT } from 'jose'
import { describe, expect, test } from 'vitest'
import { receiveLogoutToken } from '#identity/back-channel-logout.ts'
import type { Claims } from '#identity/claims.ts'
import { newSigningKey } from '#test/support/faulty-issuer.ts'
import { loginOf } from '#test/support/identity-world.ts'
import { type FaultyWorld, faultyWorld } from '#test/support/login-world.ts'

const event = 'http://schemas.openid.net/event/backchannel-logout'

async function createWorld(): Promise<
  FaultyWorld & { receive(token: string): ReturnType<typeof receiveLogoutToken>; good(more?: Claims): Claims }
> {
  const made = await faultyWorld()
  const { replica, issuers } = made.site
  const { clock, log } = made.world
  return {
    ...made,
    receive: (token) =>
      receiveLogoutToken({ sessions: replica.sessions, once: replica.once, issuers, clock, log }, token),
    good(more = {}) {
      const iat = Math.floor(clock.now() / 1000)
      const named = { sub: 'sub-alice', sid: 'sid-1', jti: crypto.randomUUID() }
      return { iss: made.issuer.url, aud: 'gatehouse', iat, exp: iat + 120, ...named, events: { [event]: {} }, ...more }
    },
  }
}

/** Sessions of alice in two browsers, and of bob; all at the faulty issuer. */
async function sessionsOf(made: FaultyWorld) {
  const { sessions } = made.site.replica
  const open = (user: string, sid: string | undefined) =>
    sessions.create(loginOf(user, { issuer: made.issuer.url, sid }))
  const [one, two, bob] = [await open('alice', 'sid-1'), await open('alice', 'sid-2'), await open('bob', 'sid-3')]
  const alive = () => sessions.find(() => true).map((record) => record.spec.sid)
  return { one, two, bob, alive }
}

describe('a good logout token', () => {
  test('ends the session that it names, and no other', async () => {
    await using made = await createWorld()
    const { alive } = await sessionsOf(made)
    expect(await made.receive(await made.issuer.sign(made.good(), undefined, { typ: 'logout+jwt' }))).toEqual({
      kind: 'ended',
      count: 1,
    })
    expect(alive().sort()).toEqual(['sid-2', 'sid-3'])
  })

  test('ends the session by its sid alone', async () => {
    await using made = await createWorld()
    const { alive } = await sessionsOf(made)
    expect(await made.receive(await made.issuer.sign(made.good({ sub: undefined, sid: 'sid-3' })))).toEqual({
      kind: 'ended',
      count: 1,
    })
    expect(alive().sort()).toEqual(['sid-1', 'sid-2'])
  })

  test('without a session ends all of that person', async () => {
    await using made = await createWorld()
    const { alive } = await sessionsOf(made)
    expect(await made.receive(await made.issuer.sign(made.good({ sid: undefined })))).toEqual({
      kind: 'ended',
      count: 2,
    })
    expect(alive()).toEqual(['sid-3'])
  })

  test('ends sessions of that person whose sid is not known here', async () => {
    await using made = await createWorld()
    const { sessions } = made.site.replica
    await sessions.create(loginOf('alice', { issuer: made.issuer.url, sid: undefined }))
    await sessions.create(loginOf('bob', { issuer: made.issuer.url, sid: undefined }))
    expect(await made.receive(await made.issuer.sign(made.good()))).toEqual({ kind: 'ended', count: 1 })
    expect(sessions.find(() => true).map((record) => record.spec.username)).toEqual(['bob'])
  })

  test('ends nothing of a namesake at another issuer, nor another person’s session of that sid', async () => {
    await using made = await createWorld()
    const { sessions } = made.site.replica
    await sessions.create(loginOf('alice', { issuer: 'https://other.example', sid: 'sid-1' }))
    await sessions.create(loginOf('bob', { issuer: made.issuer.url, sid: 'sid-1' }))
    expect(await made.receive(await made.issuer.sign(made.good()))).toEqual({ kind: 'ended', count: 0 })
    expect(sessions.find(() => true)).toHaveLength(2)
  })

  test('says why to who listens', async () => {
    await using made = await createWorld()
    await sessionsOf(made)
    const ends: string[] = []
    made.site.replica.sessions.subscribe((change) => void (change.type === 'ended' && ends.push(change.why)))
    await made.receive(await made.issuer.sign(made.good()))
    expect(ends).toEqual(['logged-out-at-issuer'])
  })

  test('is good once', async () => {
    await using made = await createWorld()
    const token = await made.issuer.sign(made.good({ jti: 'j1' }))
    expect((await made.receive(token)).kind).toBe('ended')
    const { alive } = await sessionsOf(made)
    expect(await made.receive(token)).toEqual({ kind: 'refused', reason: 'replayed' })
    expect(await made.receive(await made.issuer.sign(made.good({ jti: 'j1', sid: 'sid-2' })))).toEqual({
      kind: 'refused',
      reason: 'replayed',
    })
    expect(alive()).toHaveLength(3)
  })
})

describe('a logout token is refused, and ends nothing', () => {
  const refusal = async (make: (made: Awaited<ReturnType<typeof createWorld>>) => Promise<string> | string) => {
    await using made = await createWorld()
    const { alive } = await sessionsOf(made)
    const outcome = await made.receive(await make(made))
    expect(alive()).toHaveLength(3)
    return outcome.kind === 'refused' ? outcome.reason : outcome.kind
  }

  test.each<[string, Claims]>([
    ['token_issuer', { iss: 'https://evil.example' }],
    ['token_issuer', { iss: undefined }],
    ['token_audience', { aud: 'somebody-else' }],
    ['token_audience', { aud: ['a', 'b'] }],
    ['token_audience', { aud: undefined }],
    ['token_authorized_party', { azp: 'somebody-else' }],
    ['token_claim_missing', { iat: undefined }],
    ['token_claim_missing', { exp: undefined }],
    ['token_claim_missing', { exp: '9999999999' }],
    ['event_missing', { events: undefined }],
    ['event_missing', { events: {} }],
    ['event_missing', { events: { 'http://schemas.openid.net/event/other': {} } }],
    ['event_missing', { events: { [event]: true } }],
    ['event_missing', { events: [event] }],
    ['event_missing', { events: event }],
    ['nonce_present', { nonce: 'n' }],
    ['nonce_present', { nonce: null }],
    ['jti_missing', { jti: undefined }],
    ['jti_missing', { jti: '' }],
    ['nobody_named', { sub: undefined, sid: undefined }],
    ['nobody_named', { sub: '', sid: 7 }],
  ])('%s: %j', async (reason, change) => {
    expect(await refusal((made) => made.issuer.sign(made.good(change)))).toBe(reason)
  })

  test('that has run out, is old, or comes from the future', async () => {
    const at = (change: (now: number) => Claims) =>
      refusal((made) => made.issuer.sign(made.good(change(Math.floor(made.world.clock.now() / 1000)))))
    expect(await at((now) => ({ exp: now - 301 }))).toBe('token_expired')
    expect(await at((now) => ({ iat: now + 360 }))).toBe('token_issued_in_future')
    expect(await at((now) => ({ iat: now - 600, exp: now + 86_400 }))).toBe('too_old')
  })

  test('without a signature, by a symmetric one, by another algorithm or key', async () => {
    expect(await refusal((made) => new UnsecuredJWT({ ...made.good() }).encode())).toBe('token_alg_none')
    const secret = Buffer.from('0123456789abcdef0123456789abcdef')
    expect(
      await refusal((made) => new SignJWT({ ...made.good() }).setProtectedHeader({ alg: 'HS256' }).sign(secret)),
    ).toBe('token_alg_symmetric')
    const other = newSigningKey()
    expect(await refusal((made) => made.issuer.sign(made.good(), other))).toBe('token_unknown_key')
    expect(await refusal((made) => made.issuer.sign(made.good(), other, { kid: made.issuer.key.kid }))).toBe(
      'token_signature',
    )
  })

  test('of another type', async () => {
    for (const typ of ['at+jwt', 'id_token+jwt', 'secevent+jwt', 7]) {
      expect(await refusal((made) => made.issuer.sign(made.good(), undefined, { typ }))).toMatch(
        /token_type|token_malformed/,
      )
    }
  })

  test('that is an ID token of the same issuer', async () => {
    expect(await refusal((made) => made.issuer.sign(made.issuer.goodClaims({ nonce: 'n', sid: 'sid-1' })))).toBe(
      'event_missing',
    )
  })

  test.each(['', 'x', 'a.b.c', '..', `${'x'.repeat(20_000)}.y.z`, 'e30.e30.e30'])(
    'that is none: %.10s',
    async (token) => {
      expect(await refusal(() => token)).toMatch(/token_malformed|token_issuer/)
    },
  )
})

describe('what can’t be checked now', () => {
  test('is no refusal: the issuer is away', async () => {
    await using made = await createWorld()
    const token = await made.issuer.sign(made.good())
    await made.issuer[Symbol.asyncDispose]()
    expect(await made.receive(token)).toEqual({ kind: 'unavailable' })
  })

  test('is no refusal: the store is away', async () => {
    await using made = await createWorld()
    const { alive } = await sessionsOf(made)
    using _down = made.site.replica.resources.fail('create')
    expect(await made.receive(await made.issuer.sign(made.good()))).toEqual({ kind: 'unavailable' })
    expect(alive()).toHaveLength(3)
  })
})
