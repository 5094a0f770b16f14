/** Where a message ends, and what belongs to it (RFC 9112 sections 6 and 7): the same on both sides, however its bytes are cut on the way. */
import { setImmediate } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { headersOf } from '#test/support/echo-app.ts'
import { type AppWire, type RawApp, rawApp } from '#test/support/raw-app.ts'
import { type HttpScene, httpScene } from './scene.ts'

/** A few turns of the loop in which gateway, app and client all live: what was written has been read. */
async function arrived(): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) await setImmediate()
}

/** The body as the app takes it apart, and what came behind it. */
async function read(wire: AppWire, head: string): Promise<{ body: string; trailers: string }> {
  const [, length] = /\r\nContent-Length: (\d+)/i.exec(head) ?? []
  if (length !== undefined) return { body: await wire.take(Number(length)), trailers: '' }
  return /\r\nTransfer-Encoding: chunked/i.test(head) ? await readChunks(wire) : { body: '', trailers: '' }
}

async function readChunks(wire: AppWire): Promise<{ body: string; trailers: string }> {
  const size = async () => Number.parseInt(await wire.until('\r\n'), 16)
  let body = ''
  for (let next = await size(); next > 0; next = await size()) {
    body += await wire.take(next)
    expect(await wire.take(2)).toBe('\r\n')
  }
  let trailers = ''
  for (let line = await wire.until('\r\n'); line !== '\r\n'; line = await wire.until('\r\n')) trailers += line
  return { body, trailers }
}

