/** What passes through a whole gateway while nobody works, or something does, and what becomes of the workspace: all of it in one store, on a clock of the test. */
import { type ClientRequest, request, type ServerResponse } from 'node:http'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ScriptedBrowser } from '#test/support/browser-session.ts'
import { dateFollows } from '#test/support/date-follows.ts'
import { type EchoApp, echoApp } from '#test/support/echo-app.ts'
import { type FakeClock, fakeClock } from '#test/support/fake-clock.ts'
import { liveRequest, plainRequest } from '#test/support/plain-request.ts'
import { type TunnelScene, tunnelScene } from '#test/support/tunnel-scene.ts'
import { openSocket } from '#test/support/workspace-socket.ts'
import { templateKind } from '#workspace/template.ts'
import { workspaceKind } from '#workspace/workspace.ts'
import { cookieFor } from './scene.ts'

const minute = 60_000
/** Five minutes. */
const spec = { appType: 'jupyterlab', idleShutdown: { enabled: true, idleTimeoutInMinutes: 5, detection: {} } }

const parts = new AsyncDisposableStack()
let clock: FakeClock
let scene: TunnelScene
let alice: ScriptedBrowser
let bearer: string

beforeAll(async () => {
  clock = fakeClock()
  parts.use(dateFollows(clock))
  scene = parts.use(await tunnelScene({ clock, spec }))
  alice = await scene.world.as('alice')
  bearer = await scene.bearer('alice')
}, 60_000)
afterAll(() => parts.disposeAsync())

interface Tab {
  readonly name: string
  readonly url: string
  readonly app: EchoApp
  /** Of a script of its page. */
  readonly headers: Readonly<Record<string, string>>
  /** Of its kernel, where it is a JupyterLab. */
  readonly socket: Awaited<ReturnType<typeof openSocket>>
}

/** A JupyterLab that runs nothing. */
async function emptyLab(name: string): Promise<EchoApp> {
  const app = parts.use(await echoApp(name))
  app.answer = ({ method, url = '' }, response) => {
    if (method !== 'GET' || !/\/api\/(kernels|sessions|terminals)(\?|$)/.test(url)) return false
    response.setHeader('Content-Type', 'application/json').end('[]')
    return true
  }
  return app
}

/** By alice. What scripts of that page say. */
async function openPage(url: string): Promise<Tab['headers']> {
  await alice.open(url)
  const page = { Origin: new URL(url).origin, 'Sec-Fetch-Site': 'same-origin', 'Sec-Fetch-Mode': 'cors' }
  return { ...cookieFor(alice, url), ...page, 'Sec-Fetch-Dest': 'empty' }
}

async function openTab(name: string): Promise<Tab> {
  const app = await emptyLab(name)
  const ssh = { ...app, endpoint: { kind: 'tcp', host: '127.0.0.1', port: scene.app.port } as const }
  const { url } = await scene.world.workspace({ name, owner: 'alice', spec, apps: { 8888: app, 2222: ssh } })
  const headers = await openPage(url)
  return { name, url, app, headers, socket: await openSocket(alice, `${url}api/kernels/0-1/channels?session_id=s`) }
}

/** A page of an app beside such a JupyterLab, of which no page is open. `port`: beside its name and number. */
async function openApp(name: string, port: object): Promise<Tab> {
  const app = await emptyLab(name)
  const ports = [
    { name: 'lab', port: 8888 },
    { name: 'app', port: 8501, ...port },
  ]
  const of = { ...spec, ports, templateRef: { name: 'connected' } }
  const { ref } = await scene.world.workspace({ name, owner: 'alice', spec: of, apps: { 8888: app, 8501: app } })
  const url = scene.world.url(ref, 8501)
  return { name, url, app, headers: await openPage(url), socket: await openSocket(alice, `${url}_stcore/stream`) }
}

