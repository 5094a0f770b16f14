import { describe, expect, test } from 'vitest'
import { api } from '#surface/urls.ts'
import { echoApp } from '#test/support/echo-app.ts'
import { plainRequest } from '#test/support/plain-request.ts'
import { openSocket, refusedSocket } from '#test/support/workspace-socket.ts'
import { createWorld } from '#test/support/world.ts'
import {
  callApi,
  cookieFor,
  declare,
  modes,
  press,
  revocationBound,
  share,
  waitOnPage,
  withBob,
  workspaceOf,
} from './scene.ts'

const stopped = { desiredStatus: 'Stopped' }

describe.each(modes)('in %s mode', (mode) => {
  test('[SP8.1] one click on the page of a stopped workspace starts it, and the page becomes the app at the deep link by itself', async () => {
    await using world = await createWorld({ mode })
    const { ref, url, app } = await world.workspace({ name: 'nb', owner: 'alice', spec: stopped })
    const browser = await world.as('alice')
    const deep = `${url}lab/tree/a%20b.ipynb?reset&x=%2F`
    const page = await browser.open(deep)
    expect(page.status).toBe(200)
    expect(page.url.origin).toBe(world.origin)
    expect(page.url.pathname).toBe('/.gatehouse/open/team/nb')
    expect(world.runtime.started).toEqual([])
    await press(browser, api.start(ref))
    expect((await workspaceOf(world, ref)).spec.desiredStatus).toBe('Running')
    const arrived = await waitOnPage(browser)
    expect(arrived.url.href).toBe(deep)
    expect(JSON.parse(arrived.body)).toMatchObject({
      app: 'team/nb',
      url: new URL(deep).pathname + new URL(deep).search,
    })
    expect(app.requests.length).toBe(1)
  })

  test('a second port is waited for and come back to as well', async () => {
    await using world = await createWorld({ mode })
    await using main = await echoApp('main')
    await using second = await echoApp('second')
    const ports = [
      { name: 'ide', port: 8888 },
      { name: 'app', port: 8501 },
    ]
    const apps = { 8888: main, 8501: second }
    const { ref } = await world.workspace({ name: 'nb', owner: 'alice', spec: { ...stopped, ports }, apps })
    const browser = await world.as('alice')
    const deep = `${world.url(ref, 8501)}a/b?c`
    await browser.open(deep)
    await press(browser, api.start(ref))
    const arrived = await waitOnPage(browser)
    expect(arrived.url.href).toBe(deep)
    expect(JSON.parse(arrived.body)).toMatchObject({ app: 'second' })
  })

  test('programs are told 424 and 503 with Retry-After while it is stopped and while it starts, never a redirect', async () => {
    await using world = await createWorld({ mode })
    const { url } = await declare(world, { name: 'down', owner: 'alice', spec: stopped })
    const starting = await declare(world, { name: 'slow', owner: 'alice' })
    const browser = await world.as('alice')
    for (const [of, status, code, retryAfter] of [
      [url, 424, 'workspace_stopped', /^30$/],
      [starting.url, 503, 'workspace_starting', /^[234]$/],
    ] as const) {
      await browser.open(of)
      const headers = { ...cookieFor(browser, of), Origin: new URL(of).origin }
      const answers = [
        await plainRequest(of, { headers }),
        await plainRequest(of, { headers, method: 'POST', body: 'x' }),
        await refusedSocket(browser, of),
      ]
      for (const answer of answers) {
        expect(answer.status).toBe(status)
        expect(answer.headers['retry-after']).toMatch(retryAfter)
        expect(answer.headers.location).toBeUndefined()
        expect(JSON.parse(answer.body)).toMatchObject({ code, status })
      }
    }
  })

  test('[SP8.2] stop closes the open sockets with 1001 within two seconds', async () => {
    await using world = await createWorld({ mode })
    const { ref, url, app } = await world.workspace({ name: 'nb', owner: 'alice' })
    const alice = await world.as('alice')
    await share(world, alice, ref, withBob)
    const bob = await world.as('bob')
    const open = []
    for (const browser of [alice, bob]) {
      await browser.open(url)
      const socket = await openSocket(browser, url)
      expect(String(await socket.ask('hello'))).toBe('hello')
      open.push(socket)
    }
    const began = performance.now()
    expect((await callApi(world, alice, 'POST', api.stop(ref))).status).toBe(202)
    for (const socket of open) {
      const closed = await socket.closed
      expect(closed).toMatchObject({ code: 1001, reason: 'workspace stopping' })
      expect(closed.at - began).toBeLessThan(revocationBound)
    }
    await world.until(() => app.sockets.size === 0, 'the app has no sockets any more')
    expect((await refusedSocket(bob, url)).status).toBe(424)
  })
})

