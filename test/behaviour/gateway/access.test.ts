import { describe, expect, test } from 'vitest'
import { api, paths } from '#surface/urls.ts'
import { plainRequest } from '#test/support/plain-request.ts'
import { refusedSocket } from '#test/support/workspace-socket.ts'
import { createWorld } from '#test/support/world.ts'
import { least, settingsOf } from '#test/unit/settings/settings-world.ts'
import { callApi, cookieFor, modes, share, withBob } from './scene.ts'

describe.each(modes)('in %s mode', (mode) => {
  test('[JK6.1] freshly installed, without shares and with accessType unset, everybody but the owner gets 403', async () => {
    const { access, administrators } = await settingsOf({ file: least })
    expect(access).toEqual({ defaultAccessType: 'OwnerOnly' })
    expect(administrators).toEqual({ groups: [], users: [] })
    await using world = await createWorld({ mode, settings: (given) => ({ ...given, access, administrators }) })
    const { url, app } = await world.workspace({ name: 'nb', owner: 'alice' })
    const ownerless = await world.workspace({ name: 'nobodys' })
    expect((await (await world.as('alice')).open(url)).status).toBe(200)
    const before = app.bytes()
    for (const username of ['bob', 'carol', 'dave']) {
      const visitor = await world.as(username)
      for (const of of [url, ownerless.url]) {
        expect((await visitor.open(`${of}lab`)).status).toBe(403)
        const headers = cookieFor(visitor, of)
        expect((await plainRequest(`${of}api`, { headers })).status).toBe(403)
        const write = { ...headers, Origin: new URL(of).origin }
        expect((await plainRequest(`${of}api`, { method: 'POST', headers: write, body: 'x' })).status).toBe(403)
        expect((await refusedSocket(visitor, of)).status).toBe(403)
      }
      await visitor.open(`${world.origin}/`)
      expect(JSON.parse((await visitor.fetch(world.origin + api.workspaces)).body)).toEqual({ workspaces: [] })
    }
    expect([app.bytes(), ownerless.app.bytes()]).toEqual([before, 0])
  })

  test('unknown and forbidden are one and the same to a stranger; an administrator is told the truth', async () => {
    await using world = await createWorld({ mode })
    const { ref, url } = await world.workspace({ name: 'nb', owner: 'alice' })
    const none = { namespace: 'team', name: 'none' }
    const nowhere = { namespace: 'nowhere', name: 'nb' }
    const [bob, carol] = await Promise.all([world.as('bob'), world.as('carol')])
    const shown = async (of: string, as: typeof bob) => {
      const page = await as.open(of)
      const { status, headers, body } = page
      const id = String(headers['x-request-id'])
      return {
        status,
        names: Object.keys(headers).sort(),
        type: headers['content-type'],
        body: body.replaceAll(id, ''),
      }
    }
    const forbidden = await shown(url, bob)
    expect(forbidden.status).toBe(403)
    expect(await shown(world.url(none), bob)).toEqual(forbidden)
    expect(await shown(world.url(nowhere), bob)).toEqual(forbidden)
    const problems = [url, world.url(none), world.url(ref, 9999), world.url(none, 9999)].map(async (of) => {
      await bob.tab().open(of)
      const answers = [await plainRequest(of, { headers: cookieFor(bob, of) }), await refusedSocket(bob, of)]
      return answers.map(({ status, headers, body }) => ({
        status,
        names: Object.keys(headers).filter((name) => !['connection', 'date', 'keep-alive'].includes(name)),
        problem: { ...JSON.parse(body), requestId: '' },
      }))
    })
    const [first, ...others] = await Promise.all(problems)
    expect(first?.map(({ status }) => status)).toEqual([403, 403])
    for (const other of others) expect(other).toEqual(first)

    await bob.open(`${world.origin}/`)
    for (const path of [api.workspace, api.events, api.logs, api.shares]) {
      const answers = await Promise.all([ref, none, nowhere].map((of) => bob.fetch(world.origin + path(of))))
      const told = answers.map(({ status, body }) => ({ status, ...JSON.parse(body), requestId: '' }))
      expect(told[0]).toMatchObject({ status: 404 })
      expect(told[1]).toEqual(told[0])
      expect(told[2]).toEqual(told[0])
    }
    expect((await carol.open(world.url(none))).status).toBe(404)
    expect((await carol.open(url)).status).toBe(200)
  })
})

