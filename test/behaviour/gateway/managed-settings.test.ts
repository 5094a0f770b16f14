/** Settings that change while the gateway runs: what changes does so at once, and nobody whom it does not concern notices. */
import { request } from 'node:http'
import { describe, expect, test, vi } from 'vitest'
import { clientSecretKind } from '#identity/client-secret.ts'
import { keyRingName } from '#identity/key-ring-record.ts'
import { sshAuthorityName } from '#identity/ssh-authority.ts'
import { api, paths } from '#surface/urls.ts'
import { dateFollows } from '#test/support/date-follows.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { freePort } from '#test/support/free-port.ts'
import { testIdentityProvider } from '#test/support/identity-provider.ts'
import { managing } from '#test/support/managed.ts'
import { plainRequest } from '#test/support/plain-request.ts'
import { openSocket, refusedSocket } from '#test/support/workspace-socket.ts'
import { createWorld, type WorldOptions } from '#test/support/world.ts'
import { managerKind } from '#workspace/manager.ts'
import { callApi, cookieFor, revocationBound } from './scene.ts'

const inForce = { status: 'True', reason: 'InForce', message: '' }
const at = { namespace: 'gatehouse', name: 'gatehouse' }

async function openScene(options: WorldOptions = {}) {
  await using stack = new AsyncDisposableStack()
  const world = stack.use(await createWorld({ managed: {}, ...options }))
  const { change, manager } = managing(world)
  const running = stack.move()
  return { world, change, manager, [Symbol.asyncDispose]: () => running.disposeAsync() }
}

/** Of the provider of the world, beside another one. */
async function firstIssuer(scene: Awaited<ReturnType<typeof openScene>>) {
  const { oidc } = (await scene.manager()).spec
  const [first]: readonly unknown[] = Array.isArray(oidc) ? oidc : []
  return { ...(first ?? {}) }
}

describe('a locked person', () => {
  test('is out within two seconds; nobody else notices, and no issuer is asked anew', async () => {
    await using scene = await openScene()
    const { world, change } = scene
    const a = await world.workspace({ name: 'a', owner: 'alice' })
    const b = await world.workspace({ name: 'b', owner: 'bob' })
    const [alice, bob] = [await world.as('alice'), await world.as('bob')]
    await alice.open(a.url)
    await bob.open(b.url)
    using hers = await openSocket(alice, a.url)
    using his = await openSocket(bob, b.url)
    const { authenticator, issuers } = world.open.identities
    const began = performance.now()
    expect(await change({ locked: ['alice'] })).toEqual(inForce)
    const { code, at: closedAt } = await hers.closed
    expect([code, closedAt - began < revocationBound]).toEqual([1008, true])
    expect((await alice.open(a.url)).status).not.toBe(200)
    expect((await his.ask('still there?')).toString()).toBe('still there?')
    expect((await bob.open(b.url)).status).toBe(200)
    expect(world.open.identities.authenticator).toBe(authenticator)
    expect(world.open.identities.issuers).toBe(issuers)

    const refused = await world.as('alice')
    expect(refused.page.status).toBe(403)
    expect(await change({ locked: [] })).toEqual(inForce)
    expect((await (await world.as('alice')).open(a.url)).status).toBe(200)
  })
})

describe("the administrators' group", () => {
  test('takes with it what it gave, at once, and gives it back; the owner works on', async () => {
    await using scene = await openScene()
    const { world, change } = scene
    const a = await world.workspace({ name: 'a', owner: 'alice' })
    const [alice, carol] = [await world.as('alice'), await world.as('carol')]
    await alice.open(a.url)
    expect((await carol.open(a.url)).status).toBe(200)
    using hers = await openSocket(alice, a.url)
    using administrators = await openSocket(carol, a.url)
    const [issuer] = world.open.identities.issuers.all
    expect(await change({ administrators: { groups: ['others'] } })).toEqual(inForce)
    expect((await administrators.closed).code).toBe(1008)
    expect((await refusedSocket(carol, a.url)).status).toBe(403)
    expect((await callApi(world, carol, 'POST', api.stop(a.ref))).status).toBe(404)
    expect((await hers.ask('still there?')).toString()).toBe('still there?')
    expect(world.open.identities.issuers.all[0]).toBe(issuer)
    expect(await change({ administrators: { groups: ['admins'] } })).toEqual(inForce)
    expect((await carol.open(a.url)).status).toBe(200)
    expect(hers.isOpen()).toBe(true)
  })

  test('is not what a request is let in by that was still being looked at when it changed', async () => {
    await using scene = await openScene()
    const { world, change } = scene
    const a = await world.workspace({ name: 'a', owner: 'alice' })
    const carol = await world.as('carol')
    expect((await carol.open(a.url)).status).toBe(200)
    // Stands for a store that is slow to say whose session it is.
    const { authenticator } = world.open.identities
    const gate = Promise.withResolvers<void>()
    const resolve = authenticator.resolve.bind(authenticator)
    vi.spyOn(authenticator, 'peek').mockReturnValue(undefined)
    vi.spyOn(authenticator, 'resolve').mockImplementation(async (...asked) => {
      await gate.promise
      return resolve(...asked)
    })
    const asking = plainRequest(a.url, { headers: cookieFor(carol, a.url) })
    const upgrading = refusedSocket(carol, a.url)
    await world.until(() => vi.mocked(authenticator.resolve).mock.calls.length === 2, 'both are looked at')
    expect(await change({ administrators: { groups: ['others'] } })).toEqual(inForce)
    gate.resolve()
    expect((await asking).status).toBe(403)
    expect((await upgrading).status).toBe(403)
    expect(world.open.streams.all()).toEqual([])
  })
})

