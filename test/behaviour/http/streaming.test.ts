/** Answers that come little by little reach the client little by little: nothing waits for more. */
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type AppWire, type RawApp, rawApp } from '#test/support/raw-app.ts'
import { type HttpScene, httpScene } from './scene.ts'

describe.each(['tcp', 'unix'] as const)('from an app on %s', (kind) => {
  let opened: AsyncDisposableStack
  let app: RawApp
  let scene: HttpScene
  let next: PromiseWithResolvers<AppWire>

  beforeAll(async () => {
    opened = new AsyncDisposableStack()
    app = opened.use(
      await rawApp(kind, async (wire) => {
        for (;;) {
          const head = await wire.head()
          if (head.includes('/watched')) return next.resolve(wire)
          wire.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
        }
      }),
    )
    scene = opened.use(await httpScene(app.endpoint))
  })
  afterAll(() => opened.disposeAsync())

  async function watched(version: '1.0' | '1.1') {
    next = Promise.withResolvers<AppWire>()
    const raw = await scene.open()
    raw.send(scene.request(`GET /watched HTTP/${version}`))
    return { raw, wire: await next.promise }
  }

  const framings: readonly (readonly [how: string, field: string, piece: (text: string) => string])[] = [
    ['in chunks', 'Transfer-Encoding: chunked\r\n', (text) => `${text.length.toString(16)}\r\n${text}\r\n`],
    ['to the end of the connection', '', (text) => text],
    ['by length', 'Content-Length: 1000\r\n', (text) => text],
  ]
  const types = ['text/event-stream', 'text/plain', 'application/x-ndjson']
  test.each(framings.flatMap(([how, field, piece]) => types.map((type) => [how, type, field, piece] as const)))(
    '%s, as %s: the head comes before the body, and each piece before the next',
    async (_how, type, field, piece) => {
      for (const version of ['1.1', '1.0'] as const) {
        const { raw, wire } = await watched(version)
        using _open = raw
        wire.send(`HTTP/1.1 200 OK\r\nContent-Type: ${type}\r\n${field}\r\n`)
        await raw.sees('\r\n\r\n')
        for (const text of ['data: 1\n\n', ': comment\n\n', 'x', 'data: 2\n\n']) {
          const before = (await raw.bytes(0)).length
          wire.send(piece(text))
          await raw.sees(text, before)
        }
        wire.socket.destroy()
      }
    },
  )

  test('compressed pieces come as they were, each at once', async () => {
    const { raw, wire } = await watched('1.1')
    using _open = raw
    wire.send('HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n')
    const piece = gzipSync('data').toString('latin1')
    for (let count = 0; count < 3; count += 1) {
      const before = (await raw.bytes(0)).length
      wire.send(piece)
      await raw.sees(piece, before)
    }
    wire.socket.destroy()
  })

  test('a long poll is answered when there is news; others on other connections are not held up by it', async () => {
    const { raw, wire } = await watched('1.1')
    using poll = raw
    using other = await scene.open()
    for (let count = 0; count < 5; count += 1) {
      other.send(scene.request('GET /', [], 'bob'))
      expect((await other.answer()).body).toBe('ok')
    }
    expect(await poll.bytes(0)).toBe('')
    wire.send('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\nnews')
    expect((await poll.answer()).body).toBe('news')
  })

  test('an upload reaches the app little by little as well, and both ways may go on at once', async () => {
    next = Promise.withResolvers<AppWire>()
    using raw = await scene.open()
    raw.send(scene.request('POST /watched', ['Transfer-Encoding: chunked']))
    const wire = await next.promise
    wire.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
    for (const text of ['one', 'two', 'three']) {
      raw.send(`${text.length}\r\n${text}\r\n`)
      expect(await wire.until(`${text}\r\n`)).toContain(text)
      wire.send(`${(text.length + 5).toString(16)}\r\necho ${text}\r\n`)
      await raw.sees(`echo ${text}`)
    }
    raw.send('0\r\n\r\n')
    expect(await wire.until('0\r\n\r\n')).toBe('0\r\n\r\n')
    wire.send('0\r\n\r\n')
    expect((await raw.answer()).body).toBe('echo oneecho twoecho three')
  })

  test('a client that leaves is the end of it for the app', async () => {
    const { raw, wire } = await watched('1.1')
    wire.send('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n')
    await raw.sees('data: 1')
    raw.socket.destroy()
    await wire.over
  })
})
