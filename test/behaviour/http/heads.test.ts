/** Heads of requests and answers: what is legal passes as it was written, what belongs to one hop ends there, what is too long is told so. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { headersOf } from '#test/support/echo-app.ts'
import { type RawApp, rawServer } from '#test/support/raw-app.ts'
import { type HttpScene, httpScene } from './scene.ts'

let opened: AsyncDisposableStack
let app: RawApp
let scene: HttpScene
const plain = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
let says = plain
const heads: string[] = []

beforeAll(async () => {
  opened = new AsyncDisposableStack()
  app = opened.use(
    await rawServer('unix', (head) => {
      heads.push(head)
      return says
    }),
  )
  scene = opened.use(await httpScene(app.endpoint))
})
afterAll(() => opened.disposeAsync())

/** What the app saw of it, its lines; `undefined` where it saw nothing. */
async function seen(
  line: string,
  fields: readonly string[] = [],
): Promise<{ status: number; lines: readonly string[] | undefined }> {
  const before = heads.length
  using raw = await scene.open()
  raw.send(scene.request(line, fields))
  const { status } = await raw.answer({ isHead: line.startsWith('HEAD') })
  return { status, lines: heads[before]?.split('\r\n') }
}

describe('a target', () => {
  test('arrives byte for byte', async () => {
    const targets = [
      ...[
        '/',
        '/?',
        '/?a=b?c/d',
        '/a//b///c',
        '/%2f%2F%00%0d%0a',
        "/a;b=1,c:d@e!f$g&h'i(j)*k+l~m",
        '/api/room/json%3Anotebook%3Ax%2Fy',
      ],
      ...[
        '/caf%C3%A9',
        '/%E0%A4',
        '/a?q=%zz&r=\\&s=`{}|"<>^',
        '/a?b=/../c',
        '/...',
        '/.well-known/x',
        '/a%2e%2e/b',
        '/a:b',
        '/*',
        '/[x]',
      ],
    ]
    for (const target of targets) {
      const { status, lines } = await seen(`GET ${target}`)
      expect([target, status, lines?.[0]]).toEqual([target, 200, `GET ${target} HTTP/1.1`])
    }
  })

  test('in absolute form is that of the same host in origin form, whatever the case of its scheme and host', async () => {
    for (const [target, path] of [
      [`${scene.origin}/a/b?c=%2F`, '/a/b?c=%2F'],
      [`HTTP://${scene.host.toUpperCase()}/a`, '/a'],
      [scene.origin, '/'],
      [`${scene.origin}?q`, '/?q'],
    ] as const) {
      const { status, lines } = await seen(`GET ${target}`)
      expect([status, lines?.[0]]).toEqual([200, `GET ${path} HTTP/1.1`])
      expect(lines?.filter((line) => /^host:/i.test(line))).toEqual([`Host: ${scene.host}`])
    }
  })

  test('may have the length of the setting, and gets 414 beyond it, however far', async () => {
    const of = (length: number) => `/${'x'.repeat(length - 1)}`
    expect((await seen(`GET ${of(8192)}`)).status).toBe(200)
    for (const length of [8193, 15_000, 17_000, 60_000, 1_000_000]) {
      const { status, lines } = await seen(`GET ${of(length)}`)
      expect([length, status, lines]).toEqual([length, 414, undefined])
    }
  })
})

