import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ResponseHeadParser } from '#proxy/response-head.ts'
import { ResponseReader } from '#proxy/response-reader.ts'

interface Seen {
  readonly interim: number[]
  status: number
  headers: readonly string[]
  body: string
  trailers: readonly string[] | undefined
  isPersistent: boolean
  keepsFor: number | undefined
  switched: string | undefined
}

function read(chunks: readonly Buffer[], { toHead = false, ends = false } = {}): Seen {
  const seen: Seen = {
    interim: [],
    status: 0,
    headers: [],
    body: '',
    trailers: undefined,
    isPersistent: false,
    keepsFor: undefined,
    switched: undefined,
  }
  const reader = new ResponseReader(new ResponseHeadParser(), {
    onInterim: ({ status }) => seen.interim.push(status),
    onHead: ({ status, headers, isPersistent, keepsFor }) =>
      Object.assign(seen, { status, headers, isPersistent, keepsFor }),
    onSwitch: ({ status }, rest) => Object.assign(seen, { status, switched: rest.toString('latin1') }),
    onBody: (piece) => {
      expect(piece.length).toBeGreaterThan(0)
      seen.body += piece.toString('latin1')
    },
    onEnd: (trailers) => {
      expect(seen.trailers).toBeUndefined()
      seen.trailers = trailers
    },
  })
  reader.begin(toHead)
  for (const chunk of chunks) reader.push(chunk)
  if (ends) reader.finish()
  return seen
}

const bytes = (text: string) => [Buffer.from(text, 'latin1')]
const one = (text: string, options = {}) => read(bytes(text), options)

describe('a response is read', () => {
  test.each([
    ['HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello', 'hello', true],
    ['HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello', 'hello', true],
    ['HTTP/1.0 200 OK\r\ncontent-length:5\r\n\r\nhello', 'hello', false],
    ['HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: \t5 \r\n\r\nhello', 'hello', false],
    ['HTTP/1.1 200 OK\r\nProxy-Connection: close\r\nContent-Length: 5\r\n\r\nhello', 'hello', false],
    [
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n3;a="b\\"\xe9";c=d;e\r\nhel\r\n02\r\nlo\r\n000\r\n\r\n',
      'hello',
      true,
    ],
    ['HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', '', true],
    ['HTTP/1.1 204 No\r\n\r\n', '', true],
    ['HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n', '', true],
  ])('%j', (text, body, isPersistent) => {
    const seen = one(text)
    expect(seen).toMatchObject({ body, isPersistent, trailers: [] })
  })

  test('without a body where HEAD was asked, with one to the end of the connection where nothing else is said', () => {
    expect(one('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n', { toHead: true })).toMatchObject({
      body: '',
      trailers: [],
    })
    const open = 'HTTP/1.1 200 OK\r\n\r\nhello'
    expect(one(open)).toMatchObject({ body: 'hello', trailers: undefined, isPersistent: false })
    expect(one(open, { ends: true }).trailers).toEqual([])
  })

  test('behind interim ones, with trailers, blanks trimmed but no other byte', () => {
    const interim = 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n'
    const head =
      'HTTP/1.1 200 OK\r\nx-A:\t\xa0v \xe9\xa0 \r\nX-a:\r\nKeep-Alive: max=5, timeout=7\r\nTransfer-Encoding: chunked\r\n\r\n'
    const seen = one(`${interim}${head}1\r\nx\r\n0\r\nX-Sum: 1\r\n\r\n`)
    expect(seen).toMatchObject({
      interim: [100, 103],
      status: 200,
      body: 'x',
      trailers: ['X-Sum', '1'],
      keepsFor: 7_000,
    })
    expect(seen.headers.slice(0, 4)).toEqual(['x-A', '\xa0v \xe9\xa0', 'X-a', ''])
  })

  test('up to where the protocol changes', () => {
    expect(one('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x00')).toMatchObject({
      status: 101,
      switched: '\x81\x00',
    })
  })

  test('the same however its bytes are cut', () => {
    const texts = [
      'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 12\r\nA: b\r\n\r\nhello\r\n\r\nyou',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel\r\n\r\nA\r\n0123456789\r\n0\r\nX-Sum: 1\r\nY: 2\r\n\r\n',
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n',
    ]
    fc.assert(
      fc.property(fc.constantFrom(...texts), fc.array(fc.nat(200), { maxLength: 20 }), (text, cuts) => {
        const at = [...new Set(cuts.map((cut) => cut % text.length))].sort((a, b) => a - b)
        const chunks = [...at, text.length].map((end, index) =>
          Buffer.from(text.slice(at[index - 1] ?? 0, end), 'latin1'),
        )
        expect(read(chunks.filter((chunk) => chunk.length > 0))).toEqual(one(text))
      }),
    )
  })
})

