/** Why a workspace is idle or not, for those who may open it; and that it is kept, for those who may stop it. */
import { describe, expect, test, vi } from 'vitest'
import type { ActivityView } from '#surface/activity-message.ts'
import { activityPath, api } from '#surface/urls.ts'
import type { WorkspaceRef } from '#surface/workspace-ref.ts'
import type { ScriptedBrowser } from '#test/support/browser-session.ts'
import { liveRequest, plainRequest } from '#test/support/plain-request.ts'
import { createWorld, type World } from '#test/support/world.ts'
import { callApi, cookieFor, modes, press, share, withBob } from './scene.ts'

const minute = 60_000
async function activityOf(world: World, who: ScriptedBrowser, ref: WorkspaceRef): Promise<ActivityView> {
  const tab = who.tab()
  await tab.navigate(`${world.origin}/`)
  const { status, body } = await tab.fetch(world.origin + api.activity(ref))
  expect(status).toBe(200)
  return JSON.parse(body)
}

/** Whoever decides has written down since when it runs. */
async function known(world: World, who: ScriptedBrowser, ref: WorkspaceRef): Promise<void> {
  const isKnown = async () => (await activityOf(world, who, ref)).verdict.reason === 'active'
  await world.until(isKnown, 'its start is known')
}

const halfAnHour = { idleShutdown: { enabled: true, idleTimeoutInMinutes: 30 }, appType: 'jupyterlab' }