describe('the head of a request', () => {
  test('may have fields of any name, more than once, empty, long, with tabs and with bytes beyond ASCII, in their order', async () => {
    const fields = [
      ...[
        'x-a: 1',
        'X-A: 2',
        'X-Empty:',
        'X-Tab: a\tb',
        'X-Bytes: h\xe9\xff\x80',
        "!#$%&'*+-.^_`|~: odd",
        'x_under: 1',
      ],
      ...[
        `X-Long: ${'y'.repeat(9_000)}`,
        'Accept: a',
        'Accept: b',
        'If-None-Match: "x", W/"y"',
        'Pragma: no-cache',
        'Content-MD5: x',
      ],
    ]
    const { status, lines = [] } = await seen('GET /', fields)
    expect(status).toBe(200)
    const passed = lines.filter((line) => fields.some((field) => field.split(':')[0] === line.split(':')[0]))
    expect(passed).toEqual(fields.map((field) => field.replace(/:$/, ': ')))
  })

  test('loses what belongs to the hop, and what its Connection names', async () => {
    const { status, lines = [] } = await seen('GET /', [
      ...[
        'Connection: keep-alive, X-Hop, x-other',
        'Connection: TE',
        'TE: trailers, gzip;q=0.5',
        'X-Hop: 1',
        'X-Other: 2',
        'X-Stays: 3',
      ],
      ...[
        'Keep-Alive: timeout=5',
        'Proxy-Connection: keep-alive',
        'Upgrade: h2c',
        'HTTP2-Settings: x',
        'Proxy-Authorization: Basic x',
      ],
    ])
    expect(status).toBe(200)
    const text = lines.join('\n')
    expect(text).not.toMatch(/x-hop|x-other|keep-alive|proxy-|upgrade|http2-settings|gzip/i)
    expect(lines).toContain('X-Stays: 3')
    expect(lines.filter((line) => /^(?:te|connection):/i.test(line))).toEqual(['TE: trailers', 'Connection: TE'])
  })

  test('says TE: trailers to the app where the client did, and nothing of it where the client did not', async () => {
    expect((await seen('GET /')).lines?.join('\n')).not.toMatch(/^(?:te|connection):/im)
    expect((await seen('GET /', ['TE: gzip'])).lines?.join('\n')).not.toMatch(/^(?:te|connection):/im)
    expect((await seen('GET /', ['TE: trailers', 'Connection: TE'])).lines).toContain('TE: trailers')
  })

  test.each([
    ['one long field', () => [`X-Long: ${'x'.repeat(16_384)}`]],
    ['many short fields', () => Array.from({ length: 150 }, (_, index) => `X-${index}: ${'x'.repeat(150)}`)],
    ['more fields than the setting', () => Array.from({ length: 201 }, (_, index) => `X-${index}: 1`)],
  ])('of %s is refused with 431, and the connection ends', async (_what, fields) => {
    const before = heads.length
    using raw = await scene.open()
    raw.send(scene.request('GET /', fields()))
    const got = await raw.answer()
    expect([got.status, headersOf(got, 'Connection')]).toEqual([431, ['close']])
    raw.socket.end()
    expect(await raw.rest()).toBe('')
    expect(heads.length).toBe(before)
  })

  test('just within the limits passes', async () => {
    const { status, lines = [] } = await seen(
      'GET /',
      Array.from({ length: 190 }, (_, index) => `X-${index}: ${'x'.repeat(60)}`),
    )
    expect(status).toBe(200)
    expect(lines.filter((line) => /^X-\d+:/.test(line)).length).toBe(190)
  })

  test.each([
    ['a folded line', 'X-A: 1\r\n 2'],
    ['a blank before the colon', 'X-A : 1'],
    ['no colon', 'X-A'],
    ['two lengths that are equal', 'Content-Length: 0\r\nContent-Length: 0'],
    ['a list of lengths', 'Content-Length: 0, 0'],
    ['a length and chunks', 'Content-Length: 0\r\nTransfer-Encoding: chunked'],
    ['another transfer coding', 'Transfer-Encoding: gzip, chunked'],
    ['a second host', 'Host: other'],
    ['bare line feeds', 'X-A: 1\nX-B: 2'],
    ['a NUL', 'X-A: \0'],
  ])('in an obsolete or doubtful form is refused with 400: %s', async (_what, lines) => {
    const before = heads.length
    using raw = await scene.open()
    raw.send(scene.request('GET /').replace(/\r\n\r\n$/, `\r\n${lines}\r\n\r\n`))
    expect((await raw.answer()).status).toBe(400)
    raw.socket.end()
    expect(await raw.rest()).toBe('')
    expect(heads.length).toBe(before)
  })

  test('may follow an empty line, as old clients send one behind a body', async () => {
    using raw = await scene.open()
    raw.send(`${scene.request('POST /', ['Content-Length: 2'])}ok`)
    expect((await raw.answer()).status).toBe(200)
    raw.send(`\r\n${scene.request('GET /')}`)
    expect((await raw.answer()).status).toBe(200)
  })
})

describe('the head of an answer', () => {
  test('keeps its fields, their order and their spelling; what is of the hop, or named by Connection, stays behind', async () => {
    const fields = [
      ...[
        'etag: "x"',
        'X-A: 1',
        'x-a: 2',
        'Set-Cookie: a=1; Path=/',
        'Set-Cookie: b=2',
        'X-Bytes: \xe9\xff',
        'X-Empty: ',
        'X-Tab: a\tb',
      ],
      ...[
        'WWW-Authenticate: Basic realm="x"',
        'WWW-Authenticate: Bearer',
        'Link: </a>',
        'Age: 5',
        'Warning: 110 - "x"',
        'Date: then',
        'Via: 1.1 x',
      ],
    ]
    const hop = [
      'Connection: X-Hop',
      'X-Hop: 1',
      'Keep-Alive: timeout=9',
      'Proxy-Authenticate: Basic',
      'Upgrade: h2c',
      'TE: x',
      'Trailer: X-A',
    ]
    says = `HTTP/1.1 200 Fine\r\n${[...fields, ...hop].join('\r\n')}\r\nContent-Length: 2\r\n\r\nok`
    using raw = await scene.open()
    raw.send(scene.request('GET /'))
    const { rawHeaders } = await raw.answer()
    says = plain
    const lines: string[] = []
    for (let index = 0; index < rawHeaders.length; index += 2)
      lines.push(`${rawHeaders[index]}: ${rawHeaders[index + 1]}`)
    expect(lines).toEqual([...fields, 'Content-Length: 2', 'Connection: keep-alive', 'Keep-Alive: timeout=75'])
  })

  test('may have 60 KB; beyond 64 KB it is a 502', async () => {
    for (const [length, status] of [
      [60_000, 200],
      [70_000, 502],
    ] as const) {
      says = `HTTP/1.1 200 OK\r\nX-Long: ${'x'.repeat(length)}\r\nContent-Length: 2\r\n\r\nok`
      using raw = await scene.open()
      raw.send(scene.request('GET /'))
      expect((await raw.answer()).status).toBe(status)
    }
    says = plain
    expect((await seen('GET /')).status).toBe(200)
  })
})
