/** Interim answers (RFC 9110 sections 10.1.1 and 15.2): who may ask for the body, and what comes before the answer. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { headersOf } from '#test/support/echo-app.ts'
import { type AppWire, type RawApp, rawApp } from '#test/support/raw-app.ts'
import type { RawConnection } from '#test/support/raw-http.ts'
import { type HttpScene, httpScene } from './scene.ts'

let opened: AsyncDisposableStack
let app: RawApp
let scene: HttpScene
/** What the app says to the next request, whose body it reads itself. */
let answer: (wire: AppWire, head: string) => Promise<void> | void
let requests = 0

const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

beforeAll(async () => {
  opened = new AsyncDisposableStack()
  app = opened.use(
    await rawApp('tcp', async (wire) => {
      for (;;) {
        const head = await wire.head()
        requests += 1
        await answer(wire, head)
      }
    }),
  )
  answer = (wire) => wire.send(ok)
  scene = opened.use(await httpScene(app.endpoint))
})
afterAll(() => opened.disposeAsync())

const waiting = ['Content-Length: 4', 'Expect: 100-continue']

/** The next request of somebody else over the same pool is answered as it should be. */
async function nextIsRight(): Promise<void> {
  answer = (wire, head) => wire.send(`HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n${/ \/(.{6}) /.exec(head)?.[1]}`)
  using raw = await scene.open()
  for (const path of ['first!', 'second']) {
    raw.send(scene.request(`GET /${path}`, [], 'bob'))
    expect(await raw.answer()).toMatchObject({ status: 200, body: path })
  }
}

describe('a client that waits for 100 Continue', () => {
  test.each(['nobody', 'bob'] as const)(
    'gets the refusal without it where it may not in (%s), and nothing reaches the app',
    async (who) => {
      const before = requests
      using raw = await scene.open()
      const bytes = scene.request('PUT /up', waiting, who)
      // He may read here, and writes from a page of somebody else.
      raw.send(who === 'bob' ? bytes.replace(`Origin: ${scene.origin}`, 'Origin: http://evil.test') : bytes)
      const got = await raw.answer()
      expect([got.status, got.interim, headersOf(got, 'Connection')]).toEqual([
        who === 'bob' ? 403 : 401,
        [],
        ['close'],
      ])
      expect(await raw.rest()).toBe('')
      expect(requests).toBe(before)
      await nextIsRight()
    },
  )

  test.each([
    ['by length', ['Content-Length: 4'], 'body', 'body'],
    ['in chunks', ['Transfer-Encoding: chunked'], '4\r\nbody\r\n0\r\n\r\n', '4\r\nbody\r\n0\r\n\r\n'],
  ])('gets it when the app says so, and its body (%s) goes over', async (_how, framing, sent, received) => {
    let taken = ''
    answer = async (wire, head) => {
      expect(head).toContain('\r\nExpect: 100-continue\r\n')
      expect(wire.pending).toBe('')
      wire.send('HTTP/1.1 100 Continue\r\n\r\n')
      taken = await wire.take(received.length)
      wire.send(ok)
    }
    using raw = await scene.open()
    raw.send(scene.request('PUT /up', [...framing, 'Expect: 100-continue']))
    expect(await raw.bytes(25)).toBe('HTTP/1.1 100 Continue\r\n\r\n')
    raw.send(sent)
    expect(await raw.answer()).toMatchObject({ status: 200, interim: [100] })
    expect(taken).toBe(received)
    await nextIsRight()
  })

  test.each([401, 403, 404, 413, 417, 200, 500])(
    'gets a final %i of the app instead, and the connection ends',
    async (status) => {
      answer = (wire) => wire.send(`HTTP/1.1 ${status} Final\r\nContent-Length: 3\r\n\r\nend`)
      using raw = await scene.open()
      raw.send(scene.request('PUT /up', waiting))
      const got = await raw.answer()
      expect([got.status, got.body, got.interim]).toEqual([status, 'end', []])
      // Whether the body follows or not, nobody can tell: what comes next could be read as either.
      expect(headersOf(got, 'Connection')).toEqual(['close'])
      expect(await raw.rest()).toBe('')
      const [last] = app.connections.slice(-1)
      await last?.over
      await nextIsRight()
    },
  )

  test('may send its body without waiting any longer, also once the answer is there', async () => {
    answer = async (wire) => {
      expect(await wire.take(4)).toBe('body')
      wire.send(ok)
    }
    using impatient = await scene.open()
    impatient.send(`${scene.request('PUT /up', waiting)}body`)
    expect((await impatient.answer()).status).toBe(200)
    answer = (wire) => wire.send('HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno')
    using late = await scene.open()
    late.send(scene.request('PUT /up', waiting))
    await late.bytes(10)
    late.send('bodyGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n')
    expect((await late.answer()).status).toBe(403)
    expect(await late.rest()).toBe('')
    await nextIsRight()
  })

  test('of HTTP/1.0 gets none, and what it sends is a body', async () => {
    answer = async (wire, head) => {
      expect(head).not.toContain('Expect')
      wire.send(`HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n${await wire.take(4)}`)
    }
    using raw = await scene.open()
    raw.send(`${scene.request('PUT /up HTTP/1.0', waiting)}body`)
    const text = await raw.rest()
    expect(text.startsWith('HTTP/1.1 200 OK\r\n')).toBe(true)
    expect(text.endsWith('\r\n\r\nbody')).toBe(true)
  })

  test('for anything else gets 417', async () => {
    using raw = await scene.open()
    raw.send(scene.request('PUT /up', ['Content-Length: 4', 'Expect: 200-ok']))
    expect((await raw.answer()).status).toBe(417)
    await nextIsRight()
  })
})

