/** A body that stands still ends within its limit, whoever holds it up; one that moves, however slowly, does not. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fakeClock } from '#test/support/fake-clock.ts'
import { type AppWire, type RawApp, rawApp } from '#test/support/raw-app.ts'
import { type HttpScene, httpScene } from './scene.ts'

const uploadIdle = 8_000
const downloadIdle = 40_000
/** By when a stall is noticed, and not before its limit. */
const noticed = (limit: number) => limit + limit / 4

const clock = fakeClock(Date.now())
let opened: AsyncDisposableStack
let app: RawApp
let scene: HttpScene
/** What the app does with its next connection. */
let serve: (wire: AppWire) => Promise<void> | void

beforeAll(async () => {
  opened = new AsyncDisposableStack()
  app = opened.use(await rawApp('tcp', (wire) => serve(wire)))
  serve = ok
  scene = opened.use(
    await httpScene(app.endpoint, {
      clock,
      settings: (settings) => ({ ...settings, limits: { ...settings.limits, uploadIdle, downloadIdle } }),
    }),
  )
})
afterAll(() => opened.disposeAsync())

async function ok(wire: AppWire): Promise<void> {
  for (;;) {
    await wire.head()
    wire.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
  }
}

/** Long, and in steps between which what is real on the sockets happens. */
async function pass(span: number): Promise<void> {
  const steps = 16
  for (let step = 0; step < steps; step += 1) await clock.advance(span / steps)
}

describe('an upload', () => {
  test.each([
    ['by length', 'Content-Length: 100', 'some'],
    ['in chunks', 'Transfer-Encoding: chunked', '4\r\nsome\r\n'],
  ])('%s whose client falls silent ends with 408, and the app is let go', async (_how, framing, part) => {
    const heard = Promise.withResolvers<AppWire>()
    serve = async (wire) => {
      await wire.until('some')
      heard.resolve(wire)
    }
    using raw = await scene.open()
    raw.send(scene.request('POST /up', [framing]) + part)
    const wire = await heard.promise
    await pass(uploadIdle - 1_000)
    expect(raw.socket.readableEnded).toBe(false)
    await pass(noticed(uploadIdle) - uploadIdle + 1_000)
    const answer = await raw.answer()
    expect([answer.status, JSON.parse(answer.body).code]).toEqual([408, 'upload_stalled'])
    expect(await raw.rest()).toBe('')
    await wire.over
    expect(wire.pending).not.toContain('\r\n0\r\n')
  })

  test('that goes on a byte at a time, each just in time, is whole', async () => {
    const body = Promise.withResolvers<string>()
    let wire: AppWire | undefined
    serve = async (its) => {
      await its.head()
      wire = its
      body.resolve(await its.take(12))
      its.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    }
    using raw = await scene.open()
    raw.send(scene.request('PUT /up', ['Content-Length: 12']))
    const letters = 'abcdefghijkl'
    for (let sent = 1; sent <= letters.length; sent += 1) {
      raw.send(letters.slice(sent - 1, sent))
      if (sent < letters.length) await expect.poll(() => wire?.pending).toBe(letters.slice(0, sent))
      await pass(uploadIdle - 500)
    }
    expect(await body.promise).toBe(letters)
    expect((await raw.answer()).status).toBe(200)
  })

  test('that the app takes no more of ends with 504', async () => {
    serve = async (wire) => {
      await wire.head()
      wire.socket.pause()
    }
    using raw = await scene.open()
    const length = 64 << 20
    raw.send(scene.request('PUT /up', [`Content-Length: ${length}`]))
    raw.send(Buffer.alloc(length))
    await stands(() => raw.socket.writableLength)
    await pass(noticed(uploadIdle) + 1_000)
    expect((await raw.answer()).status).toBe(504)
  })

  test('that was taken is waited for as long as its answer takes, and so is one that waits for 100 Continue', async () => {
    serve = async (wire) => {
      const head = await wire.head()
      heads += 1
      if (/Expect/.test(head)) {
        await asked.promise
        wire.send('HTTP/1.1 100 Continue\r\n\r\n')
      }
      await wire.take(4)
      await answered.promise
      wire.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    }
    const [asked, answered] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    let heads = 0
    using plain = await scene.open()
    plain.send(`${scene.request('POST /up', ['Content-Length: 4'])}some`)
    using waiting = await scene.open()
    waiting.send(scene.request('POST /up', ['Content-Length: 4', 'Expect: 100-continue']))
    await expect.poll(() => heads).toBe(2)
    await pass(10 * uploadIdle)
    asked.resolve()
    expect(await waiting.bytes(25)).toBe('HTTP/1.1 100 Continue\r\n\r\n')
    waiting.send('some')
    answered.resolve()
    expect((await plain.answer()).status).toBe(200)
    expect(await waiting.answer()).toMatchObject({ status: 200, interim: [100] })
  })
})

