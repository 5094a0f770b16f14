/** A share gives what it says and nothing that follows from being inside: not the workspace's life, not its other ports, not its owner's name. */
import { describe, expect, test } from 'vitest'
import { api, openPath, paths, revokePath, sharePath } from '#surface/urls.ts'
import type { WorkspaceRef } from '#surface/workspace-ref.ts'
import { callApi, share, withBob, workspaceOf } from '#test/behaviour/gateway/scene.ts'
import type { ScriptedBrowser } from '#test/support/browser-session.ts'
import { echoApp, headersOf } from '#test/support/echo-app.ts'
import { createWorld, type World } from '#test/support/world.ts'
import { shareKind } from '#workspace/share.ts'

const bobsFriend = { grantees: [{ kind: 'User', name: 'dave' }], access: 'connect' }

/** Each thing that only the owner may do, and how it was answered. */
async function tryAll(world: World, who: ScriptedBrowser, ref: WorkspaceRef, shareName: string) {
  const call = async (method: 'POST' | 'DELETE', path: string, body?: unknown) =>
    (await callApi(world, who, method, path, body)).status
  const get = async (path: string) => {
    const tab = who.tab()
    await tab.navigate(`${world.origin}/`)
    return (await tab.fetch(world.origin + path)).status
  }
  return {
    keep: await call('POST', api.keep(ref)),
    start: await call('POST', api.start(ref)),
    stop: await call('POST', api.stop(ref)),
    logs: await get(api.logs(ref)),
    listShares: await get(api.shares(ref)),
    shareOn: await call('POST', api.shares(ref), bobsFriend),
    shareOwn: await call('POST', api.shares(ref), { grantees: [{ kind: 'User', name: 'bob' }], access: 'own' }),
    unshare: await call('DELETE', api.share(ref, shareName)),
    explain: await get(`${api.explain(ref)}?user=alice`),
    sharePage: await get(sharePath(ref)),
    revokeByForm: await call('POST', revokePath(ref), { share: shareName }),
    remove: await call('DELETE', api.workspace(ref)),
  }
}

const nothing = {
  ...{ keep: 403, start: 403, stop: 403, logs: 403, listShares: 403, shareOn: 403, shareOwn: 403, unshare: 403 },
  ...{ explain: 403, sharePage: 403, revokeByForm: 403, remove: 405 },
}

/** There is something to keep it from. */
const idleShutdown = { enabled: true, idleTimeoutInMinutes: 30 }

describe('who may connect', () => {
  test('#54 by a share may neither start, stop nor keep, share on, take back, read logs nor ask about others', async () => {
    await using world = await createWorld()
    const { ref, url } = await world.workspace({ name: 'nb', owner: 'alice', spec: { idleShutdown } })
    const [alice, bob] = await Promise.all([world.as('alice'), world.as('bob')])
    const { name } = await share(world, alice, ref, withBob)
    expect((await bob.open(url)).status).toBe(200)
    expect(await tryAll(world, bob, ref, name)).toEqual(nothing)
    expect((await workspaceOf(world, ref)).spec.desiredStatus).toBe('Running')
    const shares = await world.resources.list(shareKind, { namespace: ref.namespace })
    expect(shares.items.map(({ metadata }) => metadata.name)).toEqual([name])
    await bob.open(`${world.origin}${openPath(ref)}`)
    expect(bob.page.forms.filter(({ action }) => action !== paths.logout)).toEqual([])
  })

  test('#54 because it is public may do as little', async () => {
    await using world = await createWorld()
    const spec = { accessType: 'Public', idleShutdown }
    const { ref, url } = await world.workspace({ name: 'nb', owner: 'alice', spec })
    const [alice, bob] = await Promise.all([world.as('alice'), world.as('bob')])
    const { name } = await share(world, alice, ref, { grantees: [{ kind: 'User', name: 'dave' }] })
    expect((await bob.open(url)).status).toBe(200)
    expect(await tryAll(world, bob, ref, name)).toEqual(nothing)
  })

  test('#54 to one port may not use another, whatever its number looks like', async () => {
    await using main = await echoApp('main')
    await using side = await echoApp('side')
    await using world = await createWorld()
    const spec = {
      ports: [
        { name: 'lab', port: 8888 },
        { name: 'app', port: 9000 },
      ],
    }
    const { ref, url } = await world.workspace({ name: 'nb', owner: 'alice', spec, apps: { 8888: main, 9000: side } })
    const [alice, bob] = await Promise.all([world.as('alice'), world.as('bob')])
    await share(world, alice, ref, { ...withBob, ports: ['app'] })
    expect((await bob.open(world.url(ref, 9000))).status).toBe(200)
    expect((await bob.open(url)).status).toBe(403)
    expect(main.bytes()).toBe(0)
    const view = JSON.parse((await callApiGet(world, bob, api.workspace(ref))).body)
    expect(view.ports.map((port: { name: string }) => port.name)).toEqual(['app'])
  })
})

