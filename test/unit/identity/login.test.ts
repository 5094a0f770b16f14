import { generateKeyPairSync } from 'node:crypto'
import { SignJWT, UnsecuredJWT } from 'jose'
import { describe, expect, test } from 'vitest'
import type { Claims } from '#identity/claims.ts'
import { type Faults, faultyIssuer, newSigningKey, publicJwk } from '#test/support/faulty-issuer.ts'
import { faultyWorld, loginSite } from '#test/support/login-world.ts'

const minute = 60_000

/** How a login ends at an issuer with these faults, and what was logged. */
async function outcomeWith(faults: Faults) {
  await using made = await faultyWorld()
  made.issuer.faults = faults
  const finish = await made.site.visitor().login()
  const logged = made.world.lines.map((line) => JSON.parse(line).reason).filter((reason) => reason !== undefined)
  const outcome = finish.kind === 'refused' ? finish.reason : finish.kind
  if (finish.kind === 'refused') expect(logged).toContain(outcome)
  expect(made.site.replica.sessions.find(() => true)).toEqual([])
  return outcome
}
const withClaims = (change: Claims) => outcomeWith({ claims: (claims) => ({ ...claims, ...change }) })
const seconds = (from: number) => Math.floor(Date.now() / 1000) + from

describe('a login', () => {
  test('of somebody the issuer vouches for gives the mapped identity, the tokens and the way back', async () => {
    await using made = await faultyWorld()
    made.issuer.faults = { claims: (claims) => ({ ...claims, sid: 'sid-1' }) }
    const finish = await made.site.visitor().login({ returnTo: '/.gatehouse/open/team/nb?to=%2Flab%3Fx%3D1' })
    expect(finish).toMatchObject({
      kind: 'ok',
      returnTo: '/.gatehouse/open/team/nb?to=%2Flab%3Fx%3D1',
      login: {
        issuer: made.issuer.url,
        subject: 'sub-alice',
        sid: 'sid-1',
        identity: { kind: 'person', username: 'alice', uid: 'sub-alice', groups: ['ds'] },
      },
    })
  })

  test('asks the issuer with state, nonce and a PKCE challenge, and says nothing of where it leads', async () => {
    await using made = await faultyWorld()
    const start = await made.site.visitor().start({ returnTo: '/secret-place' })
    const location = new URL(start.kind === 'redirect' ? start.location : 'about:blank')
    expect(Object.fromEntries(location.searchParams)).toMatchObject({
      response_type: 'code',
      client_id: 'gatehouse',
      redirect_uri: 'https://ws.example.com/.gatehouse/callback',
      scope: 'openid profile',
      code_challenge_method: 'S256',
      code_challenge: expect.stringMatching(/^[\w-]{43}$/),
      nonce: expect.stringMatching(/^[\w-]{43}$/),
      state: expect.stringMatching(/^[\w.-]{64,}$/),
    })
    expect(location.href).not.toContain('secret-place')
  })

  test('leaves no cookie of the attempt behind', async () => {
    await using made = await faultyWorld()
    const visitor = made.site.visitor()
    const start = await visitor.start()
    expect(visitor.jar.all()).toHaveLength(1)
    expect(visitor.jar.all()[0]).toMatchObject({ isHttpOnly: true, isSecure: true, sameSite: 'lax', path: '/' })
    await visitor.finish(await visitor.atIssuer(start))
    expect(visitor.jar.all()).toEqual([])
  })

  test('writes nothing to the store before the issuer has vouched', async () => {
    await using made = await faultyWorld()
    const before = made.site.replica.resources.calls('create')
    const visitor = made.site.visitor()
    const query = await visitor.atIssuer(await visitor.start())
    made.issuer.faults = { sign: async () => undefined }
    await visitor.finish(query)
    expect(made.site.replica.resources.calls('create')).toBe(before)
  })

  test.each(['RS256', 'PS256', 'ES256', 'EdDSA'])('is good with a signature by %s', async (alg) => {
    const key = newSigningKey(alg)
    const jwk = await publicJwk(key)
    await using made = await faultyWorld()
    made.issuer.faults = { keys: [jwk], sign: (claims) => made.issuer.sign(claims, key) }
    expect((await made.site.visitor().login()).kind).toBe('ok')
  })
})

