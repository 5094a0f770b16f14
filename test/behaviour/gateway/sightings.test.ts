import { once } from 'node:events'
import { type ClientRequest, request } from 'node:http'
import { describe, expect, test } from 'vitest'
import { WebSocketServer } from 'ws'
import type { Clocks } from '#activity/clocks.ts'
import type { Settings } from '#settings/settings.ts'
import type { WorkspaceRef } from '#surface/workspace-ref.ts'
import type { ScriptedBrowser } from '#test/support/browser-session.ts'
import { openSocket } from '#test/support/workspace-socket.ts'
import { createWorld, type World } from '#test/support/world.ts'
import { workspaceKind } from '#workspace/workspace.ts'
import { cookieFor, declare, modes } from './scene.ts'
import { type SmallApp, smallApp } from './small-app.ts'

interface Scene {
  readonly ref: WorkspaceRef
  readonly browser: ScriptedBrowser
  readonly url: string
  readonly uid: string
  clocks(): Clocks
}

async function opened(world: World, app: SmallApp, spec = {}): Promise<Scene> {
  const { ref, url } = await declare(world, { owner: 'alice', endpoints: { 8888: app.endpoint }, spec })
  const entry = () => world.open.workspaces.directory.get(ref)
  await world.until(() => entry()?.state.phase === 'Running', 'it runs')
  const browser = await world.as('alice')
  await browser.open(url)
  const uid = entry()?.uid ?? ''
  return { ref, browser, url, uid, clocks: () => world.open.recorder.clocksOf(uid) }
}

const jupyterlab = { appType: 'jupyterlab' }
const script = { 'Sec-Fetch-Mode': 'cors', 'Sec-Fetch-Dest': 'empty', 'Sec-Fetch-Site': 'same-origin' }
const kernelText = (type: string, content = {}) =>
  JSON.stringify({ channel: 'shell', content, header: { msg_type: type }, metadata: {}, parent_header: {} })

describe.each(modes)('in %s mode', (mode) => {
  test('polls and refusals say nothing; a file that is saved says who works, and when', async () => {
    await using app = await smallApp((asked, response) => {
      response.statusCode = asked.url?.includes('refused') ? 403 : 200
      response.end('ok')
    })
    await using world = await createWorld({ mode })
    const { browser, url, clocks } = await opened(world, app, jupyterlab)
    const before = clocks().interactive
    for (const path of ['api/kernels?1700000000', 'api/terminals', 'api/status', 'api/contents/?content=1'])
      expect((await browser.fetch(url + path, { headers: script })).status).toBe(200)
    const origin = new URL(url).origin
    const put = (path: string) =>
      browser.fetch(url + path, { method: 'PUT', body: '{}', headers: { ...script, Origin: origin } })
    expect((await put('api/contents/refused.ipynb')).status).toBe(403)
    expect(clocks()).toEqual(before ? { interactive: before } : {})
    const at = Date.now()
    expect((await put('api/contents/a.ipynb')).status).toBe(200)
    await world.until(() => clocks().interactive?.source === 'contents:PUT', 'it is seen')
    expect(clocks().interactive).toMatchObject({ user: 'alice', source: 'contents:PUT' })
    expect(clocks().interactive?.at).toBeGreaterThanOrEqual(at)
  })

  test('a kernel’s socket is connected while it is open, and tells what is run and for how long', async () => {
    await using app = await smallApp((_request, response) => response.end('ok'))
    const sockets = new WebSocketServer({ server: app.server })
    await using world = await createWorld({ mode })
    const { browser, url, clocks } = await opened(world, app, jupyterlab)
    const connected = once(sockets, 'connection')
    const socket = await openSocket(browser, `${url}api/kernels/0-1/channels?session_id=s`)
    const [kernel] = await connected
    const before = clocks().interactive
    socket.ws.ping()
    kernel.ping()
    socket.ws.send(kernelText('kernel_info_request'))
    await once(kernel, 'message')
    expect(clocks().connected).toMatchObject({ user: 'alice', source: 'stream' })
    expect(clocks().interactive).toEqual(before)
    expect(clocks().unknown).toBeUndefined()
    socket.ws.send(kernelText('execute_request'))
    await world.until(() => clocks().interactive?.source === 'kernel:execute_request', 'it is seen')
    kernel.send(kernelText('status', { execution_state: 'busy' }))
    await world.until(() => (clocks().busy?.at ?? 0) > Date.now() + 30_000, 'it works')
    kernel.send(kernelText('status', { execution_state: 'idle' }))
    await world.until(() => (clocks().busy?.at ?? Number.POSITIVE_INFINITY) <= Date.now(), 'it has ended')
    socket.ws.close()
    await world.until(() => world.open.streams.all().length === 0, 'it is closed')
    const { connected: last } = clocks()
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(clocks().connected).toEqual(last)
  })
})