test('a workspace host tells its own read-only status to those who may open it, and has nothing else of the console', async () => {
  await using world = await createWorld()
  const { url } = await world.workspace({ name: 'nb', owner: 'alice' })
  const [alice, bob] = await Promise.all([world.as('alice'), world.as('bob')])
  for (const visitor of [alice, bob]) await visitor.open(url)
  const at = (path: string) => url.slice(0, -1) + path
  const ask = async (by: typeof alice, path: string, method = 'GET') => {
    const headers = { ...cookieFor(by, url), Origin: new URL(url).origin }
    const { status, body } = await plainRequest(at(path), { headers, method })
    return { status, body: JSON.parse(body) }
  }
  expect(await ask(alice, paths.status)).toMatchObject({
    status: 200,
    body: {
      ...{ namespace: 'team', name: 'nb', reader: 'alice', policy: { kind: 'off' } },
      ...{ state: 'Running', reason: 'ResourcesReady', message: 'The workspace is running.' },
    },
  })
  expect((await plainRequest(at(paths.status))).status).toBe(401)
  expect((await ask(bob, paths.status)).status).toBe(403)
  expect((await ask(alice, paths.status, 'POST')).status).toBe(405)
  // A page of a sibling brings the same cookie, and may ask for it no more than for anything else there.
  const script = { 'Sec-Fetch-Mode': 'no-cors', 'Sec-Fetch-Dest': 'script' }
  for (const [headers, status] of [
    [{ Origin: world.url({ namespace: 'team', name: 'other' }).slice(0, -1) }, 403],
    [{ Origin: 'null' }, 403],
    [{ ...script, 'Sec-Fetch-Site': 'same-site' }, 403],
    [{ ...script, 'Sec-Fetch-Site': 'cross-site' }, 403],
    [{ 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Dest': 'iframe', 'Sec-Fetch-Site': 'same-site' }, 403],
    [{ ...script, 'Sec-Fetch-Site': 'same-origin' }, 200],
    [{ 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Dest': 'document', 'Sec-Fetch-Site': 'cross-site' }, 200],
  ] as const) {
    const answer = await plainRequest(at(paths.status), { headers: { ...cookieFor(alice, url), ...headers } })
    expect(answer.status, JSON.stringify(headers)).toBe(status)
    if (status === 403) expect(JSON.parse(answer.body)).toMatchObject({ code: 'cross_origin' })
  }
  const ref = { namespace: 'team', name: 'nb' }
  for (const path of [
    api.whoami,
    api.workspaces,
    api.start(ref),
    api.stop(ref),
    paths.logout,
    `${paths.console}.gatehouse/x`,
  ]) {
    expect((await ask(alice, path, 'POST')).status).toBe(404)
    expect((await ask(alice, path)).status).toBe(404)
  }
})

test('explain says to the owner and to administrators why somebody may or may not open a workspace, and to nobody else', async () => {
  await using world = await createWorld()
  const { ref } = await world.workspace({ name: 'nb', owner: 'alice' })
  const [alice, bob, carol, dave] = await Promise.all(['alice', 'bob', 'carol', 'dave'].map((name) => world.as(name)))
  if (!alice || !bob || !carol || !dave) throw new Error('somebody could not log in')
  const made = await share(world, alice, ref, { ...withBob, access: 'modify' })
  const ask = async (by: typeof alice, query: string) => {
    await by.open(`${world.origin}/`)
    const { status, body } = await by.fetch(`${world.origin}${api.explain(ref)}?${query}`)
    return { status, ...JSON.parse(body) }
  }
  for (const by of [alice, carol]) {
    expect(await ask(by, 'user=alice')).toMatchObject({ status: 200, allowed: true, grant: 'owner' })
    expect(await ask(by, 'user=bob')).toMatchObject({
      status: 200,
      allowed: true,
      grant: `share:team/${made.name}`,
      checks: expect.arrayContaining([
        { check: 'owner', passed: false, detail: 'The owner is alice.' },
        { check: 'public', passed: false, detail: 'The access type is OwnerOnly.' },
        { check: `share ${made.name}`, passed: true, detail: 'Gives modify on all ports.' },
      ]),
    })
    const ofDave = await ask(by, 'user=dave&group=ds')
    expect(ofDave).toMatchObject({ status: 200, allowed: false })
    expect(ofDave.checks.map(({ passed }: { passed: boolean }) => passed)).toEqual([false, false, false, false])
    expect(await ask(by, 'user=x&group=admins')).toMatchObject({ allowed: true, grant: 'administrator' })
  }
  expect(await ask(alice, '')).toMatchObject({ status: 400 })
  expect(await ask(bob, 'user=bob')).toMatchObject({ status: 403 })
  expect(await ask(dave, 'user=dave')).toMatchObject({ status: 404 })
  await callApi(world, alice, 'DELETE', api.share(ref, made.name))
  expect(await ask(alice, 'user=bob')).toMatchObject({
    allowed: false,
    reason: expect.stringContaining('no live share'),
  })
})

test('explain asks for somebody as he is logged in, with his groups, and says where it knows none', async () => {
  await using world = await createWorld()
  const { ref, url } = await world.workspace({ name: 'nb', owner: 'alice' })
  const [alice, dave] = await Promise.all([world.as('alice'), world.as('dave')])
  const made = await share(world, alice, ref, { grantees: [{ kind: 'Group', name: 'ds' }], access: 'connect' })
  const ask = async (user: string) => {
    await alice.open(`${world.origin}/`)
    return JSON.parse((await alice.fetch(`${world.origin}${api.explain(ref)}?user=${user}`)).body)
  }
  expect((await dave.open(url)).status).toBe(200)
  expect(await ask('dave')).toMatchObject({ allowed: true, grant: `share:team/${made.name}` })
  const unmet = {
    check: `share ${made.name}`,
    passed: false,
    detail: 'Gives connect on all ports. It does not name them.',
  }
  expect(await ask('erin')).toMatchObject({
    allowed: false,
    reason:
      'Not the owner, not public, no live share, no administrator. Nobody is logged in under this name, so that no groups are known.',
    checks: expect.arrayContaining([unmet]),
  })
  await world.as('bob')
  expect(await ask('bob')).toMatchObject({ allowed: false, reason: expect.not.stringContaining('no groups are known') })
  await world.open.identities.sessions.setLocked(['dave'])
  expect(await ask('dave')).toMatchObject({ allowed: false, reason: expect.stringContaining('locked out') })
})
