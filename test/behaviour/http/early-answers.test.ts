/** An answer to a request whose body is still coming: the client gets it, and nothing of the rest is taken for anything else. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { headersOf } from '#test/support/echo-app.ts'
import { type AppWire, type RawApp, rawApp } from '#test/support/raw-app.ts'
import { type HttpScene, httpScene } from './scene.ts'

let opened: AsyncDisposableStack
let app: RawApp
let scene: HttpScene
/** `last`: the app reads no further request on this connection. */
let answer: (wire: AppWire, head: string) => Promise<string> | undefined
const seen: string[] = []

beforeAll(async () => {
  opened = new AsyncDisposableStack()
  app = opened.use(
    await rawApp('tcp', async (wire) => {
      for (;;) {
        const head = await wire.head()
        seen.push(head.split(' HTTP/', 1)[0] ?? '')
        if ((await answer(wire, head)) === 'last') return
      }
    }),
  )
  answer = named
  scene = opened.use(await httpScene(app.endpoint))
})
afterAll(() => opened.disposeAsync())

/** Answers with the path that it was asked for. */
function named(wire: AppWire, head: string): undefined {
  const [, path = ''] = /^\S+ (\S+)/.exec(head) ?? []
  wire.send(`HTTP/1.1 200 OK\r\nContent-Length: ${path.length}\r\n\r\n${path}`)
}

const refusal = 'HTTP/1.1 413 Too much\r\nContent-Length: 3\r\n\r\nbig'
const size = 4 << 20
/** What a sloppy reader would take for the next request. */
const bait = 'GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n'
const load = Buffer.from(bait.repeat(Math.ceil(size / bait.length)).slice(0, size))

/** Five of somebody else, and none of them meets anything of what was before. */
async function nextAreRight(): Promise<void> {
  answer = named
  using raw = await scene.open()
  for (const path of ['/1', '/22', '/333', '/4444', '/55555']) {
    raw.send(scene.request(`GET ${path}`, [], 'bob'))
    expect(await raw.answer()).toMatchObject({ status: 200, body: path })
  }
  expect(seen).not.toContain('GET /smuggled')
}

const framings: readonly (readonly [how: string, fields: readonly string[], bytes: () => Buffer])[] = [
  ['by length', [`Content-Length: ${size}`], () => load],
  [
    'in chunks',
    ['Transfer-Encoding: chunked'],
    () => Buffer.concat([Buffer.from(`${size.toString(16)}\r\n`), load, Buffer.from('\r\n0\r\n\r\n')]),
  ],
]

describe.each(framings)('an upload %s', (_how, fields, bytes) => {
  test.each(['reads on', 'reads no further', 'closes', 'resets'])(
    'that an app refuses amid it, which then %s: the answer comes, and the rest is read over',
    async (then) => {
      answer = async (wire) => {
        await wire.take(1_000)
        if (then === 'reads no further') wire.socket.pause()
        wire.send(refusal)
        if (then === 'closes') wire.socket.end()
        if (then === 'resets') setTimeout(() => wire.socket.resetAndDestroy(), 20)
        return 'last'
      }
      using raw = await scene.open()
      raw.send(scene.request('POST /up', fields))
      raw.send(bytes())
      const got = await raw.answer()
      expect([got.status, got.body]).toEqual([413, 'big'])
      await nextAreRight()
      // What is left of it has been read over: the next request on the same connection is one.
      raw.send(scene.request('GET /next'))
      expect(await raw.answer()).toMatchObject({ status: 200, body: '/next' })
    },
  )

  test('that an app refuses amid it and closes at once, with much of it unread: the answer comes all the same, each time', async () => {
    answer = async (wire) => {
      await wire.take(1_000)
      wire.send(refusal)
      wire.socket.destroySoon()
      return 'last'
    }
    for (let round = 0; round < 30; round += 1) {
      using raw = await scene.open()
      raw.send(scene.request('POST /up', fields))
      raw.send(bytes())
      const got = await raw.answer()
      expect([got.status, got.body]).toEqual([413, 'big'])
    }
    await nextAreRight()
  })

  test('whose client says that the connection ends gets the answer of the app all the same', async () => {
    answer = async (wire) => {
      await wire.take(1_000)
      wire.send(refusal)
      return 'last'
    }
    using raw = await scene.open()
    raw.send(scene.request('POST /up', [...fields, 'Connection: close']))
    raw.send(bytes())
    expect(await raw.answer()).toMatchObject({ status: 413, body: 'big' })
    raw.socket.end()
    expect(await raw.rest()).toBe('')
    await nextAreRight()
  })

  test('that is answered in full, at length, while it goes on, is answered in full', async () => {
    const long = 'x'.repeat(1 << 20)
    answer = async (wire) => {
      await wire.take(1_000)
      wire.send(`HTTP/1.1 200 OK\r\nContent-Length: ${long.length}\r\n\r\n${long}`)
      return 'last'
    }
    using raw = await scene.open()
    raw.send(scene.request('POST /up', fields))
    raw.send(bytes())
    expect((await raw.answer()).body).toBe(long)
    await nextAreRight()
  })

  test('that the gateway itself refuses gets its answer, though much of it is still on its way', async () => {
    for (const [who, status] of [
      ['nobody', 401],
      ['bob', 403],
    ] as const) {
      const before = seen.length
      using raw = await scene.open()
      const head = scene.request('POST /up', fields, who)
      raw.send(who === 'bob' ? head.replace(`Origin: ${scene.origin}`, 'Origin: http://evil.test') : head)
      raw.send(bytes())
      const got = await raw.answer()
      expect([got.status, headersOf(got, 'Connection')]).toEqual([status, ['close']])
      raw.socket.end()
      expect(await raw.rest()).toBe('')
      expect(seen.length).toBe(before)
    }
    await nextAreRight()
  })

  test('whose client goes on for a while is not reset: that could cost it the answer', async () => {
    for (const [who, more] of [
      ['nobody', []],
      ['alice', ['Connection: close']],
    ] as const) {
      answer = async (wire) => {
        wire.send(refusal)
        return 'last'
      }
      using raw = await scene.open()
      let error: unknown
      raw.socket.on('error', (cause) => {
        error = cause
      })
      raw.send(scene.request('POST /up', [...fields, ...more], who))
      const all = bytes()
      raw.send(all.subarray(0, 1_000))
      await raw.bytes(20)
      for (let at = 1_000; at < 400_000; at += 20_000) {
        raw.send(all.subarray(at, at + 20_000))
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
      expect([who, error]).toEqual([who, undefined])
      expect((await raw.answer()).status).toBe(who === 'nobody' ? 401 : 413)
      raw.socket.end()
      expect(await raw.rest()).toBe('')
    }
    await nextAreRight()
  })

  test('to an app that is not there gets its answer', async () => {
    answer = async (wire) => {
      wire.socket.resetAndDestroy()
      return 'last'
    }
    using raw = await scene.open()
    raw.send(scene.request('POST /up', fields))
    raw.send(bytes())
    expect((await raw.answer()).status).toBe(502)
    raw.socket.end()
    await nextAreRight()
  })
})