/** A request that is under way: its head is sent. */
function ask({ browser, url }: Scene, method: string, path: string): ClientRequest {
  const { host, port, pathname, origin } = new URL(url)
  const headers = { ...script, ...cookieFor(browser, url), Host: host, Origin: origin }
  const asking = request({ host: '127.0.0.1', port, method, path: pathname + path, headers, agent: false })
  asking.on('error', () => undefined).flushHeaders()
  return asking
}

test('a stream of events is connected while it is open', async () => {
  await using app = await smallApp((asked, response) => {
    if (!asked.url?.endsWith('/events')) response.end('ok')
    else response.writeHead(200, { 'Content-Type': 'text/event-stream' }).write('data: 1\n\n')
  })
  await using world = await createWorld()
  const scene = await opened(world, app, jupyterlab)
  expect(scene.clocks().connected).toBeUndefined()
  const asking = ask(scene, 'GET', 'events')
  await once(asking, 'response')
  await world.until(() => scene.clocks().connected !== undefined, 'it is open')
  expect(scene.clocks().connected?.at).toBeGreaterThanOrEqual(Date.now() - 1_000)
  asking.destroy()
  await world.until(() => world.open.streams.all().length === 0, 'it is closed')
  const last = scene.clocks().connected
  await new Promise((resolve) => setTimeout(resolve, 20))
  expect(scene.clocks().connected).toEqual(last)
})

test('an upload counts as work as long as it moves, whatever becomes of it', async () => {
  await using app = await smallApp((asked, response) => {
    asked.resume()
    // The upload is never answered.
    if (asked.method === 'GET') response.end('ok')
  })
  const impatient = (settings: Settings) => ({
    ...settings,
    limits: { ...settings.limits, uploadIdle: 4_000, downloadIdle: 4_000 },
  })
  await using world = await createWorld({ settings: impatient })
  const scene = await opened(world, app, jupyterlab)
  expect(scene.clocks().busy).toBeUndefined()
  const asking = ask(scene, 'PUT', 'api/contents/large.bin')
  const pieces = setInterval(() => asking.write('a piece'), 50)
  await world.until(() => scene.clocks().busy !== undefined, 'it is seen')
  clearInterval(pieces)
  expect(scene.clocks().busy).toMatchObject({ source: 'transfer:upload', user: 'alice' })
  expect(scene.clocks().interactive?.source).not.toBe('contents:PUT')
  asking.destroy()
})

test('what was seen is forgotten with its workspace', async () => {
  await using app = await smallApp((_request, response) => response.end('ok'))
  await using world = await createWorld()
  const { ref, browser, url, clocks } = await opened(world, app)
  await browser.fetch(url, { headers: script })
  await world.until(() => clocks().unknown?.source === 'http:GET', 'it is seen')
  await world.resources.delete(workspaceKind, ref)
  await world.until(() => Object.keys(clocks()).length === 0, 'it is forgotten')
})