describe('the state that comes back', () => {
  test('missing or empty is refused', async () => {
    await using made = await faultyWorld()
    const visitor = made.site.visitor()
    for (const query of ['', 'state=', 'code=x', 'state=&code=x'])
      expect(await visitor.finish(new URLSearchParams(query))).toMatchObject({
        kind: 'refused',
        reason: 'state_missing',
      })
  })

  test('of others, cut or changed is refused', async () => {
    await using made = await faultyWorld()
    const visitor = made.site.visitor()
    const query = await visitor.atIssuer(await visitor.start())
    const state = query.get('state') ?? ''
    const flipped = state.slice(0, -2) + (state.endsWith('A') ? 'B' : 'A') + state.slice(-1)
    for (const foreign of ['x', state.slice(1), state.slice(0, -4), `${state}x`, flipped, 'a.b.c', '__proto__']) {
      query.set('state', foreign)
      expect(await visitor.finish(query)).toMatchObject({ kind: 'refused', reason: 'state_foreign' })
    }
    expect(made.issuer.requests).not.toContain('/token')
  })

  test('used again is refused, and the code is not offered a second time', async () => {
    await using made = await faultyWorld()
    const visitor = made.site.visitor()
    const query = await visitor.atIssuer(await visitor.start())
    const cookies = visitor.jar.all()
    expect((await visitor.finish(query)).kind).toBe('ok')
    for (const { name, value } of cookies) {
      visitor.jar.take(`${name}=${value}; Secure; Path=/`, new URL('https://ws.example.com/'))
    }
    expect(await visitor.finish(query)).toMatchObject({ kind: 'refused', reason: 'state_replayed' })
    expect(made.issuer.requests.filter((path) => path === '/token')).toHaveLength(1)
  })

  test('in another browser makes a login of its own for that browser, never of the one who started it', async () => {
    await using made = await faultyWorld()
    const attacker = made.site.visitor()
    const query = await attacker.atIssuer(await attacker.start({ returnTo: '/lab' }))
    const victim = made.site.visitor()
    const finish = await victim.finish(query)
    expect(finish).toMatchObject({ kind: 'restarted', start: { kind: 'redirect' } })
    expect(made.issuer.requests).not.toContain('/token')
    const again = finish.kind === 'restarted' ? await victim.finish(await victim.atIssuer(finish.start)) : finish
    expect(again).toMatchObject({ kind: 'ok', returnTo: '/lab' })
  })

  test('after ten minutes starts the login over, and the way back survives', async () => {
    await using made = await faultyWorld()
    const visitor = made.site.visitor()
    const start = await visitor.start({ returnTo: '/lab?deep=link' })
    await made.world.clock.advance(10 * minute)
    const finish = await visitor.finish(await visitor.atIssuer(start))
    expect(finish.kind).toBe('restarted')
    const again = finish.kind === 'restarted' ? await visitor.finish(await visitor.atIssuer(finish.start)) : finish
    expect(again).toMatchObject({ kind: 'ok', returnTo: '/lab?deep=link' })
  })

  test('after a day is nobody’s any more', async () => {
    await using made = await faultyWorld()
    const visitor = made.site.visitor()
    const query = await visitor.atIssuer(await visitor.start())
    await made.world.clock.advance(24 * 60 * minute)
    expect(await visitor.finish(query)).toMatchObject({ kind: 'refused', reason: 'state_foreign' })
  })

  test('with a cookie that was changed, or is another attempt’s, does not count as this browser’s', async () => {
    await using made = await faultyWorld()
    const visitor = made.site.visitor()
    const query = await visitor.atIssuer(await visitor.start())
    await visitor.start()
    const [own, other] = visitor.jar.all()
    const url = new URL('https://ws.example.com/')
    for (const value of ['', 'x', `${own?.value}x`, other?.value]) {
      visitor.jar.take(`${own?.name}=${value}; Secure; Path=/`, url)
      expect((await visitor.finish(query)).kind).toBe('restarted')
    }
  })

  test('in a browser that keeps no cookies does not start over for ever', async () => {
    await using made = await faultyWorld()
    const visitor = made.site.visitor()
    let start = await visitor.start()
    for (let round = 0; ; round++) {
      visitor.jar.clear()
      const finish = await visitor.finish(await visitor.atIssuer(start))
      if (finish.kind !== 'restarted') {
        expect(finish).toMatchObject({ kind: 'refused', reason: 'cookies_refused' })
        expect(round).toBe(2)
        return
      }
      start = finish.start
    }
  })
})