test('#54 who may modify starts, stops and keeps, and no more than that', async () => {
  await using world = await createWorld()
  const { ref } = await world.workspace({ name: 'nb', owner: 'alice', spec: { idleShutdown } })
  const [alice, bob] = await Promise.all([world.as('alice'), world.as('bob')])
  const { name } = await share(world, alice, ref, { ...withBob, access: 'modify' })
  const tried = await tryAll(world, bob, ref, name)
  expect(tried).toEqual({ ...nothing, keep: 200, start: 200, stop: 202, logs: 200 })
})

test('#54 not even the owner appoints another owner, by any spelling of it', async () => {
  await using world = await createWorld()
  const { ref } = await world.workspace({ name: 'nb', owner: 'alice' })
  const alice = await world.as('alice')
  const grantees = [{ kind: 'User', name: 'bob' }]
  expect((await callApi(world, alice, 'POST', api.shares(ref), { grantees, access: 'own' })).status).toBe(403)
  for (const access of ['Own', 'own ', 'owner', 'admin', ['own'], null]) {
    const answer = await callApi(world, alice, 'POST', api.shares(ref), { grantees, access })
    expect(answer.status, JSON.stringify(access)).toBe(422)
  }
  expect((await world.resources.list(shareKind, { namespace: ref.namespace })).items).toEqual([])
})

test('#54 an administrator who appoints an owner of one port, or by browser alone, is refused: an owner has all of it', async () => {
  await using world = await createWorld()
  const { ref } = await world.workspace({ name: 'nb', owner: 'alice' })
  const carol = await world.as('carol')
  const ownedBy = (more: object) =>
    callApi(world, carol, 'POST', api.shares(ref), { ...withBob, access: 'own', ...more })
  for (const narrowed of [{ ports: ['http'] }, { connectionTypes: ['web-ui'] }]) {
    const { status, body } = await ownedBy(narrowed)
    expect([status, JSON.parse(body)]).toMatchObject([422, { faults: [{ field: 'access' }] }])
  }
  expect((await world.resources.list(shareKind, { namespace: ref.namespace })).items).toEqual([])
  expect((await ownedBy({})).status).toBe(201)
})

test('#54 the workspace sees the guest as the guest, with nothing of the owner’s, and the guest sees no session but his own', async () => {
  await using world = await createWorld()
  const { ref, url, app } = await world.workspace({ name: 'nb', owner: 'alice' })
  const [alice, bob] = await Promise.all([world.as('alice'), world.as('bob')])
  await share(world, alice, ref, withBob)
  for (const browser of [alice, bob]) await browser.open(url)
  expect(app.requests.map((echo) => headersOf(echo, 'X-Forwarded-User'))).toEqual([['alice'], ['bob']])
  const [alices, bobs] = app.requests.map((echo) => headersOf(echo, 'X-Gatehouse-Assertion')[0] ?? '')
  expect(alices).not.toBe(bobs)
  const { sessions } = JSON.parse((await callApiGet(world, bob, api.sessions)).body)
  expect(sessions.map((session: { username: string }) => session.username)).toEqual(['bob'])
  const ofAlice = world.open.identities.sessions.find(({ spec }) => spec.username === 'alice')[0]?.metadata.name ?? ''
  expect((await callApi(world, bob, 'DELETE', api.session(ofAlice))).status).toBe(404)
  expect((await alice.navigate(url)).status).toBe(200)
})

async function callApiGet(world: World, who: ScriptedBrowser, path: string) {
  const tab = who.tab()
  await tab.navigate(`${world.origin}/`)
  return tab.fetch(world.origin + path)
}