describe('what is under way when settings change', () => {
  test('comes to its end: an upload to a workspace, and a request to the API', async () => {
    await using scene = await openScene()
    const { world, change } = scene
    const a = await world.workspace({ name: 'a', owner: 'alice' })
    const alice = await world.as('alice')
    await alice.open(a.url)
    const origin = a.url.slice(0, -1)
    const upload = await halfSent(a.url, { ...cookieFor(alice, a.url), Origin: origin })
    const asking = await halfSent(world.origin + api.stop(a.ref), {
      ...cookieFor(alice, world.origin),
      Origin: world.origin,
    })
    expect(await change({ administrators: { groups: ['others'] } })).toEqual(inForce)
    expect((await upload.finish()).status).toBe(200)
    expect((await asking.finish()).status).toBe(202)
  })
})

describe('a new domain', () => {
  test("moves the site; work that is open goes on, and the old names are nobody's", async () => {
    const port = await freePort()
    await using scene = await openScene({ port, otherOrigins: [`http://moved.localhost:${port}`] })
    const { world, change } = scene
    const a = await world.workspace({ name: 'a', owner: 'alice' })
    const alice = await world.as('alice')
    await alice.open(a.url)
    using socket = await openSocket(alice, a.url)
    expect(await change({ domain: 'moved.localhost' })).toEqual(inForce)
    expect(world.origin).toBe(`http://moved.localhost:${port}`)
    expect((await plainRequest(`http://localhost:${port}/`)).status).toBe(421)
    expect((await plainRequest(a.url)).status).toBe(421)
    expect((await socket.ask('still there?')).toString()).toBe('still there?')
    const moved = world.url(a.ref)
    expect(moved).toContain('.moved.localhost:')
    expect((await plainRequest(moved)).status).toBe(401)
    const again = await world.as('alice')
    expect((await again.open(moved)).status).toBe(200)
    // A cookie of the old name says nothing under the new one.
    expect((await plainRequest(moved, { headers: cookieFor(alice, a.url) })).status).toBe(401)
  })
})

describe('routing', () => {
  test('goes from hosts to paths: new URLs, new cookies, the same work', async () => {
    await using scene = await openScene()
    const { world, change } = scene
    const a = await world.workspace({ name: 'a', owner: 'alice' })
    const alice = await world.as('alice')
    await alice.open(a.url)
    using socket = await openSocket(alice, a.url)
    expect(await change({ routing: { mode: 'path' } })).toEqual(inForce)
    const byPath = world.url(a.ref)
    expect(byPath).toBe(`http://workspaces.localhost:${world.port}/workspaces/team/a/`)
    expect((await plainRequest(a.url)).status).toBe(421)
    expect((await alice.open(byPath)).status).toBe(200)
    expect((await socket.ask('still there?')).toString()).toBe('still there?')
  })
})