/** Until it does not change any more. */
async function stands(value: () => number): Promise<void> {
  for (let before = -1; before !== value(); ) {
    before = value()
    await new Promise((resolve) => setTimeout(resolve, 150))
  }
}

describe('an answer', () => {
  test.each([
    ['by length', 'Content-Length: 100\r\n\r\nsome'],
    ['in chunks', 'Transfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n'],
    ['to the end of the connection', '\r\nsome'],
  ])('%s whose app falls silent is broken off, and not taken for whole', async (_how, rest) => {
    const heard = Promise.withResolvers<AppWire>()
    serve = async (wire) => {
      await wire.head()
      wire.send(`HTTP/1.1 200 OK\r\n${rest}`)
      heard.resolve(wire)
    }
    using raw = await scene.open()
    const failed = new Promise((resolve) => raw.socket.once('error', resolve))
    raw.send(scene.request('GET /down'))
    await raw.bytes(40)
    await pass(downloadIdle - 2_000)
    expect(raw.socket.closed).toBe(false)
    await pass(noticed(downloadIdle) - downloadIdle + 2_000)
    expect(await failed).toMatchObject({ code: 'ECONNRESET' })
    await (await heard.promise).over
  })

  test('that comes a byte at a time, each just in time, is whole', async () => {
    let wire: AppWire | undefined
    serve = async (its) => {
      await its.head()
      its.send('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 6\r\n\r\n')
      wire = its
    }
    using raw = await scene.open()
    raw.send(scene.request('GET /down'))
    let head = await raw.bytes(30)
    await expect.poll(() => wire).toBeDefined()
    for (const letter of 'abcdef') {
      await pass(downloadIdle - 2_000)
      wire?.send(letter)
      if (letter !== 'f') head = await raw.bytes(head.length + 1)
    }
    expect((await raw.answer()).body).toBe('abcdef')
  })

  test('that its client does not read is broken off', async () => {
    const length = 64 << 20
    const heard = Promise.withResolvers<AppWire>()
    serve = async (wire) => {
      await wire.head()
      heard.resolve(wire)
      wire.send(`HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: ${length}\r\n\r\n`)
      wire.send(Buffer.alloc(length))
    }
    using raw = await scene.open()
    raw.socket.pause()
    raw.send(scene.request('GET /down'))
    const { socket } = await heard.promise
    await stands(() => socket.writableLength)
    await pass(downloadIdle - 2_000)
    expect(socket.destroyed).toBe(false)
    await pass(noticed(downloadIdle) - downloadIdle + 4_000)
    await expect.poll(() => socket.destroyed).toBe(true)
    expect(scene.world.open.streams.all()).toEqual([])
  })

  test('that is an event stream may be silent, and a request unanswered, for as long as they like', async () => {
    const events = Promise.withResolvers<AppWire>()
    const poll = Promise.withResolvers<AppWire>()
    serve = async (wire) => {
      const head = await wire.head()
      if (!head.includes('/events')) return poll.resolve(wire)
      wire.send('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n')
      events.resolve(wire)
    }
    using stream = await scene.open()
    stream.send(scene.request('GET /events'))
    using waiting = await scene.open()
    waiting.send(scene.request('GET /poll'))
    const [eventsAt, pollAt] = await Promise.all([events.promise, poll.promise])
    await pass(20 * downloadIdle)
    eventsAt.send('data: 2\n\n')
    pollAt.send('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnews')
    expect((await waiting.answer()).body).toBe('news')
    eventsAt.socket.end()
    expect((await stream.answer()).body).toBe('data: 1\n\ndata: 2\n\n')
  })
})