describe('ten tabs', () => {
  test('that start at once and finish in any order all log in', async () => {
    await using made = await faultyWorld()
    const visitor = made.site.visitor()
    const starts = await Promise.all(
      Array.from({ length: 10 }, (_, index) => visitor.start({ returnTo: `/tab/${index}` })),
    )
    const header = visitor.jar.all().map(({ name, value }) => `${name}=${value}`)
    expect(header).toHaveLength(10)
    expect(header.join('; ').length).toBeLessThan(4096)
    for (const index of [7, 2, 9, 0, 4, 1, 8, 3, 6, 5]) {
      const start = starts[index]
      if (!start) throw new Error('no such tab')
      expect(await visitor.finish(await visitor.atIssuer(start))).toMatchObject({
        kind: 'ok',
        returnTo: `/tab/${index}`,
      })
    }
  })

  test('and many more leave ten cookies alive, and the evicted log in all the same', async () => {
    await using made = await faultyWorld()
    const visitor = made.site.visitor()
    const starts = []
    for (let index = 0; index < 25; index++) {
      starts.push(await visitor.start({ returnTo: `/tab/${index}` }))
      await made.world.clock.advance(1000)
      expect(visitor.jar.all().length).toBeLessThanOrEqual(10)
    }
    const [evicted] = starts
    if (!evicted) throw new Error('no tab')
    const finish = await visitor.finish(await visitor.atIssuer(evicted))
    expect(finish.kind).toBe('restarted')
    const again = finish.kind === 'restarted' ? await visitor.finish(await visitor.atIssuer(finish.start)) : finish
    expect(again).toMatchObject({ kind: 'ok', returnTo: '/tab/0' })
  })
})

describe('the answer through the browser', () => {
  test.each<[string, (answer: URLSearchParams) => void]>([
    ['issuer_mismatch', (answer) => answer.set('iss', 'https://evil.example')],
    ['issuer_missing', (answer) => answer.delete('iss')],
    ['code_missing', (answer) => answer.delete('code')],
    ['code_missing', (answer) => answer.set('code', '')],
    ['provider_error', (answer) => answer.set('error', 'access_denied')],
    ['code_refused', (answer) => answer.set('code', 'invented')],
    ['parameter_repeated', (answer) => answer.append('code', 'second')],
    ['parameter_repeated', (answer) => answer.append('iss', 'https://evil.example')],
  ])('%s', async (reason, authorize) => {
    expect(await outcomeWith({ authorize })).toBe(reason)
  })

  test('with two states is judged by the first, and refused either way', async () => {
    await using made = await faultyWorld()
    const visitor = made.site.visitor()
    const query = await visitor.atIssuer(await visitor.start())
    expect(await visitor.finish(new URLSearchParams(`state=x&${query}`))).toMatchObject({ reason: 'state_foreign' })
    expect(await visitor.finish(new URLSearchParams(`${query}&state=x`))).toMatchObject({
      reason: 'parameter_repeated',
    })
  })

  test('of an issuer that did not promise its name in it may do without', async () => {
    await using made = await faultyWorld()
    made.issuer.faults = {
      metadata: { authorization_response_iss_parameter_supported: undefined },
      authorize: (answer) => answer.delete('iss'),
    }
    expect((await made.site.visitor().login()).kind).toBe('ok')
  })

  test('an error of another issuer is not believed', async () => {
    const authorize = (answer: URLSearchParams) => {
      answer.set('iss', 'https://evil.example')
      answer.set('error', 'access_denied')
    }
    expect(await outcomeWith({ authorize })).toBe('issuer_mismatch')
  })

  test('to a silent attempt that needs the person asks the person', async () => {
    await using made = await faultyWorld()
    made.issuer.faults = { authorize: (answer) => answer.set('error', 'login_required') }
    const visitor = made.site.visitor()
    const silent = await visitor.start({ isSilent: true, returnTo: '/lab' })
    expect(silent.kind === 'redirect' && new URL(silent.location).searchParams.get('prompt')).toBe('none')
    const finish = await visitor.finish(await visitor.atIssuer(silent))
    expect(finish.kind).toBe('restarted')
    if (finish.kind !== 'restarted' || finish.start.kind !== 'redirect') throw new Error('not started over')
    expect(new URL(finish.start.location).searchParams.get('prompt')).toBeNull()
  })
})