describe('start and stop', () => {
  test('by the API: 202 while it goes on, 200 when it is so already, and the wish is written', async () => {
    await using world = await createWorld()
    const { ref } = await world.workspace({ name: 'nb', owner: 'alice', spec: stopped })
    const alice = await world.as('alice')
    expect((await callApi(world, alice, 'POST', api.start(ref))).status).toBe(202)
    expect((await workspaceOf(world, ref)).spec.desiredStatus).toBe('Running')
    await world.until(() => world.open.workspaces.directory.get(ref)?.state.phase === 'Running', 'it runs')
    expect((await callApi(world, alice, 'POST', api.start(ref))).status).toBe(200)
    expect((await callApi(world, alice, 'POST', api.stop(ref))).status).toBe(202)
    await world.until(() => world.open.workspaces.directory.get(ref)?.state.phase === 'Stopped', 'it is stopped')
    expect((await callApi(world, alice, 'POST', api.stop(ref))).status).toBe(200)
  })

  test('[SP8.3] are refused with 403 to somebody who may only connect, by a share or because it is public', async () => {
    await using world = await createWorld()
    const running = await world.workspace({ name: 'nb', owner: 'alice' })
    const down = await world.workspace({ name: 'down', owner: 'alice', spec: stopped })
    const open = await world.workspace({ name: 'open', owner: 'alice', spec: { ...stopped, accessType: 'Public' } })
    const alice = await world.as('alice')
    await share(world, alice, running.ref, { ...withBob, workspaces: ['down'] })
    const bob = await world.as('bob')
    expect((await bob.open(running.url)).status).toBe(200)
    for (const path of [api.stop(running.ref), api.start(down.ref), api.start(open.ref)]) {
      const answer = await callApi(world, bob, 'POST', path)
      expect(answer.status).toBe(403)
      expect(JSON.parse(answer.body)).toMatchObject({ code: 'forbidden' })
    }
    expect((await workspaceOf(world, running.ref)).spec.desiredStatus).toBe('Running')
    expect((await workspaceOf(world, down.ref)).spec.desiredStatus).toBe('Stopped')
    expect((await workspaceOf(world, open.ref)).spec.desiredStatus).toBe('Stopped')
    const page = await bob.open(down.url)
    expect(page.url.pathname).toBe('/.gatehouse/open/team/down')
    expect(page.body).toContain('you may not start it')
    expect(page.forms.some(({ action }) => action === api.start(down.ref))).toBe(false)
  })

  test('are done by somebody with a share that says modify, and look like nothing at all to a stranger', async () => {
    await using world = await createWorld()
    const { ref } = await world.workspace({ name: 'nb', owner: 'alice', spec: stopped })
    const alice = await world.as('alice')
    await share(world, alice, ref, { ...withBob, access: 'modify' })
    expect((await callApi(world, await world.as('bob'), 'POST', api.start(ref))).status).toBe(202)
    const dave = await world.as('dave')
    const forbidden = await callApi(world, dave, 'POST', api.stop(ref))
    const unknown = await callApi(world, dave, 'POST', api.stop({ namespace: 'team', name: 'none' }))
    expect([forbidden.status, unknown.status]).toEqual([404, 404])
    expect((await workspaceOf(world, ref)).spec.desiredStatus).toBe('Running')
  })

  test('[SP8.5] a forged cross-site POST gets 403 and changes nothing', async () => {
    await using world = await createWorld()
    const { ref, url, app } = await world.workspace({ name: 'nb', owner: 'alice' })
    const alice = await world.as('alice')
    await alice.open(url)
    const before = app.requests.length
    const form = { 'Content-Type': 'application/x-www-form-urlencoded', Accept: 'text/html' }
    const origins: Record<string, string>[] = [
      { Origin: 'https://evil.example', 'Sec-Fetch-Site': 'cross-site' },
      { Origin: 'https://evil.example' },
      { Origin: 'null' },
      { 'Sec-Fetch-Site': 'cross-site' },
      {},
      // A page of another workspace: same site, another origin.
      { Origin: new URL(world.url({ namespace: 'team', name: 'other' })).origin, 'Sec-Fetch-Site': 'same-site' },
    ]
    for (const origin of origins) {
      for (const target of [world.origin + api.stop(ref), url]) {
        const headers = { ...form, ...origin, ...cookieFor(alice, target) }
        expect((await plainRequest(target, { method: 'POST', headers, body: 'a=b' })).status).toBe(403)
      }
    }
    expect((await workspaceOf(world, ref)).spec.desiredStatus).toBe('Running')
    expect(app.requests.length).toBe(before)
    const told = world.audit.filter((event) => event.event === 'deny' && event.reason.startsWith('cross-origin'))
    expect(told.length).toBe(2 * origins.length)
  })
})
