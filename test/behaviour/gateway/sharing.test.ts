import { describe, expect, test } from 'vitest'
import { api } from '#surface/urls.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { plainRequest } from '#test/support/plain-request.ts'
import { openSocket, refusedSocket } from '#test/support/workspace-socket.ts'
import { createWorld } from '#test/support/world.ts'
import { shareKind } from '#workspace/share.ts'
import { workspaceKind } from '#workspace/workspace.ts'
import { callApi, cookieFor, declare, modes, revocationBound, share, withBob } from './scene.ts'

describe.each(modes)('in %s mode', (mode) => {
  test('a share lets bob in within two seconds; deleting it refuses his next request and closes his open socket within two', async () => {
    await using world = await createWorld({ mode })
    const { ref, url } = await world.workspace({ name: 'nb', owner: 'alice' })
    const [alice, bob] = await Promise.all([world.as('alice'), world.as('bob')])
    expect((await bob.open(`${url}lab`)).status).toBe(403)
    expect((await refusedSocket(bob, url)).status).toBe(403)

    const shared = performance.now()
    const { name } = await share(world, alice, ref, withBob)
    await world.until(async () => (await bob.open(`${url}lab`)).status === 200, 'bob is let in')
    expect(performance.now() - shared).toBeLessThan(revocationBound)
    const socket = await openSocket(bob, url)
    expect(String(await socket.ask('1'))).toBe('1')

    const revoked = performance.now()
    expect((await callApi(world, alice, 'DELETE', api.share(ref, name))).status).toBe(204)
    const headers = cookieFor(bob, url)
    expect((await plainRequest(`${url}lab`, { headers })).status).toBe(403)
    const closed = await socket.closed
    expect(closed).toMatchObject({ code: 1008, reason: 'access ended' })
    expect(closed.at - revoked).toBeLessThan(revocationBound)
    expect((await refusedSocket(bob, url)).status).toBe(403)
  })
})

test('[JK5.2] a share that has expired denies, from its very instant on', async () => {
  const clock = fakeClock(Date.now())
  await using world = await createWorld({ clock })
  const { ref, url } = await world.workspace({ name: 'nb', owner: 'alice' })
  const [alice, bob] = await Promise.all([world.as('alice'), world.as('bob')])
  const until = clock.now() + 60_000
  await share(world, alice, ref, { ...withBob, expiresAt: new Date(until).toISOString() })
  expect((await bob.open(url)).status).toBe(200)
  await clock.advance(until - clock.now() - 1)
  expect((await bob.open(url)).status).toBe(200)
  using socket = await openSocket(bob, url)
  await clock.advance(1)
  expect(await socket.closed).toMatchObject({ code: 1008 })
  expect((await bob.navigate(url)).status).toBe(403)
  expect((await refusedSocket(bob, url)).status).toBe(403)
  await bob.open(`${world.origin}/`)
  expect((await bob.fetch(world.origin + api.workspace(ref))).status).toBe(404)
  const past = { ...withBob, access: 'connect', expiresAt: new Date(until).toISOString() }
  expect((await callApi(world, alice, 'POST', api.shares(ref), past)).status).toBe(422)
  for (const odd of ['foo', '-remote', '', '*', 'port-forward '])
    expect((await callApi(world, alice, 'POST', api.shares(ref), { ...withBob, connectionTypes: [odd] })).status).toBe(
      422,
    )
})

test('[JK5.3] nobody shares a workspace that is not his, whatever else he may do with it', async () => {
  await using world = await createWorld()
  const { ref } = await world.workspace({ name: 'nb', owner: 'alice' })
  const open = await world.workspace({ name: 'open', owner: 'alice', spec: { accessType: 'Public' } })
  const [alice, bob, dave] = await Promise.all([world.as('alice'), world.as('bob'), world.as('dave')])
  const withDave = { grantees: [{ kind: 'User', name: 'dave' }] }
  const tries = async () => [
    (await callApi(world, bob, 'POST', api.shares(ref), withDave)).status,
    (await callApi(world, bob, 'POST', api.shares(open.ref), withDave)).status,
    (await callApi(world, bob, 'POST', api.shares({ namespace: 'team', name: 'none' }), withDave)).status,
  ]
  expect(await tries()).toEqual([404, 403, 404])
  const before = await share(world, alice, ref, { ...withBob, access: 'modify' })
  expect(await tries()).toEqual([403, 403, 404])
  expect((await callApi(world, bob, 'DELETE', api.share(ref, before.name))).status).toBe(403)
  // His own workspace is no way to another one.
  const mine = await world.workspace({ name: 'mine', owner: 'bob' })
  const both = { ...withDave, workspaces: ['nb'] }
  expect((await callApi(world, bob, 'POST', api.shares(mine.ref), both)).status).toBe(403)
  const { items } = await world.resources.list(shareKind, { namespace: 'team' })
  expect(items.map(({ metadata }) => metadata.name)).toEqual([before.name])
  expect((await dave.open(world.url(ref))).status).toBe(403)
})

