import { once } from 'node:events'
import { type ClientRequest, request, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import { WebSocketServer } from 'ws'
import type { Clocks } from '#activity/clocks.ts'
import type { Settings } from '#settings/settings.ts'
import type { WorkspaceRef } from '#surface/workspace-ref.ts'
import type { ScriptedBrowser } from '#test/support/browser-session.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
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
    expect((await put('api/contents/refused.txt')).status).toBe(403)
    expect(clocks()).toEqual(before ? { interactive: before } : {})
    const at = Date.now()
    expect((await put('api/contents/a.txt')).status).toBe(200)
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

describe('what is not answered for long', () => {
  const long = 40 * 60_000
  const cases = [
    { what: 'a model that is trained', spec: {}, method: 'POST', path: 'train', source: 'waiting:POST' },
    { what: 'a report of an app that nobody knows', spec: {}, method: 'GET', path: 'report', source: 'waiting:GET' },
    { what: 'but no long poll of JupyterLab', spec: jupyterlab, method: 'GET', path: 'api/status', source: undefined },
  ]

  test.each(cases)('$what is work until it is answered, by $source', async ({ spec, method, path, source }) => {
    const held: ServerResponse[] = []
    await using app = await smallApp((asked, response) => {
      if (asked.url?.endsWith(path)) held.push(response)
      else response.end('ok')
    })
    const clock = fakeClock(Date.now())
    await using world = await createWorld({ clock })
    const scene = await opened(world, app, spec)
    const asking = ask(scene, method, path)
    asking.end()
    await world.until(() => held.length === 1, 'it is under way')
    await clock.advance(9_000)
    expect(scene.clocks().busy).toBeUndefined()
    for (const span of [30_000, long, 1_000]) {
      await clock.advance(span)
      const { busy } = scene.clocks()
      expect(busy?.source).toBe(source)
      if (source !== undefined) {
        expect(busy?.user).toBe('alice')
        expect(busy?.at).toBeGreaterThan(clock.now())
      }
    }
    const answered = once(asking, 'response')
    // Its body may take as long as it likes.
    held[0]?.writeHead(200, { 'Content-Type': 'text/event-stream' }).flushHeaders()
    await answered
    await clock.advance(long)
    expect(scene.clocks().busy?.at ?? 0).toBeLessThanOrEqual(clock.now() - long + 60_000)
    asking.destroy()
  })

  test('counts no longer once who asked has left', async () => {
    const held: ServerResponse[] = []
    await using app = await smallApp((asked, response) => {
      if (asked.url?.endsWith('train')) held.push(response)
      else response.end('ok')
    })
    const clock = fakeClock(Date.now())
    await using world = await createWorld({ clock })
    const scene = await opened(world, app)
    const asking = ask(scene, 'POST', 'train')
    asking.end()
    await world.until(() => held.length === 1, 'it is under way')
    await clock.advance(long)
    expect(scene.clocks().busy?.at).toBeGreaterThan(clock.now())
    asking.destroy()
    await world.until(() => world.open.streams.all().length === 0, 'it is over')
    await clock.advance(61_000)
    expect(scene.clocks().busy?.at).toBeLessThan(clock.now())
  })
})

test('a fault in what watches costs what would have been noted, and neither a request nor a stream', async () => {
  let answer = () => {}
  await using app = await smallApp((asked, response) => {
    if (asked.url?.endsWith('/events'))
      response.writeHead(200, { 'Content-Type': 'text/event-stream' }).write('data: 1\n\n')
    else if (asked.url?.endsWith('/train')) answer = () => response.end('trained')
    else response.end('ok')
  })
  const sockets = new WebSocketServer({ server: app.server })
  sockets.on('connection', (socket) => socket.on('message', (said) => socket.send(String(said))))
  const clock = fakeClock(Date.now())
  await using world = await createWorld({ clock })
  const scene = await opened(world, app, jupyterlab)
  const { recorder } = world.open
  const [of, onlookerOf] = [recorder.of({ ...scene.ref, uid: scene.uid }), recorder.onlookerOf.bind(recorder)]
  const fault = () => {
    throw new Error('of the test')
  }
  const speak = async () => {
    const socket = await openSocket(scene.browser, `${scene.url}api/kernels/0-1/channels`)
    socket.ws.send('hello')
    await once(socket.ws, 'message')
    return socket
  }
  const listen = async () => {
    const asking = ask(scene, 'GET', 'events')
    const [response] = await once(asking, 'response')
    await once(response, 'data')
    return asking
  }
  recorder.onlookerOf = fault
  const unseen = [await speak(), await listen()] as const
  const asking = ask(scene, 'POST', 'train')
  asking.end()
  await clock.advance(60_000)
  await world.until(() => world.lines.filter((line) => line.includes('could not be noted')).length > 0, 'it is told')
  answer()
  const [response] = await once(asking, 'response')
  expect(await text(response)).toBe('trained')
  recorder.onlookerOf = onlookerOf
  const seen = [await speak(), await listen()] as const
  of.leave = fault
  for (const [socket, events] of [unseen, seen]) {
    socket.ws.close()
    events.destroy()
  }
  await world.until(() => world.open.streams.all().length === 0, 'all have ended')
  expect((await scene.browser.fetch(scene.url, { headers: script })).status).toBe(200)
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