describe('refused as upstream_protocol', () => {
  const ok = 'HTTP/1.1 200 OK\r\n'
  test.each([
    ['no HTTP', 'SSH-2.0-OpenSSH_9.6\r\n\r\n'],
    ['HTTP/2', 'HTTP/2.0 200 OK\r\n\r\n'],
    ['a status of two digits', 'HTTP/1.1 20 OK\r\n\r\n'],
    ['a status below 100', 'HTTP/1.1 042 OK\r\n\r\n'],
    ['a line before the status line', '\r\nHTTP/1.1 200 OK\r\n\r\n'],
    ['length and chunks', `${ok}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n`],
    ['two lengths', `${ok}Content-Length: 5\r\nContent-Length: 5\r\n\r\n`],
    ['a list of lengths', `${ok}Content-Length: 5, 5\r\n\r\n`],
    ['a signed length', `${ok}Content-Length: +5\r\n\r\n`],
    ['a hexadecimal length', `${ok}Content-Length: 0x5\r\n\r\n`],
    ['an empty length', `${ok}Content-Length:\r\n\r\n`],
    ['a length past counting', `${ok}Content-Length: 9007199254740993\r\n\r\n`],
    ['another coding', `${ok}Transfer-Encoding: gzip, chunked\r\n\r\n`],
    ['chunks twice', `${ok}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n`],
    ['chunks in HTTP/1.0', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'],
    ['a folded line', `${ok}A: b\r\n c\r\n\r\n`],
    ['a space before the colon', `${ok}Content-Length : 5\r\n\r\n`],
    ['a name that is no token', `${ok}A B: c\r\n\r\n`],
    ['no name', `${ok}: c\r\n\r\n`],
    ['no colon', `${ok}Abc\r\n\r\n`],
    ['a bare line feed', `${ok}A: b\nContent-Length: 5\r\n\r\n`],
    ['a bare carriage return', `${ok}A: b\rContent-Length: 5\r\n\r\n`],
    ['a NUL', `${ok}A: b\u0000\r\n\r\n`],
    ['a head past its limit', `${ok}A: ${'b'.repeat(70_000)}`],
    ['a chunk size that is none', `${ok}Transfer-Encoding: chunked\r\n\r\n0x5\r\n`],
    ['a negative chunk size', `${ok}Transfer-Encoding: chunked\r\n\r\n-5\r\n`],
    ['a chunk size with a blank', `${ok}Transfer-Encoding: chunked\r\n\r\n5 \r\n`],
    ['a chunk size past counting', `${ok}Transfer-Encoding: chunked\r\n\r\n${'f'.repeat(14)}\r\n`],
    ['a chunk line that ends in a bare line feed', `${ok}Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n`],
    ['a chunk longer than its size', `${ok}Transfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n0\r\n\r\n`],
    ['an endless chunk line', `${ok}Transfer-Encoding: chunked\r\n\r\n5;${'a'.repeat(300)}`],
    ['a trailer without a colon', `${ok}Transfer-Encoding: chunked\r\n\r\n0\r\nabc\r\n\r\n`],
    ['an endless trailer section', `${ok}Transfer-Encoding: chunked\r\n\r\n0\r\n${'A: b\r\n'.repeat(5_000)}`],
    ['a second response', `${ok}Content-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n`],
    ['bytes behind a response', `${ok}Content-Length: 5\r\n\r\nhello!`],
    ['a body where there can be none', 'HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\nhello'],
    [
      'an interim one that closes',
      `HTTP/1.1 103 Early Hints\r\nConnection: close\r\n\r\n${ok}Content-Length: 0\r\n\r\n`,
    ],
    ['an interim one of HTTP/1.0', `HTTP/1.0 100 Continue\r\n\r\n${ok}Content-Length: 0\r\n\r\n`],
    ['a chunk extension without a name', `${ok}Transfer-Encoding: chunked\r\n\r\n5;\r\nhello\r\n0\r\n\r\n`],
    ['a chunk extension that is no token', `${ok}Transfer-Encoding: chunked\r\n\r\n5;a\x80\r\nhello\r\n0\r\n\r\n`],
    ['a chunk extension with an open quote', `${ok}Transfer-Encoding: chunked\r\n\r\n5;a="b\r\nhello\r\n0\r\n\r\n`],
    ['a length in the trailers', `${ok}Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 5\r\n\r\n`],
    ['a coding in the trailers', `${ok}Transfer-Encoding: chunked\r\n\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n`],
    ['a flood of interim ones', 'HTTP/1.1 102 Processing\r\n\r\n'.repeat(33)],
  ])('%s', (_name, text) => {
    const refused = expect.objectContaining({ code: 'upstream_protocol' })
    expect(() => one(text)).toThrow(refused)
    const letters = text.length < 2_000 ? [...text].map((letter) => Buffer.from(letter, 'latin1')) : bytes(text)
    expect(() => read(letters)).toThrow(refused)
  })

  test.each([`${ok}Content-Length: 5\r\n\r\nhell`, `${ok}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`, ok, ''])(
    'an end behind %j',
    (text) => {
      expect(() => read(text === '' ? [] : bytes(text), { ends: true })).toThrow(
        expect.objectContaining({ code: 'upstream_protocol' }),
      )
    },
  )
})