const kernelText = (type: string, content = {}) =>
  JSON.stringify({ channel: 'iopub', content, header: { msg_type: type }, metadata: {}, parent_header: {} })

async function desired(name: string) {
  return (await scene.world.resources.get(workspaceKind, { namespace: 'team', name }))?.spec.desiredStatus
}

/** What a page does by itself every ten seconds. */
async function poll({ url, headers, socket }: Tab): Promise<void> {
  for (const path of ['kernels', 'sessions', 'terminals', 'status'])
    await plainRequest(`${url}api/${path}?${clock.now()}`, { headers })
  if (socket.isOpen()) socket.ws.ping()
}

async function pass(until: number, everyTenSeconds: () => Promise<void>): Promise<void> {
  while (clock.now() < until) {
    await everyTenSeconds()
    await clock.advance(10_000)
  }
}

test('[SP11.1] [SP11.2] a page that polls and pings every ten seconds for the whole timeout keeps nothing; one key, one cell or one file that is saved within it does', {
  timeout: 60_000,
}, async () => {
  const [polled, typed, ran, saved] = [
    await openTab('polled'),
    await openTab('typed'),
    await openTab('ran'),
    await openTab('saved'),
  ]
  using terminal = await openSocket(alice, `${typed.url}terminals/websocket/1`)
  const pollAll = async () => {
    await poll(polled)
    for (const { ws } of [typed.socket, ran.socket, saved.socket, terminal]) if (ws.readyState === ws.OPEN) ws.ping()
  }
  const began = clock.now()
  await pass(began + 2.5 * minute, pollAll)
  terminal.ws.send(JSON.stringify(['stdin', 'l']))
  ran.socket.ws.send(kernelText('execute_request', { code: '1+1' }))
  const write = { method: 'PUT', body: '{}', headers: saved.headers }
  expect((await plainRequest(`${saved.url}api/contents/a.txt`, write)).status).toBe(200)
  await pass(began + 4.7 * minute, pollAll)
  expect(await desired('polled')).toBe('Running')
  await pass(began + 6.8 * minute, pollAll)
  expect(await desired('polled')).toBe('Stopped')
  expect(await polled.socket.closed).toMatchObject({ code: 1001 })
  for (const name of ['typed', 'ran', 'saved']) expect(await desired(name), name).toBe('Running')
  // It was that, and nothing else, which kept them; what was begun in a terminal may run on unseen.
  await pass(began + 9.5 * minute, pollAll)
  for (const name of ['ran', 'saved']) expect(await desired(name), name).toBe('Stopped')
  expect(await desired('typed')).toBe('Running')
})

test('[SP12.1] [SP12.2] a kernel that prints, a tunnel through which bytes pass, an upload and a download under way outlast the timeout; a tunnel that is open and silent does not, nor does a log that drips', {
  timeout: 60_000,
}, async () => {
  const [prints, uploads, silent] = [await openTab('prints'), await openTab('uploads'), await openTab('silent')]
  await openTab('copies')
  const [downloads, drips] = [await openTab('downloads'), await openTab('drips')]
  using quiet = await scene.open(bearer, { query: { workspace: 'team/silent' } })
  using moving = await scene.open(bearer, { query: { workspace: 'team/copies' } })
  const tell = (type: string, content = {}) => {
    for (const socket of prints.app.sockets) socket.send(kernelText(type, content))
  }
  tell('status', { execution_state: 'busy' })
  const upload = uploadTo(uploads)
  using file = await answerUnderWay(downloads)
  using log = await answerUnderWay(drips)
  const began = clock.now()
  await pass(began + 7 * minute, async () => {
    tell('stream', { name: 'stdout', text: 'a line' })
    upload.write(Buffer.alloc(1_000))
    moving.ws.send(Buffer.alloc(40_000))
    file.send(Buffer.alloc(100_000))
    log.send(Buffer.from('a line\n'))
    await poll(silent)
  })
  for (const name of ['silent', 'drips']) expect(await desired(name), name).toBe('Stopped')
  expect(await quiet.closed).toMatchObject({ code: 1001 })
  for (const name of ['prints', 'uploads', 'copies', 'downloads']) expect(await desired(name), name).toBe('Running')
  upload.destroy()
})

