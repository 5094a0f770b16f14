/** Machines that bring a token of an issuer that an administrator has named: which tokens are Gatehouse's to judge, and which are an app's own. */
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { describe, expect, test } from 'vitest'
import { issuerKeys } from '#identity/issuer-keys.ts'
import type { MachineIssuer } from '#identity/machine-sessions.ts'
import { systemClock } from '#lib/clock.ts'
import { headersOf } from '#test/support/echo-app.ts'
import { managing } from '#test/support/managed.ts'
import { plainRequest } from '#test/support/plain-request.ts'
import { openSocket } from '#test/support/workspace-socket.ts'
import { createWorld, type WorldOptions } from '#test/support/world.ts'
import { cookieFor, revocationBound } from './scene.ts'

const issuer = 'https://kubernetes.default.svc.cluster.local'
const subject = 'system:serviceaccount:ci:bot'
const isPublic = { accessType: 'Public' }

async function openScene(options: WorldOptions = {}) {
  const { publicKey, privateKey } = await generateKeyPair('RS256')
  const jwk = { ...(await exportJWK(publicKey)), kid: 'one', alg: 'RS256', use: 'sig' }
  const machine: MachineIssuer = {
    ...{ issuer, audience: 'gatehouse', subjects: [subject], isCluster: true, usernamePrefix: '' },
    keys: issuerKeys({ load: async () => ({ keys: [jwk] }), clock: systemClock }),
  }
  const world = await createWorld({ machines: [machine], ...options })
  const now = Math.floor(Date.now() / 1000)
  const said = { namespace: 'ci', serviceaccount: { name: 'bot', uid: 'uid-of-bot' } }
  return {
    world,
    token(claims: object): Promise<string> {
      const all = { iss: issuer, sub: subject, iat: now, exp: now + 3600, 'kubernetes.io': said, ...claims }
      return new SignJWT(all).setProtectedHeader({ alg: 'RS256', kid: 'one' }).sign(privateKey)
    },
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  }
}

const bearing = (token: string) => ({ Authorization: `Bearer ${token}` })

describe('a bearer of an issuer that lets machines in', () => {
  test.for([
    ['for us alone', { aud: 'gatehouse' }],
    ['for us and for an app', { aud: ['app', 'gatehouse'] }],
  ])('#106 %s lets its machine in, and no app ever sees it', async ([, claims]) => {
    await using scene = await openScene()
    const { url, app } = await scene.world.workspace({ name: 'nb', owner: 'alice', spec: isPublic })
    const token = await scene.token(claims as object)
    expect((await plainRequest(url, { headers: bearing(token) })).status).toBe(200)
    expect(app.requests.map((seen) => headersOf(seen, 'x-forwarded-user'))).toEqual([[subject]])
    expect(JSON.stringify(app.requests)).not.toContain(token)
  })

  test.for([
    ['for an app', { aud: ['app'] }],
    ['for nobody in particular', {}],
    ['for a name that begins like ours', { aud: 'gatehouse2' }],
  ])("#106 %s is the app's affair: it gets there as it is beside a session, and lets nobody in", async ([, claims]) => {
    await using scene = await openScene()
    const { world } = scene
    const { url, app } = await world.workspace({ name: 'nb', owner: 'alice', spec: isPublic })
    const token = await scene.token(claims as object)
    expect((await plainRequest(url, { headers: bearing(token) })).status).toBe(401)
    expect(app.requests).toEqual([])
    const alice = await world.as('alice')
    await alice.open(url)
    const beside = { ...cookieFor(alice, url), ...bearing(token) }
    expect((await plainRequest(url, { headers: beside })).status).toBe(200)
    const seen = app.requests.at(-1)
    expect(seen && headersOf(seen, 'authorization')).toEqual([`Bearer ${token}`])
    expect(seen && headersOf(seen, 'x-forwarded-user')).toEqual(['alice'])
  })

  test('#106 for us never gets to an app, however little of it is in order: beside a session, too long, run out, or for somebody else', async () => {
    await using scene = await openScene()
    const { world } = scene
    const { url, app } = await world.workspace({ name: 'nb', owner: 'alice' })
    const alice = await world.as('alice')
    await alice.open(url)
    const before = app.requests.length
    const ours = { aud: 'gatehouse' }
    const tokens = await Promise.all([
      scene.token(ours),
      scene.token({ ...ours, much: 'x'.repeat(7_000) }),
      scene.token({ ...ours, exp: 1 }),
      scene.token({ ...ours, sub: 'system:serviceaccount:ci:other' }),
    ])
    for (const token of tokens) {
      expect((await plainRequest(url, { headers: bearing(token) })).status).not.toBe(200)
      expect((await plainRequest(url, { headers: { ...cookieFor(alice, url), ...bearing(token) } })).status).toBe(200)
    }
    const seen = app.requests.slice(before)
    expect(seen.map((request) => headersOf(request, 'authorization'))).toEqual(tokens.map(() => []))
  })
})

test('a machine whose name is locked is out within two seconds, with what it has open; nobody else notices', async () => {
  await using scene = await openScene({ managed: {} })
  const { world } = scene
  const { change } = managing(world)
  const { url } = await world.workspace({ name: 'nb', owner: 'alice', spec: isPublic })
  const headers = bearing(await scene.token({ aud: 'gatehouse' }))
  const alice = await world.as('alice')
  await alice.open(url)
  using its = await openSocket(undefined, url, { headers })
  using hers = await openSocket(alice, url)
  const began = performance.now()
  await change({ locked: [subject] })
  const { code, at } = await its.closed
  expect([code, at - began < revocationBound]).toEqual([1008, true])
  expect((await plainRequest(url, { headers })).status).toBe(401)
  expect((await hers.ask('still there?')).toString()).toBe('still there?')
})

test('nobody logs in under the name of a machine of another issuer', async () => {
  const machine = { kind: 'issuer', issuer: 'https://ci.example', audience: 'gatehouse' } as const
  const machines = [{ ...machine, usernamePrefix: 'al', subjects: ['ice', 'other'] }]
  await using world = await createWorld({ settings: (settings) => ({ ...settings, machines }) })
  expect((await world.as('alice')).page.status).toBe(403)
  expect((await world.as('bob')).page.status).toBe(200)
})