describe('a bad change', () => {
  test('is refused with every reason in the status, and what was in force still is', async () => {
    await using scene = await openScene()
    const { world, change, manager } = scene
    const a = await world.workspace({ name: 'a', owner: 'alice' })
    const alice = await world.as('alice')
    await alice.open(a.url)
    using socket = await openSocket(alice, a.url)
    const issuer = await firstIssuer(scene)
    const elsewhere = { ...issuer, id: 'corp', issuer: 'https://corp.example.com', usernamePrefix: '' }
    const verdict = await change({ domain: 'Not A Name', oidc: [issuer, elsewhere], locked: ['alice'] })
    expect(verdict).toMatchObject({ status: 'False', reason: 'Invalid' })
    expect(verdict.message).toContain('domain: must be')
    expect(verdict.message).toContain('oidc[1].usernamePrefix: overlaps')
    expect((await socket.ask('still there?')).toString()).toBe('still there?')
    expect((await alice.open(a.url)).status).toBe(200)
    expect(world.lines.some((line) => line.includes(' is refused: ') && line.includes('domain: must be'))).toBe(true)

    const missing = await change({
      domain: 'localhost',
      oidc: [{ ...issuer, clientSecretRef: { name: 'nowhere', key: 'test' } }],
    })
    expect(missing).toEqual({
      status: 'False',
      reason: 'SecretUnusable',
      message: 'oidc[0].clientSecretRef: there is no key test in a Secret nowhere here',
    })
    expect(await change({ oidc: [issuer], locked: [] })).toEqual(inForce)
    const { metadata, status } = await manager()
    expect(status.observedGeneration).toBe(metadata.generation)
    expect(socket.isOpen()).toBe(true)
  })

  test("#110 is refused that would send Gatehouse's own keys to an issuer as its client's secret", async () => {
    await using scene = await openScene()
    const { change } = scene
    for (const name of [keyRingName, sshAuthorityName]) {
      const stolen = { ...(await firstIssuer(scene)), clientSecretRef: { name, key: 'spec' } }
      const verdict = await change({ oidc: [stolen] })
      expect(verdict).toMatchObject({ status: 'False', reason: 'SecretUnusable' })
      expect(verdict.message).toContain(`the Secret ${name} is Gatehouse's own`)
    }
  })

  test('is told once, by whichever replica comes first', async () => {
    await using scene = await openScene()
    const { world, change, manager } = scene
    await change({ locked: ['mallory'] })
    const { resourceVersion } = (await manager()).metadata
    await world.replica()
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect((await manager()).metadata.resourceVersion).toBe(resourceVersion)
  })
})

describe('an issuer', () => {
  test('that is added lets its people in at once; taken away, they are out, and nobody else is', async () => {
    const port = await freePort()
    await using second = await testIdentityProvider({ clientOrigin: `http://localhost:${port}` })
    await using scene = await openScene({ port, clientSecrets: new Map([['corp', second.clientSecret]]) })
    const { world, change } = scene
    const first = { ...(await firstIssuer(scene)), usernamePrefix: 'one:', groupsPrefix: 'one:' }
    await change({ oidc: [first] })
    const a = await world.workspace({ name: 'a', owner: 'one:alice' })
    const alice = await world.as('alice')
    await alice.open(a.url)
    using hers = await openSocket(alice, a.url)
    const [known] = world.open.identities.issuers.all
    const corp = {
      ...{ id: 'corp', displayName: 'Corp', issuer: second.issuer, clientId: second.clientId },
      ...{ scopes: ['openid', 'profile', 'offline_access'], usernamePrefix: 'corp:', groupsPrefix: 'corp:' },
      clientSecretRef: { name: 'oidc', key: 'corp' },
    }
    expect(await change({ oidc: [first, corp] })).toEqual(inForce)
    expect(world.open.identities.issuers.byUrl(world.identityProvider.issuer)).toBe(known)
    const b = await world.workspace({ name: 'b', owner: 'corp:alice' })
    const other = world.browser()
    await other.open(`${world.origin}${paths.login}?issuer=corp`)
    await other.login('alice', second.password)
    expect([(await other.open(b.url)).status, other.page.url.href]).toEqual([200, b.url])
    expect((await other.open(a.url)).status).toBe(403)
    await other.open(b.url)
    using theirs = await openSocket(other, b.url)

    expect(await change({ oidc: [first] })).toEqual(inForce)
    expect((await theirs.closed).code).toBe(1008)
    expect((await refusedSocket(other, b.url)).status).toBe(401)
    expect((await hers.ask('still there?')).toString()).toBe('still there?')
    expect((await alice.open(a.url)).status).toBe(200)
    expect(world.audit).toContainEqual(
      expect.objectContaining({ event: 'session-ended', user: 'corp:alice', reason: 'untrusted' }),
    )
  })

  test('that is none any more ends when what was asked of it is over', async () => {
    const clock = fakeClock()
    using _date = dateFollows(clock)
    await using scene = await openScene({ clock })
    const { world, change } = scene
    const [before] = world.open.identities.issuers.all
    const issuer = await firstIssuer(scene)
    expect(await change({ oidc: [{ ...issuer, displayName: 'Renamed' }] })).toEqual(inForce)
    expect((await before?.metadata({ within: 0 }))?.issuer).toBe(world.identityProvider.issuer)
    await clock.advance(60_000)
    await expect(before?.metadata({ within: 0 })).rejects.toMatchObject({ code: 'issuer_unavailable' })
    expect((await world.as('alice')).page.status).toBe(200)
  })

  test('whose secret is replaced is asked with the new one half a minute later', async () => {
    const clock = fakeClock()
    using _date = dateFollows(clock)
    await using scene = await openScene({ clock })
    const { world } = scene
    const replaceSecret = async (test: string) => {
      const [before] = world.open.identities.issuers.all
      const secret = await world.resources.get(clientSecretKind, { namespace: 'gatehouse', name: 'oidc' })
      if (!secret) throw new Error('there is no Secret')
      await world.resources.replace(clientSecretKind, { ...secret, spec: { test } })
      await clock.advance(30_000)
      await world.until(() => world.open.identities.issuers.all[0] !== before, 'the new secret is in force')
    }
    await replaceSecret('no-longer-the-one-0123456789abcdef')
    expect((await world.as('alice')).page.status).toBe(400)
    await replaceSecret(world.identityProvider.clientSecret.reveal())
    expect((await world.as('alice')).page.status).toBe(200)
  })
})