test('[JK2.2] each fault of a token, and a wrong state, is refused with a log reason of its own', async () => {
  await using made = await faultyWorld()
  const { issuer, site, world } = made
  const signed = (change: (claims: Claims) => Claims): Faults => ({ claims: change })
  const publicKey = issuer.key.publicKey.export({ type: 'spki', format: 'pem' })
  const hmac = (claims: Claims) =>
    new SignJWT({ ...claims }).setProtectedHeader({ alg: 'HS256' }).sign(Buffer.from(publicKey))
  const faults: readonly (readonly [string, Faults])[] = [
    ['state_foreign', { authorize: (answer) => answer.set('state', 'wrong') }],
    ['id_token_nonce', signed((claims) => ({ ...claims, nonce: 'wrong' }))],
    ['token_issuer', signed((claims) => ({ ...claims, iss: 'https://evil.example' }))],
    ['token_audience', signed((claims) => ({ ...claims, aud: 'other' }))],
    ['token_authorized_party', signed((claims) => ({ ...claims, azp: 'other' }))],
    ['token_expired', signed((claims) => ({ ...claims, exp: seconds(-360) }))],
    ['token_alg_none', { sign: async (claims) => new UnsecuredJWT({ ...claims }).encode() }],
    ['token_alg_symmetric', { sign: hmac }],
    ['token_unknown_key', { sign: (claims) => issuer.sign(claims, issuer.key, { kid: 'unknown' }) }],
  ]
  for (const [reason, fault] of faults) {
    issuer.faults = fault
    expect(await site.visitor().login()).toMatchObject({ kind: 'refused', reason })
    expect(JSON.parse(world.lines.at(-1) ?? '')).toMatchObject({ level: 'warn', reason })
  }
  expect(new Set(faults.map(([reason]) => reason)).size).toBe(faults.length)
  issuer.faults = {}
  expect((await site.visitor().login()).kind).toBe('ok')
})