test('[JK5.4] who reads the status of a share sees whether it was accepted, and why not; one that was not grants nothing', async () => {
  await using world = await createWorld({
    authorshipOf: ({ metadata }) => (metadata.name === 'of-nobody' ? 'unverified' : 'ManifestGranted'),
  })
  const { ref, url } = await world.workspace({ name: 'nb', owner: 'alice' })
  const [alice, bob] = await Promise.all([world.as('alice'), world.as('bob')])
  const put = (name: string, workspaces: string[], grantee: string) =>
    world.resources.create(shareKind, {
      metadata: { namespace: 'team', name },
      spec: shareKind.parseSpec({
        workspaces: workspaces.map((of) => ({ name: of })),
        grantees: [{ kind: 'User', name: grantee }],
      }),
    })
  await put('of-nobody', ['nb'], 'bob')
  await put('too-early', ['nb', 'later'], 'bob')
  await put('of-a-file', ['nb'], 'dave')
  const made = await share(world, alice, ref, { grantees: [{ kind: 'Group', name: 'ds' }] })
  const read = async () => {
    await alice.open(`${world.origin}/`)
    const { shares } = JSON.parse((await alice.fetch(world.origin + api.shares(ref))).body)
    return Object.fromEntries(shares.map((it: typeof made) => [it.name, it.status]))
  }
  await world.until(async () => !JSON.stringify(await read()).includes('Pending'), 'verdicts')
  expect(await read()).toEqual({
    'of-nobody': { accepted: false, reason: 'AuthorUnverified', message: expect.stringContaining('author') },
    'too-early': { accepted: false, reason: 'WorkspaceNotFound', message: expect.stringContaining('later') },
    'of-a-file': { accepted: true, reason: 'ManifestGranted', message: '' },
    [made.name]: { accepted: true, reason: 'OwnerGranted', message: '' },
  })
  const object = await world.resources.get(shareKind, { namespace: 'team', name: 'too-early' })
  expect(object?.status.conditions).toMatchObject([{ type: 'Accepted', status: 'False', reason: 'WorkspaceNotFound' }])
  expect((await bob.open(url)).status).toBe(403)
  // Once what it names is there it holds.
  await declare(world, { name: 'later', owner: 'alice' })
  await world.until(async () => (await read())['too-early']?.accepted === true, 'the verdict changes')
  await world.until(async () => (await bob.open(url)).status === 200, 'bob is let in')
})

test('[JK5.5] one share names several workspaces of its namespace, and is revoked for all of them at once', async () => {
  await using world = await createWorld()
  const first = await world.workspace({ name: 'one', owner: 'alice' })
  const second = await world.workspace({ name: 'two', owner: 'alice' })
  const third = await world.workspace({ name: 'three', owner: 'alice' })
  const [alice, bob] = await Promise.all([world.as('alice'), world.as('bob')])
  const made = await share(world, alice, first.ref, { ...withBob, workspaces: ['two'] })
  expect([...made.workspaces].sort()).toEqual(['one', 'two'])
  const statuses = async () => [
    (await bob.open(first.url)).status,
    (await bob.open(second.url)).status,
    (await bob.open(third.url)).status,
  ]
  expect(await statuses()).toEqual([200, 200, 403])
  using socket = await openSocket(bob, second.url)
  expect((await callApi(world, alice, 'DELETE', api.share(first.ref, made.name))).status).toBe(204)
  expect(await socket.closed).toMatchObject({ code: 1008 })
  expect(await statuses()).toEqual([403, 403, 403])
})

test('[JK5.6] a share names no other namespace, by the API or as an object', async () => {
  await using world = await createWorld()
  const { ref } = await world.workspace({ name: 'nb', owner: 'alice' })
  const other = await world.workspace({ name: 'nb', namespace: 'other', owner: 'alice' })
  const only = await world.workspace({ name: 'only-there', namespace: 'other', owner: 'alice' })
  const [alice, bob] = await Promise.all([world.as('alice'), world.as('bob')])
  for (const [body, status] of [
    [{ ...withBob, workspaces: ['other/nb'] }, 404],
    [{ ...withBob, workspaces: ['only-there'] }, 404],
    [{ ...withBob, workspaces: [{ name: 'nb', namespace: 'other' }] }, 422],
    [{ ...withBob, namespace: 'other' }, 422],
  ] as const) {
    expect((await callApi(world, alice, 'POST', api.shares(ref), body)).status).toBe(status)
  }
  const foreign = { workspaces: [{ name: 'nb', namespace: 'other' }], ...withBob }
  expect(() => shareKind.parseSpec(foreign)).toThrow(/namespace|additional/i)
  await share(world, alice, ref, withBob)
  expect((await bob.open(world.url(ref))).status).toBe(200)
  expect((await bob.open(other.url)).status).toBe(403)
  expect((await bob.open(only.url)).status).toBe(403)
})

test('a share with a group follows the group, and a workspace made again under the name inherits nothing', async () => {
  await using world = await createWorld({ authorshipOf: () => 'ManifestGranted' })
  const { ref, url } = await world.workspace({ name: 'nb', owner: 'alice' })
  const [alice, bob, dave] = await Promise.all([world.as('alice'), world.as('bob'), world.as('dave')])
  await share(world, alice, ref, { grantees: [{ kind: 'Group', name: 'ds' }] })
  expect((await dave.open(url)).status).toBe(200)
  expect((await bob.open(url)).status).toBe(403)
  // Nobody deletes this one together with its workspace.
  const spec = shareKind.parseSpec({ workspaces: [{ name: 'nb' }], ...withBob })
  const kept = await world.resources.create(shareKind, { metadata: { namespace: 'team', name: 'kept' }, spec })
  await world.until(async () => (await bob.open(url)).status === 200, 'bob is let in')
  await world.resources.delete(workspaceKind, ref)
  await world.until(() => world.open.workspaces.directory.get(ref) === undefined, 'it is gone')
  await world.workspace({ name: 'nb', owner: 'alice' })
  expect((await world.resources.get(shareKind, kept.metadata))?.status.conditions).toMatchObject([{ status: 'True' }])
  for (const visitor of [bob, dave]) expect((await visitor.open(url)).status).toBe(403)
  expect((await alice.open(url)).status).toBe(200)
})