describe('interim answers of an app', () => {
  const early = [
    'HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload; as=style\r\nLink: </b.js>; rel=preload\r\n\r\n',
    'HTTP/1.1 102 Processing\r\n\r\n',
    'HTTP/1.1 104 Upload Resumption Supported\r\nLocation: /upload/1\r\nUpload-Offset: 50\r\nX-H\xe9: no\r\n\r\n'.replace(
      'X-H\xe9',
      'X-High',
    ),
    'HTTP/1.1 199 Whatever\r\nX-A: h\xe9\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=1\r\nContent-Length: 7\r\nSet-Cookie: __Host-gatehouse=x\r\n\r\n',
  ]

  /** What came until the answer proper, head by head. */
  async function interimOf(raw: RawConnection): Promise<readonly string[]> {
    await raw.bytes(1)
    let text = ''
    await expect
      .poll(async () => {
        text = await raw.bytes(0)
        return text
      })
      .toMatch(/HTTP\/1\.1 200 .*ok$/s)
    return text.split('\r\n\r\n').slice(0, -2)
  }

  test('come at once, each with what it says, but for what is of one hop or not for it to say', async () => {
    const released = Promise.withResolvers<void>()
    answer = async (wire) => {
      wire.send(early.join(''))
      await released.promise
      wire.send(ok)
    }
    using raw = await scene.open()
    raw.send(scene.request('GET /'))
    await expect.poll(() => raw.bytes(0)).toMatch(/ 199 /)
    released.resolve()
    const heads = await interimOf(raw)
    expect(heads.map((head) => head.split('\r\n').slice(1))).toEqual([
      ['Link: </a.css>; rel=preload; as=style', 'Link: </b.js>; rel=preload'],
      [],
      ['Location: /upload/1', 'Upload-Offset: 50', 'X-High: no'],
      ['X-A: h\xe9'],
    ])
    expect((await raw.answer()).interim).toEqual([103, 102, 104, 199])
    await nextIsRight()
  })

  test('keep their place among the answers of pipelined requests', async () => {
    const held = new Map<string, () => void>()
    answer = (wire, head) => {
      const [, path = ''] = /^GET (\S+)/.exec(head) ?? []
      const hint = `HTTP/1.1 103 Early Hints\r\nLink: <${path}>\r\n\r\n`
      wire.send(hint)
      held.set(path, () => wire.send(ok))
    }
    using raw = await scene.open()
    raw.send(['/a', '/b', '/c'].map((path) => scene.request(`GET ${path}`)).join(''))
    await expect.poll(() => held.size).toBe(3)
    for (const path of ['/c', '/b', '/a']) held.get(path)?.()
    for (const path of ['/a', '/b', '/c']) {
      await expect
        .poll(() => raw.bytes(0))
        .toMatch(new RegExp(`^HTTP/1\\.1 103 Early Hints\r\nLink: <${path}>\r\n\r\nHTTP/1\\.1 200 .*?ok`, 's'))
      expect(await raw.answer()).toMatchObject({ status: 200, interim: [103] })
    }
  })

  test('do not reach a client of HTTP/1.0', async () => {
    answer = (wire) => wire.send(early.join('') + ok)
    using raw = await scene.open()
    raw.send(scene.request('GET / HTTP/1.0'))
    expect((await raw.rest()).match(/^HTTP\/.*$/gm)).toEqual(['HTTP/1.1 200 OK'])
  })

  test('that nobody waits for are 100 without a meaning, and are kept back', async () => {
    answer = (wire) => wire.send(`HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n${ok}`)
    using raw = await scene.open()
    raw.send(scene.request('GET /'))
    expect((await raw.answer()).interim).toEqual([])
  })

  test.each([
    ['without end', 'HTTP/1.1 102 Processing\r\n\r\n', 1_000],
    ['of the greatest size', `HTTP/1.1 103 Early Hints\r\nX-Fill: ${'x'.repeat(60_000)}\r\n\r\n`, 100],
  ])('%s are a 502 after some, and the app is let go', async (_what, one, count) => {
    answer = (wire) => wire.send(one.repeat(count) + ok)
    using raw = await scene.open()
    raw.send(scene.request('GET /'))
    const got = await raw.answer()
    expect(got.status).toBe(502)
    expect(got.interim.length).toBeLessThanOrEqual(32)
    const [last] = app.connections.slice(-1)
    await last?.over
    await nextIsRight()
  })
})