describe.each(['tcp', 'unix'] as const)('with an app on %s', (kind) => {
  let opened: AsyncDisposableStack
  let app: RawApp
  let scene: HttpScene
  /** What the app says to the next request; it has its head, and reads the body itself. */
  let answer: (wire: AppWire, head: string) => Promise<void> | void
  const heads: string[] = []

  beforeAll(async () => {
    opened = new AsyncDisposableStack()
    app = opened.use(
      await rawApp(kind, async (wire) => {
        for (;;) {
          const head = await wire.head()
          heads.push(head)
          await answer(wire, head)
        }
      }),
    )
    answer = (wire) => wire.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    scene = opened.use(await httpScene(app.endpoint))
  })
  afterAll(() => opened.disposeAsync())

  const says = (bytes: string) => {
    answer = (wire) => wire.send(bytes)
  }
  const plain = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain'

  describe('an answer', () => {
    const bodyless: readonly (readonly [what: string, line: string, head: string, lines: readonly string[]])[] = [
      ['HEAD with a length', 'HEAD /', '200 OK\r\nContent-Length: 5000', ['Content-Length', '5000']],
      ['HEAD of a chunked one', 'HEAD /', '200 OK\r\nTransfer-Encoding: chunked', []],
      ['HEAD with neither', 'HEAD /', '200 OK\r\nETag: "x"', ['ETag', '"x"']],
      ['HEAD that fails', 'HEAD /', '404 Not Found\r\nContent-Length: 9', ['Content-Length', '9']],
      ['204', 'DELETE /', '204 No Content', []],
      ['204 that says a length', 'GET /', '204 No Content\r\nContent-Length: 0', []],
      [
        '304 with the length of what it stands for',
        'GET /',
        '304 Not Modified\r\nContent-Length: 77',
        ['Content-Length', '77'],
      ],
      ['304 without', 'GET /', '304 Not Modified\r\nETag: W/"1"', ['ETag', 'W/"1"']],
      ['an empty 200', 'GET /', '200 OK\r\nContent-Length: 0', ['Content-Length', '0']],
      ['an empty 205', 'POST /', '205 Reset Content\r\nContent-Length: 0', ['Content-Length', '0']],
      [
        'a redirect without a body',
        'GET /',
        '302 Found\r\nContent-Length: 0\r\nLocation: /x?a=%2F',
        ['Location', '/x?a=%2F'],
      ],
      ['OPTIONS', 'OPTIONS /', '204 No Content\r\nAllow: GET, HEAD', ['Allow', 'GET, HEAD']],
      ['a status nobody knows', 'GET /', '299 Odd\r\nContent-Length: 0', ['Content-Length', '0']],
    ]
    test.each(bodyless)(
      'without a body: %s; the next one on the connection is in its place',
      async (_what, line, head, lines) => {
        says(`HTTP/1.1 ${head}\r\n\r\n`)
        using raw = await scene.open()
        raw.send(scene.request(line))
        const isHead = line.startsWith('HEAD')
        const got = await raw.answer({ isHead })
        expect([got.status, got.body]).toEqual([Number(head.slice(0, 3)), ''])
        for (let index = 0; index < lines.length; index += 2) {
          expect(headersOf(got, lines[index] ?? '')).toEqual([lines[index + 1]])
        }
        if (got.status === 204 || isHead) expect(headersOf(got, 'Transfer-Encoding')).toEqual([])
        if (got.status === 204) expect(headersOf(got, 'Content-Length')).toEqual([])
        says(plain)
        raw.send(scene.request('GET /'))
        expect(await raw.answer()).toMatchObject({ status: 200, body: 'plain' })
      },
    )

    test('of a range is passed on as it is: 206, several of them, 416', async () => {
      const [one, many] = ['bytes=0-3', 'bytes=0-1,4-5']
      const parts =
        '--x\r\nContent-Range: bytes 0-1/6\r\n\r\nab\r\n--x\r\nContent-Range: bytes 4-5/6\r\n\r\nef\r\n--x--\r\n'
      const ranged: readonly (readonly [asked: string, head: string, body: string])[] = [
        [one, '206 Partial Content\r\nContent-Range: bytes 0-3/6\r\nContent-Length: 4', 'abcd'],
        [
          many,
          `206 Partial Content\r\nContent-Type: multipart/byteranges; boundary=x\r\nContent-Length: ${parts.length}`,
          parts,
        ],
        ['bytes=9-', '416 Range Not Satisfiable\r\nContent-Range: bytes */6\r\nContent-Length: 0', ''],
      ]
      for (const [asked, head, body] of ranged) {
        says(`HTTP/1.1 ${head}\r\nAccept-Ranges: bytes\r\n\r\n${body}`)
        using raw = await scene.open()
        raw.send(scene.request('GET /file', [`Range: ${asked}`, 'If-Range: "v1"']))
        const got = await raw.answer()
        expect([got.status, got.body]).toEqual([Number(head.slice(0, 3)), body])
        const ofFields = head.split('\r\n').slice(1)
        for (const field of ofFields) expect(got.rawHeaders.join(': ')).toContain(field)
        expect(heads.at(-1)).toMatch(new RegExp(`\r\nRange: ${asked}\r\nIf-Range: "v1"\r\n`))
      }
    })

    test('in any coding of its content is not touched, nor is what was asked for', async () => {
      const bytes = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).join('')
      for (const coding of ['gzip', 'br', 'zstd', 'deflate, gzip', 'x-unknown']) {
        says(
          `HTTP/1.1 200 OK\r\nContent-Encoding: ${coding}\r\nVary: Accept-Encoding\r\nContent-Length: 256\r\n\r\n${bytes}`,
        )
        using raw = await scene.open()
        raw.send(scene.request('GET /', ['Accept-Encoding: gzip;q=0.5, br, *;q=0']))
        const got = await raw.answer()
        expect([headersOf(got, 'Content-Encoding'), got.body]).toEqual([[coding], bytes])
        expect(heads.at(-1)).toContain('\r\nAccept-Encoding: gzip;q=0.5, br, *;q=0\r\n')
      }
    })

    test('that ends with its connection is whole for a client of HTTP/1.1 and for one of 1.0, whichever version the app speaks', async () => {
      for (const version of ['1.0', '1.1']) {
        answer = (wire) => void wire.socket.end(`HTTP/${version} 200 OK\r\nContent-Type: text/plain\r\n\r\nto the end`)
        using modern = await scene.open()
        modern.send(scene.request('GET /'))
        const got = await modern.answer()
        expect([got.body, headersOf(got, 'Transfer-Encoding')]).toEqual(['to the end', ['chunked']])
        using old = await scene.open()
        old.send(scene.request('GET / HTTP/1.0'))
        expect((await old.rest()).endsWith('\r\n\r\nto the end')).toBe(true)
      }
    })

    test('in chunks goes to a client of HTTP/1.0 without them, and ends with the connection', async () => {
      says('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\nX-Sum: 1\r\n\r\n')
      for (const fields of [[], ['Connection: keep-alive']]) {
        using old = await scene.open()
        old.send(scene.request('GET / HTTP/1.0', fields))
        const got = await old.rest()
        expect(got.endsWith('\r\n\r\nabcdef')).toBe(true)
        expect(got).not.toMatch(/Transfer-Encoding|X-Sum/i)
      }
    })

    const chunked = [
      ...['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n', '4;a=b;c="d"\r\nWiki\r\n'],
      ...['A\r\n pedia in \r\n', '00e\r\nchunks.\r\n\r\nEnd\r\n', '000\r\nX-Sum: 7 \r\nX-More:\t8\r\n\r\n'],
    ].join('')
    const whole = 'Wiki pedia in chunks.\r\n\r\nEnd'

    test('in chunks is whole wherever its bytes are cut', async () => {
      using raw = await scene.open()
      for (let cut = 1; cut < chunked.length; cut += 1) {
        answer = async (wire) => {
          wire.send(chunked.slice(0, cut))
          await arrived()
          wire.send(chunked.slice(cut))
        }
        raw.send(scene.request('GET /'))
        const got = await raw.answer()
        expect([got.body, got.rawTrailers], `cut at ${cut}`).toEqual([whole, ['X-Sum', '7', 'X-More', '8']])
      }
    })

    test.each([
      ['in chunks', chunked, whole],
      ['by length', 'HTTP/1.1 200 OK\r\nContent-Length: 27\r\n\r\nWiki pedia in chunks.\r\n\r\nEn', whole.slice(0, -1)],
    ])('%s may come a byte at a time', async (_how, bytes, body) => {
      answer = async (wire) => {
        for (const byte of bytes) {
          wire.send(byte)
          await setImmediate()
        }
      }
      using raw = await scene.open()
      raw.send(scene.request('GET /'))
      expect((await raw.answer()).body).toBe(body)
    })

    test('keeps its trailers but for those that decide about the message, are of one hop or are not for an app to say', async () => {
      const bad = [
        ...['Host: evil', 'Connection: close', 'Set-Cookie: a=1'],
        ...['Location: /x', 'Content-Type: text/html', 'Content-Encoding: gzip', 'Cache-Control: public', 'Trailer: x'],
        ...['Authorization: Bearer x', 'WWW-Authenticate: Basic', 'Keep-Alive: timeout=9', 'Upgrade: h2c', 'TE: gzip'],
        ...[
          'X-Gatehouse-Assertion: x',
          'Proxy-Status: x',
          'Expires: 0',
          'Retry-After: 1',
          'Vary: *',
          'Content-Range: x',
        ],
      ]
      says(
        `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-A: 1\r\n${bad.join('\r\n')}\r\nServer-Timing: db;dur=5\r\nx-a: 2\r\n\r\n`,
      )
      using raw = await scene.open()
      raw.send(scene.request('GET /'))
      const { body, rawTrailers } = await raw.answer()
      expect([body, rawTrailers]).toEqual(['ok', ['X-A', '1', 'Server-Timing', 'db;dur=5', 'x-a', '2']])
      raw.send(scene.request('GET /'))
      expect((await raw.answer()).body).toBe('ok')
    })
  })

  describe('a request', () => {
    /** Answers with the body, and remembers the trailers. */
    const seen = { trailers: '' }
    const echo = async (wire: AppWire, head: string) => {
      const { body, trailers } = await read(wire, head)
      seen.trailers = trailers
      wire.send(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
    }

    const upload = () =>
      `${scene.request('POST /up', ['Transfer-Encoding: chunked', 'Trailer: X-Sum'])}4\r\nWiki\r\nA;a=b\r\n pedia in \r\n0e\r\nchunks.\r\n\r\nEnd\r\n0\r\nX-Sum: 7\r\n\r\n`
    const whole = 'Wiki pedia in chunks.\r\n\r\nEnd'

    test('in chunks is whole wherever its bytes are cut, its head included', async () => {
      answer = echo
      using raw = await scene.open()
      const bytes = upload()
      for (let cut = 1; cut < bytes.length; cut += 1) {
        raw.send(bytes.slice(0, cut))
        await arrived()
        raw.send(bytes.slice(cut))
        expect([(await raw.answer()).body, seen.trailers], `cut at ${cut}`).toEqual([whole, 'X-Sum: 7\r\n'])
      }
    })

    test('may come a byte at a time', async () => {
      answer = echo
      for (const bytes of [upload(), scene.request('PUT /up', [`Content-Length: ${whole.length}`]) + whole]) {
        using raw = await scene.open()
        for (const byte of bytes) {
          raw.send(byte)
          await setImmediate()
        }
        expect((await raw.answer()).body).toBe(whole)
      }
    })

    test.each(['GET', 'DELETE', 'OPTIONS', 'POST', 'PUT', 'PATCH', 'PROPFIND', 'REPORT', 'QUERY'])(
      '%s may have a body, by length or in chunks, empty or none; each connection to the app carries one body at most',
      async (method) => {
        answer = echo
        using raw = await scene.open()
        const framings: readonly (readonly [fields: readonly string[], bytes: string, body: string])[] = [
          [['Content-Length: 4'], 'body', 'body'],
          [['Transfer-Encoding: chunked'], '4\r\nbody\r\n0\r\n\r\n', 'body'],
          [['Content-Length: 0'], '', ''],
          [['Transfer-Encoding: chunked'], '0\r\n\r\n', ''],
          [[], '', ''],
        ]
        for (const [fields, bytes, body] of framings) {
          raw.send(scene.request(`${method} /x`, fields) + bytes)
          const got = await raw.answer()
          expect([got.status, got.body], `${method} ${fields}`).toEqual([200, body])
          const head = heads.at(-1) ?? ''
          expect(head.startsWith(`${method} /x HTTP/1.1\r\n`)).toBe(true)
          // Framed anew, in one way, and in the way it was.
          expect(
            [...head.matchAll(/\r\n(Content-Length: \d+|Transfer-Encoding: \w+)/g)].map(([, field]) => field),
          ).toEqual(fields)
        }
      },
    )

    test('HEAD with a body is answered without one', async () => {
      answer = async (wire, head) => {
        const { body } = await read(wire, head)
        wire.send(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`)
      }
      using raw = await scene.open()
      raw.send(`${scene.request('HEAD /x', ['Content-Length: 4'])}body`)
      expect(headersOf(await raw.answer({ isHead: true }), 'Content-Length')).toEqual(['4'])
      answer = echo
      raw.send(scene.request('GET /x'))
      expect((await raw.answer()).status).toBe(200)
    })

    test('keeps its trailers but for those that decide about the request or only the gateway may say', async () => {
      answer = echo
      const bad = [
        ...['Host: evil', 'Authorization: Bearer x', 'Cookie: a=1'],
        ...[
          'X-Forwarded-User: bob',
          'X_Forwarded_User: bob',
          'X-Gatehouse-Assertion: x',
          'Connection: close',
          'TE: gzip',
        ],
        ...[
          'Content-Type: text/html',
          'Expect: 100-continue',
          'Range: bytes=0-1',
          'If-Match: x',
          'Upgrade: h2c',
          'Origin: x',
        ],
      ]
      using raw = await scene.open()
      raw.send(
        `${scene.request('POST /up', ['Transfer-Encoding: chunked', 'TE: trailers'])}2\r\nok\r\n0\r\nX-A: 1\r\n${bad.join('\r\n')}\r\nx-a: 2\r\n\r\n`,
      )
      expect((await raw.answer()).body).toBe('ok')
      expect(seen.trailers).toBe('X-A: 1\r\nx-a: 2\r\n')
      expect(heads.at(-1)).toMatch(/\r\nTE: trailers\r\nConnection: close, TE$/)
    })

    test('whose trailers frame it once more is refused, and the app never sees the end of its body', async () => {
      for (const field of ['Content-Length: 9', 'Transfer-Encoding: chunked']) {
        const reading = Promise.withResolvers<AppWire>()
        answer = async (wire) => {
          reading.resolve(wire)
          await wire.until('0\r\n')
        }
        using raw = await scene.open()
        raw.send(`${scene.request('POST /up', ['Transfer-Encoding: chunked'])}2\r\nok\r\n`)
        const wire = await reading.promise
        raw.send(`0\r\n${field}\r\n\r\n`)
        expect((await raw.answer()).status).toBe(400)
        raw.socket.end()
        expect(await raw.rest()).toBe('')
        await wire.over
        expect(wire.pending).toBe('2\r\nok\r\n')
      }
    })

    test('of HTTP/1.0 may have a length; it may ask for the connection to be kept', async () => {
      answer = echo
      using raw = await scene.open()
      for (const body of ['first', 'second!']) {
        raw.send(
          scene.request('POST /up HTTP/1.0', ['Connection: keep-alive', `Content-Length: ${body.length}`]) + body,
        )
        const got = await raw.answer()
        expect([got.body, headersOf(got, 'Connection')]).toEqual([body, ['keep-alive']])
        expect(heads.at(-1)?.startsWith('POST /up HTTP/1.1\r\n')).toBe(true)
      }
      raw.send(scene.request('GET /up HTTP/1.0'))
      expect((await raw.answer()).status).toBe(200)
      expect(await raw.rest()).toBe('')
    })
  })

  test('pipelined requests are answered in their order, whatever the order in which the app answers', async () => {
    const held: (() => void)[] = []
    answer = (wire, head) => {
      const [, path = ''] = /^\w+ \/(\S*)/.exec(head) ?? []
      held.push(() =>
        wire.send(`HTTP/1.1 200 OK\r\nContent-Length: ${path.length}\r\n\r\n${head.startsWith('HEAD') ? '' : path}`),
      )
    }
    using raw = await scene.open()
    const lines = ['GET /one', 'HEAD /second', 'GET /three', 'DELETE /fourth', 'GET /five']
    raw.send(lines.map((line) => scene.request(line)).join(''))
    await expect.poll(() => held.length).toBe(lines.length)
    for (const goOn of held.toReversed()) {
      goOn()
      await arrived()
    }
    for (const line of lines) {
      const isHead = line.startsWith('HEAD')
      const [, path = ''] = line.split('/')
      expect((await raw.answer({ isHead })).body).toBe(isHead ? '' : path)
    }
  })

  test('a connection is kept for the next request, by whomever, until somebody says that it ends', async () => {
    says(plain)
    for (const [line, fields, isKept] of [
      ['GET / HTTP/1.1', [], true],
      ['GET / HTTP/1.1', ['Connection: Keep-Alive'], true],
      ['GET / HTTP/1.1', ['Connection: close'], false],
      ['GET / HTTP/1.1', ['Connection: TE, Close', 'TE: trailers'], false],
      ['GET / HTTP/1.0', [], false],
    ] as const) {
      using raw = await scene.open()
      raw.send(scene.request(line, fields))
      const got = await raw.answer()
      expect(headersOf(got, 'Connection')).toEqual([isKept ? 'keep-alive' : 'close'])
      if (isKept) {
        raw.send(scene.request(line, fields, 'bob'))
        expect((await raw.answer()).body).toBe('plain')
      } else expect(await raw.rest()).toBe('')
    }
  })
})