test('pages, forms, sockets, events, an upload, a download and a tunnel of an app beside the IDE keep nothing, not even where an open stream is activity; those of one whose port says that it counts do', {
  timeout: 60_000,
}, async () => {
  const metadata = { namespace: 'team', name: 'connected' }
  await scene.world.resources.create(templateKind, { metadata, spec: { idleShutdownRules: { connectedCounts: true } } })
  const apps = [await openApp('used', {}), await openApp('counted', { activity: 'count' })]
  using streams = new DisposableStack()
  const used = await Promise.all(
    apps.map(async (tab) => {
      const { name, url, headers } = tab
      streams.use(await liveRequest(`${url}events`, { headers }))
      const file = streams.use(await answerUnderWay(tab))
      const query = { workspace: `team/${name}`, type: 'port-forward', port: '8501' }
      return { ...tab, upload: uploadTo(tab), file, tunnel: streams.use(await scene.open(bearer, { query })) }
    }),
  )
  const clocksOf = (name: string) => {
    const { recorder, workspaces } = scene.world.open
    return recorder.clocksOf(workspaces.directory.get({ namespace: 'team', name })?.uid ?? '')
  }
  const useAll = async () => {
    for (const { url, headers, socket, upload, file, tunnel } of used) {
      await alice.open(url)
      await plainRequest(url, { method: 'POST', headers })
      if (socket.isOpen()) socket.ws.send('a click')
      upload.write(Buffer.alloc(1_000))
      file.send(Buffer.alloc(100_000))
      if (tunnel.ws.readyState === tunnel.ws.OPEN) tunnel.ws.send(Buffer.from('GET / HTTP/1.1\r\nHost: app\r\n\r\n'))
    }
  }
  const began = clock.now()
  await pass(began + 4.5 * minute, useAll)
  expect([await desired('used'), clocksOf('used')]).toEqual(['Running', {}])
  const evidence = expect.objectContaining({ user: 'alice' })
  expect(clocksOf('counted')).toEqual({ connected: evidence, interactive: evidence, busy: evidence, unknown: evidence })
  await pass(began + 7 * minute, useAll)
  expect([await desired('used'), await desired('counted')]).toEqual(['Stopped', 'Running'])
  for (const { closed } of [used[0]?.socket, used[0]?.tunnel].filter((stream) => stream !== undefined))
    expect(await closed).toMatchObject({ code: 1001 })
  for (const { upload } of used) upload.destroy()
})

/** A request whose head is sent, and whose body goes on. */
function uploadTo({ url, headers }: Tab): ClientRequest {
  const { host, port, pathname } = new URL(url)
  const of = { host: '127.0.0.1', port, method: 'PUT', path: `${pathname}api/contents/large.bin`, agent: false }
  const asking = request({ ...of, headers: { ...headers, Host: host } })
  asking.on('error', () => undefined).flushHeaders()
  return asking
}

/** An answer whose head has come, and whose body goes on. */
async function answerUnderWay({ url, app, headers }: Tab) {
  const lists = app.answer
  const underWay = Promise.withResolvers<ServerResponse>()
  app.answer = (asked, response) => {
    if (!asked.url?.endsWith('/files/large.bin')) return lists?.(asked, response) ?? false
    response.writeHead(200, { 'Content-Type': 'application/octet-stream' }).flushHeaders()
    underWay.resolve(response)
    return true
  }
  const stream = await liveRequest(`${url}files/large.bin`, { headers })
  const response = await underWay.promise
  return { send: (bytes: Buffer) => response.write(bytes), [Symbol.dispose]: () => stream[Symbol.dispose]() }
}
