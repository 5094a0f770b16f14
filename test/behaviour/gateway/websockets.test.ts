import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import { WebSocketServer } from 'ws'
import type { ScriptedBrowser } from '#test/support/browser-session.ts'
import { openSocket, refusedSocket } from '#test/support/workspace-socket.ts'
import { createWorld, type World } from '#test/support/world.ts'
import { cookieFor, declare } from './scene.ts'
import { type SmallApp, smallApp, upgradingApp } from './small-app.ts'

interface Scene {
  readonly browser: ScriptedBrowser
  readonly url: string
}

async function opened(world: World, app: SmallApp): Promise<Scene> {
  const { ref, url } = await declare(world, { owner: 'alice', endpoints: { 8888: app.endpoint } })
  await world.until(() => world.open.workspaces.directory.get(ref)?.state.phase === 'Running', 'it runs')
  const browser = await world.as('alice')
  await browser.open(url)
  return { browser, url }
}

/** The whole connection of a client that asks for an upgrade by hand: what came, until the other side closed it. */
async function rawUpgrade({ browser, url }: Scene): Promise<string> {
  const { host, port, pathname, origin } = new URL(url)
  const socket = connect(Number(port), '127.0.0.1')
  const key = randomBytes(16).toString('base64')
  const fields = { Host: host, Origin: origin, Upgrade: 'websocket', Connection: 'Upgrade', ...cookieFor(browser, url) }
  const lines = Object.entries({ ...fields, 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': key })
  socket.write(`GET ${pathname}ws HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`)
  let text = ''
  for await (const chunk of socket) text += chunk
  return text
}

describe.each([
  [404, 'Not Found'],
  [401, 'Unauthorized'],
  [500, 'Internal Server Error'],
])('an upgrade that the app refuses', (status, phrase) => {
  test(`[JK20.1] with ${status} is refused with that status and body, and both sockets close`, async () => {
    const body = `no socket here: ${status}`
    const upgrades: Duplex[] = []
    await using app = await upgradingApp((_request, socket) => {
      upgrades.push(socket)
      socket.write(
        `HTTP/1.1 ${status} ${phrase}\r\nContent-Type: text/x-app\r\nX-App: yes\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      )
    })
    await using world = await createWorld()
    const scene = await opened(world, app)
    const refused = await refusedSocket(scene.browser, `${scene.url}ws`)
    expect(refused).toMatchObject({ status, body })
    expect(refused.headers).toMatchObject({ 'content-type': 'text/x-app', 'x-app': 'yes' })
    const text = await rawUpgrade(scene)
    expect(text.startsWith(`HTTP/1.1 ${status} ${phrase}\r\n`)).toBe(true)
    expect(text.endsWith(`\r\n\r\n${body}`)).toBe(true)
    await world.until(() => upgrades.every((socket) => socket.destroyed), 'the connections to the app are closed')
    expect(upgrades.length).toBe(2)
    expect(world.open.streams.all()).toEqual([])
  })
})

describe('a stream', () => {
  test.each([
    ['leaves without a word', (socket: { destroy(): void }) => socket.destroy()],
    ['breaks off', (socket: { resetAndDestroy?(): void }) => socket.resetAndDestroy?.()],
  ])('[JK20.2] whose app %s is closed with 1011', async (_how, leave) => {
    await using app = await smallApp((_request, response) => response.end('plain'))
    const sockets = new WebSocketServer({ server: app.server })
    await using world = await createWorld()
    const { browser, url } = await opened(world, app)
    const connected = once(sockets, 'connection')
    using socket = await openSocket(browser, url)
    const [ofApp] = await connected
    ofApp.send('something')
    await once(socket.ws, 'message')
    leave(ofApp._socket)
    expect(await socket.closed).toMatchObject({ code: 1011 })
  })

  test('whose app says goodbye ends with what the app said', async () => {
    await using app = await smallApp((_request, response) => response.end('plain'))
    const sockets = new WebSocketServer({ server: app.server })
    sockets.on('connection', (socket) => socket.close(4001, 'enough'))
    await using world = await createWorld()
    const { browser, url } = await opened(world, app)
    using socket = await openSocket(browser, url)
    expect(await socket.closed).toMatchObject({ code: 4001, reason: 'enough' })
  })

  test.each([
    ['ends', (socket: { destroy(): void }) => socket.destroy()],
    ['resets', (socket: { resetAndDestroy?(): void }) => socket.resetAndDestroy?.()],
  ])('[JK20.3] whose client vanishes (%s) is closed at the app', async (_how, vanish) => {
    await using world = await createWorld()
    const { url, app } = await world.workspace({ name: 'nb', owner: 'alice' })
    const browser = await world.as('alice')
    await browser.open(url)
    const sockets = await Promise.all([1, 2, 3].map(() => openSocket(browser, url)))
    const [first] = sockets
    if (!first) throw new Error('no socket')
    expect(String(await first.ask('here'))).toBe('here')
    expect(app.sockets.size).toBe(3)
    // What `ws` holds of its own connection is not part of its types.
    vanish(Reflect.get(first.ws, '_socket'))
    await world.until(() => app.sockets.size === 2, 'the app has lost one')
    for (const socket of sockets.slice(1)) expect(String(await socket.ask('still here'))).toBe('still here')
    await world.until(() => world.open.streams.all().reduce((sum, group) => sum + group.size, 0) === 2, 'two streams')
    for (const socket of sockets) socket[Symbol.dispose]()
    await world.until(() => app.sockets.size === 0 && world.open.streams.all().length === 0, 'all are gone')
  })
})

test('[JK20.5] subprotocols, extensions and a frame of 16 MB pass byte by byte', async () => {
  await using app = await smallApp((_request, response) => response.end('plain'))
  const offered: Record<string, unknown>[] = []
  const sockets = new WebSocketServer({
    server: app.server,
    perMessageDeflate: { serverMaxWindowBits: 12, threshold: 0 },
    handleProtocols: (protocols) => [...protocols][1] ?? false,
  })
  sockets.on('connection', (socket, request) => {
    offered.push(request.headers)
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
  })
  await using world = await createWorld()
  const { browser, url } = await opened(world, app)
  const protocols = ['v2.example.org', 'v1.kernel.websocket.jupyter.org', 'third']
  using plain = await openSocket(browser, `${url}ws?a=%2F`, { protocols })
  expect(plain.ws.protocol).toBe(protocols[1])
  expect(plain.ws.extensions).toBe('')
  const extensions = { perMessageDeflate: { clientMaxWindowBits: 10, serverNoContextTakeover: true } }
  using deflated = await openSocket(browser, url, { protocols, ws: extensions })
  expect(deflated.ws.protocol).toBe(protocols[1])
  expect(deflated.ws.extensions).toContain('permessage-deflate')
  expect(offered.map((headers) => headers['sec-websocket-protocol'])).toEqual([
    protocols.join(','),
    protocols.join(','),
  ])
  expect(offered.map((headers) => headers['sec-websocket-extensions'])).toEqual([
    undefined,
    'permessage-deflate; server_no_context_takeover; client_max_window_bits=10',
  ])
  const frame = randomBytes(16 * 1024 * 1024)
  const sum = createHash('sha256').update(frame).digest('hex')
  for (const socket of [plain, deflated]) {
    const back = await socket.ask(frame)
    expect(back.length).toBe(frame.length)
    expect(createHash('sha256').update(back).digest('hex')).toBe(sum)
  }
})

describe('a slow reader', () => {
  const piece = randomBytes(256 * 1024)
  const pieces = 256
  const total = piece.length * pieces

  /** Sends everything, never more than the connection takes. Resolves to how much was given out so far, at any time. */
  function pump(send: (done: () => void) => void): () => number {
    let sent = 0
    const next = () => {
      if (sent === pieces) return
      sent += 1
      send(next)
    }
    next()
    return () => sent * piece.length
  }

  setFlagsFromString('--expose-gc')
  const collectGarbage: () => void = runInNewContext('gc')

  /** Bytes that anything still refers to. What backs a buffer is given back a moment after the buffer itself. */
  const held = async () => {
    collectGarbage()
    await sleep(100)
    collectGarbage()
    const { arrayBuffers, external } = process.memoryUsage()
    return arrayBuffers + external
  }

  /** Until nothing moves any more. */
  async function stalled(sent: () => number): Promise<number> {
    for (let before = -1; ; ) {
      await sleep(150)
      const now = sent()
      if (now === before) return now
      before = now
    }
  }

  test.each(['client', 'app'] as const)(
    '[JK20.6] (the %s) holds up the sender, and memory does not grow',
    async (slow) => {
      await using app = await smallApp((_request, response) => response.end('plain'))
      const sockets = new WebSocketServer({ server: app.server })
      await using world = await createWorld()
      const { browser, url } = await opened(world, app)
      const connected = once(sockets, 'connection')
      using socket = await openSocket(browser, url)
      const [ofApp] = await connected
      const [reader, writer] = slow === 'client' ? [socket.ws, ofApp] : [ofApp, socket.ws]
      let received = 0
      const sum = createHash('sha256')
      reader.on('message', (data: Buffer) => {
        received += data.length
        sum.update(data)
      })
      reader.pause()
      const before = await held()
      const sent = pump((done) => writer.send(piece, done))
      const atRest = await stalled(sent)
      // What lies in the buffers of the system's sockets, four of them.
      expect(atRest).toBeLessThan(total / 2)
      expect((await held()) - before).toBeLessThan(4 * 1024 * 1024)
      reader.resume()
      await world.until(() => received === total, 'everything has come')
      const whole = createHash('sha256')
      for (let index = 0; index < pieces; index++) whole.update(piece)
      expect(sum.digest('hex')).toBe(whole.digest('hex'))
    },
  )
})
