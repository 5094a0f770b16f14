/** What a workspace is told about who asks, and that it can rely on it. */
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose'
import { describe, expect, test } from 'vitest'
import { paths } from '#surface/urls.ts'
import { dateFollows } from '#test/support/date-follows.ts'
import { type Echo, headersOf } from '#test/support/echo-app.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { plainRequest } from '#test/support/plain-request.ts'
import { openSocket } from '#test/support/workspace-socket.ts'
import { createWorld, type World } from '#test/support/world.ts'
import { cookieFor, modes, share, withBob } from './scene.ts'

async function keysOf(world: World) {
  const { status, body } = await plainRequest(world.origin + paths.jwks)
  expect(status).toBe(200)
  const jwks: JSONWebKeySet = JSON.parse(body)
  return createLocalJWKSet(jwks)
}

function assertionIn(echo: Echo | undefined): string {
  const [token, ...others] = echo ? headersOf(echo, 'x-gatehouse-assertion') : []
  if (token === undefined || others.length > 0) throw new Error('not one assertion')
  return token
}

describe.each(modes)('in %s mode', (mode) => {
  test('the assertion is verified with the published keys, and is for that workspace, port and person alone', async () => {
    await using world = await createWorld({ mode })
    const { ref, url, app } = await world.workspace({ name: 'nb', owner: 'alice' })
    const [alice, dave] = [await world.as('alice'), await world.as('dave')]
    await share(world, alice, ref, { grantees: [{ kind: 'Group', name: 'ds' }] })
    await alice.open(url)
    const keys = await keysOf(world)
    const wanted = { issuer: world.origin, audience: 'team/nb', algorithms: ['EdDSA'] }
    const ofAlice = assertionIn(app.requests.at(-1))
    const { payload } = await jwtVerify(ofAlice, keys, wanted)
    const workspace = world.open.workspaces.directory.get(ref)
    expect(payload).toMatchObject({ sub: 'alice', groups: [], port: 8888, workspace_uid: workspace?.uid })
    expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(300)
    await dave.open(url)
    const ofDave = (await jwtVerify(assertionIn(app.requests.at(-1)), keys, wanted)).payload
    expect(ofDave).toMatchObject({ sub: 'dave', groups: ['ds'] })
    await expect(jwtVerify(ofAlice, keys, { ...wanted, audience: 'team/other' })).rejects.toThrow('"aud"')
    const [head = '', , signature = ''] = ofAlice.split('.')
    const forged = `${head}.${Buffer.from(JSON.stringify({ ...payload, sub: 'dave' })).toString('base64url')}.${signature}`
    await expect(jwtVerify(forged, keys, wanted)).rejects.toThrow('signature')

    using _socket = await openSocket(alice, `${url}ws`)
    expect((await jwtVerify(assertionIn(app.requests.at(-1)), keys, wanted)).payload.sub).toBe('alice')
  })

  test('who it is and where it is reached is said by the gateway alone', async () => {
    await using world = await createWorld({ mode })
    const { url, app } = await world.workspace({ name: 'nb', owner: 'alice' })
    const alice = await world.as('alice')
    await alice.open(url)
    const claimed = {
      'X-Forwarded-User': 'carol',
      'X-Gatehouse-Assertion': 'forged',
      'X-Forwarded-For': '10.1.2.3',
      'X-Forwarded-Proto': 'https',
      'X-Forwarded-Host': 'evil.example',
      'X-Forwarded-Prefix': '/evil',
      'X-Auth-Request-User': 'carol',
    }
    await plainRequest(url, { headers: { ...cookieFor(alice, url), ...claimed } })
    const echo = app.requests.at(-1)
    const of = (name: string) => (echo ? headersOf(echo, name) : [])
    const { host, port, pathname } = new URL(url)
    expect(of('x-forwarded-user')).toEqual(['alice'])
    expect(of('x-forwarded-for')).toEqual(['127.0.0.1'])
    expect(of('x-forwarded-proto')).toEqual(['http'])
    expect(of('x-forwarded-host')).toEqual([host])
    expect(of('x-forwarded-port')).toEqual([port])
    expect(of('x-forwarded-prefix')).toEqual(mode === 'host' ? [] : [pathname.slice(0, -1)])
    expect(of('x-auth-request-user')).toEqual([])
    expect(of('host')).toEqual([host])
    expect(of('cookie')).toEqual([])
    expect(assertionIn(echo).split('.').length).toBe(3)
  })
})

test('one assertion serves for a minute, and another one after it, for each person and port of its own', async () => {
  const clock = fakeClock(Date.now())
  using _date = dateFollows(clock)
  await using world = await createWorld({ clock })
  const { ref, url, app } = await world.workspace({ name: 'nb', owner: 'alice' })
  const [alice, bob] = [await world.as('alice'), await world.as('bob')]
  await share(world, alice, ref, withBob)
  const ask = async (by: typeof alice) => {
    await by.open(url)
    return assertionIn(app.requests.at(-1))
  }
  const first = await ask(alice)
  await clock.advance(59_000)
  expect(await ask(alice)).toBe(first)
  const ofBob = await ask(bob)
  expect(ofBob).not.toBe(first)
  await clock.advance(1_000)
  const second = await ask(alice)
  expect(second).not.toBe(first)
  expect(await ask(bob)).toBe(ofBob)
  const { payload } = await jwtVerify(second, await keysOf(world), { currentDate: new Date(clock.now()) })
  expect(payload.exp).toBe(Math.floor(clock.now() / 1000) + 300)
})