describe('an ID token is refused', () => {
  const otherKey = newSigningKey()
  const unsecured = async (claims: Claims) => new UnsecuredJWT({ ...claims }).encode()

  test('without a signature', async () => {
    expect(await outcomeWith({ sign: unsecured })).toBe('token_alg_none')
    expect(await outcomeWith({ sign: async (claims) => `${await unsecured(claims)}c2ln` })).toBe('token_alg_none')
  })

  test('signed by HS256 with the public key as its secret, or with the client’s', async () => {
    await using made = await faultyWorld()
    for (const secret of [
      made.issuer.key.publicKey.export({ type: 'spki', format: 'pem' }),
      'client-secret-0123456789-0123456789',
    ]) {
      made.issuer.faults = {
        sign: (claims) =>
          new SignJWT({ ...claims })
            .setProtectedHeader({ alg: 'HS256', kid: made.issuer.key.kid })
            .sign(Buffer.from(secret)),
      }
      expect(await made.site.visitor().login()).toMatchObject({ reason: 'token_alg_symmetric' })
    }
  })

  test('signed by an algorithm that is not accepted', async () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const sign = (claims: Claims) => new SignJWT({ ...claims }).setProtectedHeader({ alg: 'RS512' }).sign(privateKey)
    expect(await outcomeWith({ sign })).toBe('token_alg')
  })

  test('signed by another key under a known kid, or under one that nobody knows', async () => {
    await using made = await faultyWorld()
    made.issuer.faults = { sign: (claims) => made.issuer.sign(claims, otherKey, { kid: made.issuer.key.kid }) }
    expect(await made.site.visitor().login()).toMatchObject({ reason: 'token_signature' })
    made.issuer.faults = { sign: (claims) => made.issuer.sign(claims, otherKey) }
    expect(await made.site.visitor().login()).toMatchObject({ reason: 'token_unknown_key' })
  })

  test('without a kid, where several keys could be meant', async () => {
    await using made = await faultyWorld()
    const keys = [await publicJwk(made.issuer.key), await publicJwk(otherKey)]
    made.issuer.faults = { keys, sign: (claims) => made.issuer.sign(claims, made.issuer.key, { kid: undefined }) }
    expect(await made.site.visitor().login()).toMatchObject({ reason: 'token_ambiguous_key' })
  })

  test.each<[string, Claims]>([
    ['token_issuer', { iss: 'https://evil.example' }],
    ['token_audience', { aud: 'somebody-else' }],
    ['token_audience', { aud: [] }],
    ['token_audience', { aud: ['a', 'b'], azp: 'gatehouse' }],
    ['token_audience', { aud: ['gatehouse', 'other'] }],
    ['token_authorized_party', { aud: ['gatehouse', 'other'], azp: 'other' }],
    ['token_authorized_party', { azp: 'other' }],
    ['id_token_nonce', { nonce: 'wrong' }],
    ['id_token_nonce', { nonce: undefined }],
    ['token_claim_missing', { iss: undefined }],
    ['token_claim_missing', { sub: undefined }],
    ['token_claim_missing', { aud: undefined }],
    ['token_claim_missing', { exp: undefined }],
    ['token_claim_missing', { iat: undefined }],
    ['id_token_hash', { at_hash: 'AAAAAAAAAAAAAAAAAAAAAA' }],
    ['id_token_hash', { c_hash: 'AAAAAAAAAAAAAAAAAAAAAA' }],
    ['id_token_hash', { at_hash: 7 }],
  ])('%s: %j', async (reason, change) => {
    expect(await withClaims(change)).toBe(reason)
  })

  test('that has run out, is not good yet, or is from the future', async () => {
    const at = (change: (now: number) => Claims) =>
      outcomeWith({ claims: (claims) => ({ ...claims, ...change(seconds(0)) }) })
    expect(await at((now) => ({ exp: now - 301 }))).toBe('token_expired')
    expect(await at((now) => ({ nbf: now + 360 }))).toBe('token_not_yet_valid')
    expect(await at((now) => ({ iat: now + 360 }))).toBe('token_issued_in_future')
  })

  test.each(['', 'x', 'a.b', 'a.b.c', 'a.b.c.d.e', `${'x'.repeat(500_000)}.y.z`])(
    'that is none: %.20s',
    async (token) => {
      expect(await outcomeWith({ sign: async () => token })).toMatch(/token_malformed|issuer_answer_malformed/)
    },
  )

  test('that is missing', async () => {
    expect(await outcomeWith({ sign: async () => undefined })).toBe('id_token_missing')
  })

  test('of a megabyte', async () => {
    const big = { claims: (claims: Claims) => ({ ...claims, big: 'x'.repeat(1_000_000) }) }
    expect(await outcomeWith(big)).toBe('issuer_answer_malformed')
  })
})

