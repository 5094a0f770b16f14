import { describe, expect, test } from 'vitest'
import type { AuditEvent } from '#observe/audit.ts'
import { api, paths } from '#surface/urls.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { liveRequest, plainRequest } from '#test/support/plain-request.ts'
import { openSocket, refusedSocket } from '#test/support/workspace-socket.ts'
import { createWorld, type World } from '#test/support/world.ts'
import { callApi, cookieFor, declare, press, share, withBob } from './scene.ts'

type Named<Name> = Extract<AuditEvent, { event: Name }>

function told<Name extends AuditEvent['event']>(world: World, name: Name): readonly Named<Name>[] {
  return world.audit.filter((event): event is Named<Name> => event.event === name)
}

function sessionOf(world: World, username: string): string {
  const [record] = world.open.identities.sessions.find(({ spec }) => spec.username === username)
  if (!record) throw new Error(`${username} has no session`)
  return record.metadata.name
}

const someId = expect.stringMatching(/^\S{6,}$/)

describe('the audit trail has one line', () => {
  test('for a login and for a logout', async () => {
    await using world = await createWorld()
    const bob = await world.as('bob')
    const session = sessionOf(world, 'bob')
    const actor = { user: 'bob', session, client: '127.0.0.1', requestId: someId }
    expect(told(world, 'login')).toEqual([
      { event: 'login', ...actor, issuer: world.identityProvider.issuer, kind: 'browser' },
    ])
    await bob.open(`${world.origin}/`)
    await press(bob, paths.logout)
    expect(told(world, 'logout')).toEqual([{ event: 'logout', ...actor }])
    expect(told(world, 'session-ended')).toEqual([])
  })

  test('for the first allow of a session on a workspace, and none for what follows', async () => {
    await using world = await createWorld()
    const { ref, url } = await world.workspace({ name: 'nb', owner: 'alice' })
    const other = await world.workspace({ name: 'other', owner: 'alice', spec: { accessType: 'Public' } })
    const alice = await world.as('alice')
    const made = await share(world, alice, ref, withBob)
    const bob = await world.as('bob')
    for (const visitor of [alice, bob]) {
      for (const of of [url, other.url]) {
        await visitor.open(of)
        for (let round = 0; round < 5; round++) await plainRequest(`${of}api`, { headers: cookieFor(visitor, of) })
        using _socket = await openSocket(visitor, of)
      }
    }
    expect(told(world, 'allow').map(({ user, workspace, port, grant }) => [user, workspace, port, grant])).toEqual([
      ['alice', 'team/nb', 8888, 'owner'],
      ['alice', 'team/other', 8888, 'owner'],
      ['bob', 'team/nb', 8888, `share:team/${made.name}`],
      ['bob', 'team/other', 8888, 'public'],
    ])
    // Whatever is decided anew meanwhile.
    await declare(world, { name: 'third', owner: 'alice' })
    for (const visitor of [alice, bob]) await visitor.open(url)
    expect(told(world, 'allow').length).toBe(4)
    const again = await world.as('bob')
    await again.open(url)
    expect(told(world, 'allow').length).toBe(5)
  })

  test('for each refusal: who, what, and why', async () => {
    await using world = await createWorld()
    const { ref, url } = await world.workspace({ name: 'nb', owner: 'alice' })
    const none = { namespace: 'team', name: 'none' }
    const [alice, bob, dave] = [await world.as('alice'), await world.as('bob'), await world.as('dave')]
    await share(world, alice, ref, { ...withBob, expiresAt: '2099-01-01T00:00:00Z' })
    const reasons: [string, () => Promise<unknown>][] = [
      ['dave team/nb no-grant', () => dave.navigate(url).then(() => dave.follow())],
      ['dave team/nb no-grant', () => refusedSocket(dave, url)],
      ['dave team/none no-such-workspace', () => dave.open(world.url(none))],
      ['dave team/nb no-grant', () => callApi(world, dave, 'POST', api.stop(ref))],
      ['dave team/none no-such-workspace', () => callApi(world, dave, 'POST', api.start(none))],
      ['alice team/nb no-such-port', () => alice.open(world.url(ref, 22))],
      ['bob team/nb may-not-stop', () => callApi(world, bob, 'POST', api.stop(ref))],
      ['bob team/nb may-not-share', () => callApi(world, bob, 'POST', api.shares(ref), withBob)],
      ['bob team/nb may-not-read-logs', () => bob.tab().fetch(world.origin + api.logs(ref))],
      ['bob team/nb may-not-explain', () => bob.tab().fetch(`${world.origin}${api.explain(ref)}?user=bob`)],
      [
        'alice team/nb may-not-appoint-owners',
        () => callApi(world, alice, 'POST', api.shares(ref), { ...withBob, access: 'own' }),
      ],
      ['nobody team/nb login-needed:none', () => plainRequest(url)],
    ]
    for (const [line, act] of reasons) {
      const before = told(world, 'deny').length
      await act()
      const lines = told(world, 'deny').slice(before)
      expect(lines.map(({ user, workspace, reason }) => `${user ?? 'nobody'} ${workspace} ${reason}`)).toEqual([line])
      expect(lines[0]).toMatchObject({ client: '127.0.0.1', requestId: someId })
    }
    const forged = { ...cookieFor(alice, url), Origin: 'https://evil.example' }
    await alice.open(url)
    await plainRequest(url, { method: 'POST', headers: { ...forged, ...cookieFor(alice, url) }, body: 'x' })
    await plainRequest(url, { headers: { Host: 'evil.example' } })
    await world.browser().open(`${world.origin}${paths.callback}?state=made-up&code=x`)
    expect(told(world, 'deny').slice(-3)).toMatchObject([
      { user: 'alice', workspace: 'team/nb', reason: 'cross-origin:origin_foreign' },
      { user: undefined, workspace: undefined, reason: 'foreign_host' },
      { user: undefined, workspace: undefined, reason: expect.stringMatching(/^login:/) },
    ])
  })

  test('for a share made and revoked, a start and a stop', async () => {
    await using world = await createWorld()
    const { ref } = await world.workspace({ name: 'nb', owner: 'alice', spec: { desiredStatus: 'Stopped' } })
    const alice = await world.as('alice')
    const actor = { user: 'alice', session: sessionOf(world, 'alice'), workspace: 'team/nb' }
    const expiresAt = '2099-01-01T00:00:00Z'
    const grantees = [...withBob.grantees, { kind: 'Group', name: 'ds' } as const]
    const { name } = await share(world, alice, ref, { grantees, ports: ['http'], expiresAt })
    expect(told(world, 'share-created')).toMatchObject([
      {
        ...actor,
        share: name,
        grantees: ['User:bob', 'Group:ds'],
        access: 'connect',
        ports: ['http'],
        expiresAt: Date.parse(expiresAt),
      },
    ])
    await callApi(world, alice, 'DELETE', api.share(ref, name))
    await callApi(world, alice, 'DELETE', api.share(ref, name))
    expect(told(world, 'share-revoked')).toMatchObject([{ ...actor, share: name, reason: 'asked' }])
    for (const path of [api.start(ref), api.start(ref), api.stop(ref), api.stop(ref)]) {
      await callApi(world, alice, 'POST', path)
      const wanted = path === api.start(ref) ? 'Running' : 'Stopped'
      await world.until(
        () => world.open.workspaces.directory.get(ref)?.workspace.spec.desiredStatus === wanted,
        'the gateway knows what is wanted',
      )
    }
    expect(told(world, 'start')).toMatchObject([{ ...actor, reason: 'asked' }])
    expect(told(world, 'stop')).toMatchObject([{ ...actor, reason: 'asked' }])
  })

  test('for a stop that nobody asked for, because the start took too long', async () => {
    const start = { timeout: 200 }
    await using world = await createWorld({ settings: (settings) => ({ ...settings, start }) })
    await declare(world, { owner: 'alice' })
    await world.until(() => told(world, 'stop').length > 0, 'it was given up')
    expect(told(world, 'stop')).toMatchObject([{ user: undefined, workspace: 'team/nb', reason: 'StartTimedOut' }])
  })

  test('for a stream opened and closed, with its bytes, how long it was and under which grant', async () => {
    const clock = fakeClock(Date.now())
    await using world = await createWorld({ clock })
    const { ref, url } = await world.workspace({ name: 'nb', owner: 'alice' })
    const [alice, bob] = [await world.as('alice'), await world.as('bob')]
    const { name } = await share(world, alice, ref, withBob)
    await bob.open(url)
    const target = { user: 'bob', session: sessionOf(world, 'bob'), workspace: 'team/nb', port: 8888 }
    const about = { ...target, grant: `share:team/${name}` }
    {
      using socket = await openSocket(bob, url)
      expect(told(world, 'stream-opened')).toMatchObject([{ ...about, kind: 'websocket' }])
      await socket.ask(Buffer.alloc(1000))
      await clock.advance(90_000)
      socket.ws.close(1000)
      await socket.closed
    }
    await world.until(() => told(world, 'stream-closed').length === 1, 'the socket is closed')
    expect(told(world, 'stream-closed')).toMatchObject([
      {
        ...about,
        kind: 'websocket',
        reason: 'closed',
        duration: 90_000,
        // With the heads of frames: 8 bytes from a client, 4 to it; and a close frame each way.
        bytesIn: 1000 + 8 + 8,
        bytesOut: 1000 + 4 + 4,
      },
    ])
    const headers = cookieFor(bob, url)
    using events = await liveRequest(`${url}events`, { headers })
    await world.until(() => events.text() !== '', 'an event')
    await callApi(world, alice, 'DELETE', api.share(ref, name))
    await events.ended
    await world.until(() => told(world, 'stream-closed').length === 2, 'the events are closed')
    expect(told(world, 'stream-opened')[1]).toMatchObject({ ...about, kind: 'event-stream' })
    expect(told(world, 'stream-closed')[1]).toMatchObject({ ...about, kind: 'event-stream', reason: 'ended' })
  })

  test('for an answer that goes on, whatever was asked for and whatever it calls itself', async () => {
    const clock = fakeClock(Date.now())
    await using world = await createWorld({ clock })
    const { url, app } = await world.workspace({ name: 'nb', owner: 'alice' })
    const alice = await world.as('alice')
    await alice.open(url)
    app.answer = (request, response) => {
      response.writeHead(200, { 'content-type': 'application/x-ndjson' })
      response.write('{"log":1}\n')
      if (request.url === '/short') response.end()
      return true
    }
    const headers = { ...cookieFor(alice, url), Accept: 'text/event-stream' }
    expect((await plainRequest(`${url}short`, { headers })).status).toBe(200)
    using log = await liveRequest(`${url}log`, { headers })
    await world.until(() => log.text() !== '', 'the first line')
    expect(told(world, 'stream-opened')).toEqual([])
    await clock.advance(10_000)
    const about = { user: 'alice', workspace: 'team/nb', port: 8888, grant: 'owner', kind: 'http' }
    expect(told(world, 'stream-opened')).toMatchObject([about])
    await clock.advance(5_000)
    log[Symbol.dispose]()
    await world.until(() => told(world, 'stream-closed').length > 0, 'the answer is over')
    expect(told(world, 'stream-closed')).toMatchObject([{ ...about, reason: 'client', duration: 15_000, bytesOut: 10 }])
  })

  test('for a session that somebody or something else has ended', async () => {
    await using world = await createWorld()
    const carol = await world.as('carol')
    const by: string[] = []
    for (const [username, act] of [
      ['bob', () => callApi(world, carol, 'DELETE', api.session(sessionOf(world, 'bob')))],
      ['alice', () => world.open.identities.sessions.setLocked(['alice'])],
      ['dave', () => world.identityProvider.admin.endSessions('dave')],
    ] as const) {
      await world.as(username)
      const session = sessionOf(world, username)
      await act()
      const lines = told(world, 'session-ended').filter((event) => event.session === session)
      expect(lines.length).toBe(1)
      by.push(lines[0]?.reason ?? '')
    }
    expect(by).toEqual(['revoked-by:carol', 'locked', 'logged-out-at-issuer'])
  })
})

test('each line of the audit trail is JSON with a time, and none has a cookie in it', async () => {
  await using world = await createWorld()
  const { url } = await world.workspace({ name: 'nb', owner: 'alice' })
  const alice = await world.as('alice')
  await alice.open(`${url}secret?token=in-a-query`)
  const lines = world.lines.map((line): Record<string, unknown> => JSON.parse(line)).filter((line) => 'event' in line)
  expect(lines.map(({ event }) => event)).toEqual(world.audit.map(({ event }) => event))
  for (const line of lines) expect(line.time).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
  const all = world.lines.join('\n')
  const cookies = alice.cookies.all().filter(({ name }) => name.includes('gatehouse'))
  expect(cookies.length).toBeGreaterThan(1)
  for (const { value } of cookies) expect(all).not.toContain(value)
  expect(all).not.toContain('in-a-query')
})