describe('a gateway whose manager', () => {
  test('does not exist yet is not ready, and says so to everybody; it serves as soon as there is one', async () => {
    const port = await freePort()
    await using scene = await openScene({ otherOrigins: [`http://other.localhost:${port}`] })
    const { world } = scene
    const { open } = await world.replica({
      port,
      settings: (settings) => ({
        ...settings,
        managerName: 'other',
        external: { scheme: 'http', port },
      }),
    })
    const isKnown = () => open.conditions.find(({ name }) => name === 'manager-known')?.isMet()
    expect(isKnown()).toBe(false)
    const page = await plainRequest(`http://other.localhost:${port}/`, { headers: { 'Sec-Fetch-Mode': 'navigate' } })
    expect([page.status, page.headers['content-type']]).toEqual([503, 'text/html; charset=utf-8'])
    expect(page.body).toContain('manager_unknown')
    const answer = await plainRequest(`http://other.localhost:${port}/.gatehouse/api/v1/workspaces`)
    expect(JSON.parse(answer.body)).toMatchObject({ status: 503, code: 'manager_unknown' })
    expect(answer.headers['retry-after']).toMatch(/^[567]$/)
    expect((await refusedSocket(undefined, `http://other.localhost:${port}/`)).status).toBe(503)

    const { spec } = await scene.manager()
    await world.resources.create(managerKind, {
      metadata: { namespace: 'gatehouse', name: 'other' },
      spec: { ...spec, domain: 'other.localhost' },
    })
    await world.until(() => isKnown() === true, 'the manager is known')
    const alice = world.browser()
    await alice.open(`http://other.localhost:${port}/`)
    await alice.login('alice', world.identityProvider.password)
    expect([alice.page.status, alice.page.url.href]).toEqual([200, `http://other.localhost:${port}/`])
  })

  test('is deleted goes by what it said last', async () => {
    await using scene = await openScene()
    const { world } = scene
    const a = await world.workspace({ name: 'a', owner: 'alice' })
    await world.resources.delete(managerKind, at)
    await world.until(() => world.lines.some((line) => line.includes('is gone')), 'it is said')
    expect((await (await world.as('alice')).open(a.url)).status).toBe(200)
    expect(world.open.conditions.every((condition) => condition.isMet())).toBe(true)
  })
})

/** A POST whose body is on its way; it is whole when `finish` is called. */
async function halfSent(url: string, headers: Readonly<Record<string, string>>) {
  const target = new URL(url)
  const call = request({
    host: '127.0.0.1',
    port: target.port,
    path: target.pathname,
    method: 'POST',
    headers: { Host: target.host, 'Content-Type': 'application/json', 'Content-Length': '4', ...headers },
  })
  const answer = new Promise<{ status: number }>((resolve, reject) => {
    call.once('error', reject)
    call.once('response', (response) => {
      response.resume()
      resolve({ status: response.statusCode ?? 0 })
    })
  })
  await new Promise<void>((resolve) => call.write('{', () => resolve()))
  await new Promise((resolve) => setTimeout(resolve, 50))
  return {
    finish: () => {
      call.end(' } ')
      return answer
    },
  }
}