describe('the issuer’s other answers', () => {
  test.each([
    ['code_refused', 400, { error: 'invalid_grant' }],
    ['client_refused', 401, { error: 'invalid_client' }],
    ['token_refused', 400, { error: 'invalid_scope' }],
    ['issuer_answer_malformed', 200, { id_token: 'x.y.z' }],
    ['id_token_missing', 200, { access_token: 'x', token_type: 'Bearer' }],
  ])('%s', async (reason, status, body) => {
    expect(await outcomeWith({ token: () => ({ status, body }) })).toBe(reason)
  })

  test('a broken token endpoint is no refusal of the person', async () => {
    expect(await outcomeWith({ token: () => ({ status: 503, body: {} }) })).toBe('unavailable')
  })

  test('userinfo about somebody else ends the login', async () => {
    const claims = ({ groups: _groups, ...rest }: Claims) => rest
    expect(await outcomeWith({ claims, userinfo: { sub: 'sub-mallory', groups: ['admins'] } })).toBe('userinfo_subject')
    expect(await outcomeWith({ claims, userinfo: { groups: ['admins'] } })).not.toBe('ok')
  })

  test('userinfo completes what the ID token leaves out, and changes nothing of what it says', async () => {
    await using made = await faultyWorld()
    made.issuer.faults = {
      claims: ({ groups: _groups, ...rest }) => rest,
      userinfo: { sub: 'sub-alice', groups: ['from-userinfo'], preferred_username: 'mallory' },
    }
    expect(await made.site.visitor().login()).toMatchObject({
      login: { identity: { username: 'alice', groups: ['from-userinfo'] } },
    })
  })

  test('groups that are elsewhere are looked for in userinfo, and missing there are a refusal', async () => {
    const claims = ({ groups: _groups, ...rest }: Claims) => ({ ...rest, _claim_names: { groups: 'src1' } })
    expect(await outcomeWith({ claims })).toBe('groups_overage')
    expect(await outcomeWith({ claims, userinfo: { sub: 'sub-alice' } })).toBe('groups_overage')
    expect(await outcomeWith({ claims, userinfo: { sub: 'sub-alice', groups: ['ds'] } })).toBe('ok')
  })

  test('a name that the mapping refuses ends the login with the mapping’s reason', async () => {
    expect(await withClaims({ preferred_username: 'system:admin' })).toBe('username_reserved')
    expect(await withClaims({ groups: Array.from({ length: 5000 }, (_, index) => `g${index}`) })).toBe(
      'groups_too_many',
    )
  })

  test('a verified address is verified by the one who names it', async () => {
    await using made = await faultyWorld()
    using site = await loginSite(made.world, { issuers: [{ ...made.issuer.settings, usernameClaim: 'email' }] })
    made.issuer.faults = {
      claims: ({ groups: _groups, ...rest }) => ({ ...rest, email: 'boss@corp.com' }),
      userinfo: { sub: 'sub-alice', email: 'alice@corp.com', email_verified: true },
    }
    expect(await site.visitor().login()).toMatchObject({ kind: 'refused', reason: 'email_unverified' })
  })
})

describe('people', () => {
  test('who are locked do not get in', async () => {
    await using made = await faultyWorld()
    await made.site.replica.sessions.setLocked(['alice'])
    expect(await made.site.visitor().login()).toMatchObject({ kind: 'refused', reason: 'locked' })
  })

  test('who come with a name that is somebody else’s do not get in until it is released', async () => {
    await using made = await faultyWorld()
    expect((await made.site.visitor().login()).kind).toBe('ok')
    made.issuer.faults = { claims: (claims) => ({ ...claims, sub: 'sub-other-alice' }) }
    expect(await made.site.visitor().login()).toMatchObject({ kind: 'refused', reason: 'username_taken' })
    await made.site.usernames.release('alice')
    expect((await made.site.visitor().login()).kind).toBe('ok')
  })
})

describe('two issuers', () => {
  test('let the person choose; each vouches for its own, and neither answers for the other', async () => {
    await using made = await faultyWorld()
    await using second = await faultyIssuer()
    const settings = [
      { ...made.issuer.settings, usernamePrefix: 'one:' },
      { ...second.settings, id: 'second', displayName: 'Second', usernamePrefix: 'two:' },
    ]
    using site = await loginSite(made.world, { issuers: settings })
    const visitor = site.visitor()
    expect(await visitor.start()).toEqual({
      kind: 'choose',
      issuers: [
        { id: 'faulty', displayName: 'Faulty' },
        { id: 'second', displayName: 'Second' },
      ],
    })
    expect(await visitor.start({ issuer: 'third' })).toMatchObject({ kind: 'choose' })
    expect(await visitor.login({ issuer: 'faulty' })).toMatchObject({ login: { identity: { username: 'one:alice' } } })
    expect(await visitor.login({ issuer: 'second' })).toMatchObject({ login: { identity: { username: 'two:alice' } } })
    // The mix-up attack (RFC 9207 section 1): what the second gave out comes back for an attempt at the first.
    const atSecond = await visitor.atIssuer(await visitor.start({ issuer: 'second' }))
    const mixed = await visitor.atIssuer(await visitor.start({ issuer: 'faulty' }))
    mixed.set('code', atSecond.get('code') ?? '')
    expect(await visitor.finish(mixed)).toMatchObject({ kind: 'refused', reason: 'code_refused' })
  })
})
