import { createLocalJWKSet, decodeProtectedHeader, jwtVerify } from 'jose'
import { describe, expect, test } from 'vitest'
import { type AssertionAudience, type Assertions, createAssertions } from '#identity/assertion.ts'
import { keyRingKind, keyRingName } from '#identity/key-ring-record.ts'
import type { Session } from '#identity/session.ts'
import { type IdentityWorld, identityWorld, loginOf, namespace } from '#test/support/identity-world.ts'

const second = 1_000
const issuer = 'https://ws.example.com'
const audience: AssertionAudience = { workspaceKey: 'team/nb', workspaceUid: 'uid-1', port: 8888 }

async function createWorld() {
  const world = identityWorld()
  const replica = await world.replica()
  const { session } = await replica.sessions.create(loginOf('alice'))
  const assertions = createAssertions({ keyRing: replica.keyRing, clock: world.clock, issuer })
  return Object.assign(world, { replica, session, assertions })
}

function verified(assertions: Assertions, token: string, world: IdentityWorld, forWhom = 'team/nb') {
  const keys = createLocalJWKSet({ keys: assertions.jwks().keys.map((key) => ({ ...key })) })
  return jwtVerify(token, keys, {
    issuer,
    audience: forWhom,
    algorithms: ['EdDSA'],
    currentDate: new Date(world.clock.now()),
  })
}

describe('an assertion', () => {
  test('says who asks, for one workspace and 5 minutes, and jose verifies it with the published keys', async () => {
    await using world = await createWorld()
    const token = world.assertions.assertionFor(world.session, audience).token
    const { payload, protectedHeader } = await verified(world.assertions, token, world)
    const now = world.clock.now() / 1000
    expect(protectedHeader).toEqual({ alg: 'EdDSA', typ: 'JWT', kid: world.replica.keyRing.current().kid })
    expect(payload).toEqual({
      iss: issuer,
      aud: 'team/nb',
      sub: 'alice',
      uid: 'uid-alice',
      groups: ['ds'],
      workspace_uid: 'uid-1',
      port: 8888,
      iat: now,
      exp: now + 300,
      jti: expect.any(String),
    })
    await world.clock.advance(300 * second)
    await expect(verified(world.assertions, token, world)).rejects.toMatchObject({ code: 'ERR_JWT_EXPIRED' })
  })

  test('is refused by another workspace, and once anything in it is changed', async () => {
    await using world = await createWorld()
    const token = world.assertions.assertionFor(world.session, audience).token
    await expect(verified(world.assertions, token, world, 'team/nb2')).rejects.toMatchObject({
      code: 'ERR_JWT_CLAIM_VALIDATION_FAILED',
    })
    const [header, payload = '', signature] = token.split('.')
    const claims: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString())
    const forged = Buffer.from(JSON.stringify({ ...Object(claims), sub: 'admin' })).toString('base64url')
    await expect(verified(world.assertions, `${header}.${forged}.${signature}`, world)).rejects.toMatchObject({
      code: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED',
    })
  })

  test('is signed once in 60 s for each session, workspace and port', async () => {
    await using world = await createWorld()
    const { assertions, session } = world
    const token = assertions.assertionFor(session, audience).token
    await world.clock.advance(60 * second - 1)
    expect(assertions.assertionFor(session, { ...audience }).token).toBe(token)
    const { session: another } = await world.replica.sessions.create(loginOf('bob'))
    const others = [
      assertions.assertionFor(another, audience).token,
      assertions.assertionFor(session, { ...audience, port: 9999 }).token,
      assertions.assertionFor(session, { ...audience, workspaceKey: 'team/nb2' }).token,
    ]
    expect(new Set([token, ...others]).size).toBe(4)
    await world.clock.advance(1)
    expect(assertions.assertionFor(session, audience).token).not.toBe(token)
  })

  test('is made anew at once when the person, the workspace or the key is not the same any more', async () => {
    await using world = await createWorld()
    const { assertions, replica, session } = world
    const claimsOf = async (token: string) => (await verified(assertions, token, world)).payload
    assertions.assertionFor(session, audience).token
    const record = replica.sessions.record(session.name)
    if (!record) throw new Error('no record')
    await world.clock.advance(second)
    await replica.sessions.extend(record, { identity: { ...session.identity, groups: ['admins'] } })
    const changed = replica.sessions.get(session.name)
    if (!changed) throw new Error('no session')
    expect(await claimsOf(assertions.assertionFor(changed, audience).token)).toMatchObject({ groups: ['admins'] })
    const recreated = assertions.assertionFor(changed, { ...audience, workspaceUid: 'uid-2' }).token
    expect(await claimsOf(recreated)).toMatchObject({ workspace_uid: 'uid-2' })
    const before = assertions.assertionFor(changed, audience).token
    await replica.keyRing.rotateNow()
    // A new key voids nothing that is signed.
    expect(assertions.assertionFor(changed, audience).token).toBe(before)
    await verified(assertions, before, world)
    await world.resources.delete(keyRingKind, { namespace, name: keyRingName })
    await world.settle()
    await verified(assertions, assertions.assertionFor(changed, audience).token, world)
    await expect(verified(assertions, before, world)).rejects.toMatchObject({ code: 'ERR_JWKS_NO_MATCHING_KEY' })
  })

  test('goes on through a rotation: the old key is published as long as something of it may be good', async () => {
    await using world = await createWorld()
    const { assertions, replica } = world
    const [first] = assertions.jwks().keys
    await world.clock.advance(24 * 3_600 * second + 4_999)
    const { session } = await replica.sessions.create(loginOf('carol'))
    const token = assertions.assertionFor(session, audience).token
    expect(decodeProtectedHeader(token).kid).toBe(first?.kid)
    expect(assertions.jwks().keys).toHaveLength(2)
    await world.clock.advance(60 * second)
    expect(decodeProtectedHeader(assertions.assertionFor(session, audience).token).kid).not.toBe(first?.kid)
    await verified(assertions, token, world)
  })

  test('names no session, and the published keys hold no private half', async () => {
    await using world = await createWorld()
    const { assertions, session, replica } = world
    const token = assertions.assertionFor(session, audience).token
    expect(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()).not.toContain(session.name)
    expect(assertions.jwks().keys).toEqual([
      {
        kty: 'OKP',
        crv: 'Ed25519',
        x: expect.any(String),
        use: 'sig',
        alg: 'EdDSA',
        kid: replica.keyRing.current().kid,
      },
    ])
  })

  test('of somebody in thousands of groups still fits into a head, and says that some are missing', async () => {
    await using world = await createWorld()
    const groups = Array.from({ length: 5_000 }, (_, index) => `github:org:team-${index}`)
    const many: Session = { ...world.session, identity: { ...world.session.identity, groups } }
    const token = world.assertions.assertionFor(many, audience).token
    expect(token.length).toBeLessThan(8_192)
    const { payload } = await verified(world.assertions, token, world)
    expect(payload.groups_truncated).toBe(true)
    expect(payload.groups).toEqual(groups.slice(0, Array.isArray(payload.groups) ? payload.groups.length : 0))
  })
})