describe.each(modes)('in %s mode', (mode) => {
  test('the one who may stop it reads who did what and when it ends; one it is shared with, what was done; nobody else, that it is there', async () => {
    await using world = await createWorld({ mode })
    const { ref, url } = await world.workspace({ name: 'nb', owner: 'alice', spec: halfAnHour })
    const alice = await world.as('alice')
    await share(world, alice, ref, withBob)
    await known(world, alice, ref)
    await alice.open(url)
    expect(await activityOf(world, alice, ref)).toMatchObject({
      ...{ namespace: 'team', name: 'nb', state: 'Running', reader: 'alice', can: { keep: true } },
      policy: { kind: 'on', timeoutMinutes: 30, connectedCounts: false, ignoresPorts: false, hasEndpoint: false },
      clocks: expect.arrayContaining([
        expect.objectContaining({ clock: 'interactive', source: 'navigation', user: 'alice' }),
      ]),
    })
    const bob = await world.as('bob')
    const told = await activityOf(world, bob, ref)
    expect(told).toMatchObject({ reader: 'bob', can: { keep: false }, verdict: { kind: 'not-idle', reason: 'active' } })
    expect(JSON.stringify(told)).not.toContain('alice')
    const idleIn = Date.parse(told.idleAt ?? '') - Date.parse(told.at)
    expect(idleIn).toBeGreaterThan(29 * minute)
    expect(idleIn).toBeLessThanOrEqual(30 * minute)
    const dave = await world.as('dave')
    for (const of of [ref, { ...ref, name: 'none' }]) {
      for (const path of [api.activity(of), activityPath(of)])
        expect((await dave.fetch(world.origin + path)).status).toBe(404)
    }
  })

  test('kept by one click at one replica, it is kept for all of them, with one line of the audit trail; not by those who may only open it', async () => {
    await using world = await createWorld({ mode })
    const { ref } = await world.workspace({ name: 'nb', owner: 'alice', spec: halfAnHour })
    const alice = await world.as('alice')
    await share(world, alice, ref, withBob)
    const bob = await world.as('bob')
    expect((await callApi(world, bob, 'POST', api.keep(ref))).status).toBe(403)
    expect((await callApi(world, await world.as('dave'), 'POST', api.keep(ref))).status).toBe(404)
    expect(world.audit.filter(({ event }) => event === 'keep')).toEqual([])
    const other = await world.replica()
    const answer = await callApi(world, alice, 'POST', api.keep(ref))
    expect(answer.status).toBe(200)
    const kept: ActivityView = JSON.parse(answer.body)
    const until = kept.keptUntil ?? ''
    expect(Math.abs(Date.parse(until) - Date.parse(kept.at) - 60 * minute)).toBeLessThan(minute)
    expect(kept.clocks).toContainEqual({ clock: 'kept', at: until, source: 'person', user: 'alice' })
    const line = { event: 'keep', user: 'alice', workspace: 'team/nb', until }
    expect(world.audit.filter(({ event }) => event === 'keep')).toEqual([expect.objectContaining(line)])
    const elsewhere = `http://localhost:${other.port}${api.activity(ref)}`
    const headers = { ...cookieFor(alice, world.origin), Host: new URL(world.origin).host }
    const { body } = await plainRequest(elsewhere, { headers })
    const told: ActivityView = JSON.parse(body)
    expect(told).toMatchObject({ reader: 'alice', can: { keep: true } })
    // As long as it was when it was written: clocks of replicas may differ, and hearing takes its time.
    expect(Math.abs(Date.parse(told.keptUntil ?? '') - Date.parse(until))).toBeLessThan(5_000)
  })

  test('what nobody asks to be stopped, or does not run, is not kept; pages of others keep nothing', async () => {
    await using world = await createWorld({ mode })
    const { ref } = await world.workspace({ name: 'nb', owner: 'alice' })
    const down = await world.workspace({
      name: 'down',
      owner: 'alice',
      spec: { ...halfAnHour, desiredStatus: 'Stopped' },
    })
    const { ref: idle, url } = await world.workspace({ name: 'idle', owner: 'alice', spec: halfAnHour })
    const alice = await world.as('alice')
    for (const of of [ref, down.ref]) expect((await callApi(world, alice, 'POST', api.keep(of))).status).toBe(409)
    expect(await activityOf(world, alice, ref)).toMatchObject({ policy: { kind: 'off' }, verdict: { reason: 'off' } })
    for (const Origin of [new URL(url).origin, 'null', undefined]) {
      const headers = { ...cookieFor(alice, world.origin), ...(Origin === undefined ? {} : { Origin }) }
      const answer = await plainRequest(world.origin + api.keep(idle), { method: 'POST', headers })
      expect(answer.status).toBe(403)
    }
    expect((await activityOf(world, alice, idle)).keptUntil).toBeUndefined()
  })

  test('its page says why, without scripts as well, and has the button for those who may press it', async () => {
    await using world = await createWorld({ mode })
    const { ref } = await world.workspace({ name: 'nb', owner: 'alice', spec: { ...halfAnHour, accessType: 'Public' } })
    const [alice, bob] = [await world.as('alice'), await world.as('bob')]
    const page = await bob.open(world.origin + activityPath(ref))
    expect(page.body).toContain('Why is it not idle?')
    expect(page.forms.map(({ action }) => action)).not.toContain(activityPath(ref))
    await known(world, alice, ref)
    await alice.open(world.origin + activityPath(ref))
    const after = await press(alice, activityPath(ref))
    expect(after.status).toBe(200)
    expect(after.body).toContain('It is kept until')
  })

  test('that what is done at some of its ports does not count is told, and by no name of theirs', async () => {
    await using world = await createWorld({ mode })
    const ports = [
      { name: 'lab', port: 8888 },
      { name: 'secret-app', port: 8501 },
    ]
    const [alice, bob] = [await world.as('alice'), await world.as('bob')]
    const told = async (name: string, activity: object) => {
      const spec = { ...halfAnHour, ports: ports.map((port, index) => (index === 0 ? port : { ...port, ...activity })) }
      const { ref } = await world.workspace({ name, owner: 'alice', spec })
      await share(world, alice, ref, { ...withBob, ports: ['lab'] })
      const page = await bob.open(world.origin + activityPath(ref))
      expect(page.body).not.toContain('secret-app')
      const { policy } = await activityOf(world, bob, ref)
      return [policy.ignoresPorts, page.body.includes('What is done at some of its ports does not count.')]
    }
    expect(await told('unsaid', {})).toEqual([true, true])
    expect(await told('counted', { activity: 'count' })).toEqual([false, false])
  })

  test('its own host tells the same to those who may open it, read-only, and to nobody else', async () => {
    await using world = await createWorld({ mode })
    const { ref, url, app } = await world.workspace({ name: 'nb', owner: 'alice', spec: halfAnHour })
    const [alice, bob] = [await world.as('alice'), await world.as('bob')]
    await known(world, alice, ref)
    await alice.open(url)
    await bob.open(url)
    const before = app.requests.length
    const status = `${url}.gatehouse/status`
    const ask = (headers: Record<string, string>, method = 'GET') => plainRequest(status, { headers, method })
    const hers = await ask(cookieFor(alice, url))
    expect(hers.status).toBe(200)
    expect(JSON.parse(hers.body)).toMatchObject({ name: 'nb', reader: 'alice', verdict: { reason: 'active' } })
    expect(hers.headers).not.toHaveProperty('access-control-allow-origin')
    expect((await ask({})).status).toBe(401)
    if (mode === 'host') expect((await ask(cookieFor(bob, url))).status).toBe(403)
    expect((await ask({ ...cookieFor(alice, url), Origin: new URL(url).origin }, 'POST')).status).toBe(405)
    expect((await ask({ ...cookieFor(alice, url), Origin: 'http://evil.example' })).status).toBe(403)
    for (const path of ['.gatehouse/else', '.gatehouse/accept', '.gatehouse/api/v1/workspaces'])
      expect((await plainRequest(url + path, { headers: cookieFor(alice, url) })).status).toBeGreaterThanOrEqual(400)
    expect(app.requests.length).toBe(before)
  })

  test('as an event stream it tells of changes, and ends with the share that it rests on', async () => {
    await using world = await createWorld({ mode })
    const { ref, url } = await world.workspace({ name: 'nb', owner: 'alice', spec: halfAnHour })
    const alice = await world.as('alice')
    const { name } = await share(world, alice, ref, withBob)
    await known(world, alice, ref)
    const bob = await world.as('bob')
    await bob.open(url)
    const headers = { ...cookieFor(bob, url), Accept: 'text/event-stream' }
    using stream = await liveRequest(`${url}.gatehouse/status`, { headers })
    await world.until(() => stream.text().includes('event: status'), 'the first news')
    expect(stream.text()).not.toContain('alice')
    await callApi(world, alice, 'POST', api.keep(ref))
    await vi.waitUntil(() => stream.text().includes('keptUntil'), { timeout: 15_000 })
    await callApi(world, alice, 'DELETE', api.share(ref, name))
    expect(await stream.ended).toMatchObject({ whole: true })
    expect(stream.text()).toContain('event: end')
    expect((await plainRequest(`${url}.gatehouse/status`, { headers })).status).toBe(403)
  })
})
