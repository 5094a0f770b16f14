/**
 * Two readers of the same bytes: ours and Node's (llhttp). What llhttp refuses we refuse, and what both take they take alike, up to where
 * the message ends, however the bytes were cut. We may refuse what it takes.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { valuesOf } from '#http/accept-key.ts'
import { hasMember } from '#http/end-to-end.ts'
import { ResponseHeadParser } from '#proxy/response-head.ts'
import { ResponseReader } from '#proxy/response-reader.ts'
import { type Reading, readWithNode } from './node-client-reading.ts'

type Method = 'GET' | 'HEAD'

const none: readonly string[] = []

/** As a connection does it: what comes behind a whole response is an error of the connection, no longer of the response. */
function readWithOurs(method: Method, chunks: readonly Buffer[]): Reading {
  const interim: number[] = []
  let head = { status: 0, headers: none, isPersistent: false }
  let body = ''
  let reading: Reading | undefined
  const reader = new ResponseReader(new ResponseHeadParser(), {
    onInterim: ({ status }) => interim.push(status),
    onHead: ({ status, headers, isPersistent }) => {
      head = { status, headers, isPersistent }
    },
    onSwitch: ({ status, headers }, rest) => {
      const isSwitch = valuesOf(headers, 'upgrade').length > 0 && valuesOf(headers, 'connection').some(saysUpgrade)
      // `hasAccepted` refuses it.
      if (!isSwitch) throw new Error('101 without an upgrade')
      reading = { kind: 'switched', status, headers, rest: rest.toString('latin1') }
    },
    onBody: (piece) => {
      body += piece.toString('latin1')
    },
    onEnd: (trailers) => {
      reading = { kind: 'read', interim, ...head, body, trailers }
    },
  })
  reader.begin(method === 'HEAD')
  try {
    for (const chunk of chunks) {
      if (reading?.kind === 'switched') reading = { ...reading, rest: reading.rest + chunk.toString('latin1') }
      else reader.push(chunk)
    }
    reader.finish()
  } catch (error) {
    reading ??= { kind: 'refused', why: String(error) }
  }
  return reading ?? { kind: 'refused', why: 'never ended' }
}

function saysUpgrade(value: string): boolean {
  return hasMember(value, 'upgrade')
}

const lineEnd = fc.oneof(
  { weight: 60, arbitrary: fc.constant('\r\n') },
  { weight: 1, arbitrary: fc.constantFrom('\n', '\r', '\r\r\n', '\r\n ', '\r\n\t', '\0\r\n', '\n\r\n', ' \r\n') },
)
const statusLine = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom('HTTP/1.1 200 OK', 'HTTP/1.1 200 OK', 'HTTP/1.0 200 OK', 'HTTP/1.1 200 ') },
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      'HTTP/1.1 204 No',
      'HTTP/1.1 304 Not',
      'HTTP/1.1 404 \xe9',
      'HTTP/1.1 200',
      'HTTP/1.1 999 x',
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      ...[
        'HTTP/1.1 101 Switching',
        'HTTP/1.2 200 OK',
        'HTTP/2.0 200 OK',
        'HTTP/0.9 200 OK',
        'HTTP/1.1  200 OK',
        'http/1.1 200 OK',
      ],
      ...[
        'HTTP/1.1 2000 OK',
        'HTTP/1.1 20 OK',
        'HTTP/1.1 000 OK',
        'HTTP/1.1 099 OK',
        'HTTP/1.1 200OK',
        'HTTP/1.1\t200 OK',
      ],
      ...[
        'ICY 200 OK',
        'RTSP/1.0 200 OK',
        'HTTP/1.1 200 a\tb',
        'HTTP/1.1 200 a\x01b',
        'HTTP/1.1 200 \x7f',
        ' HTTP/1.1 200 OK',
      ],
      ...[
        'HTTP/1.1 205 Reset',
        'HTTP/1.1 200\tOK',
        'HTTP/1.1 100 Continue',
        'HTTP/1.1 199 x',
        'HTTP/11 200 OK',
        'HTTP/1.10 200 OK',
      ],
    ),
  },
)
const interimHead = fc.constantFrom(
  'HTTP/1.1 100 Continue\r\n\r\n',
  'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n',
  'HTTP/1.1 102 Processing\r\nContent-Length: 3\r\n\r\n',
  'HTTP/1.1 199 x\r\nTransfer-Encoding: chunked\r\n\r\n',
  'HTTP/1.0 100 Continue\r\nConnection: close\r\n\r\n',
)
const plainField = fc.constantFrom(
  ...[
    'X-A: b',
    'x-a:b',
    'X-A:',
    'X-A: \t b \t',
    'Set-Cookie: a=b; Path=/',
    'Connection: close',
    'Connection: keep-alive',
  ],
  ...[
    'Keep-Alive: timeout=5',
    'Content-Type: text/html',
    'X-\xe9: b',
    'X: \xe9\xff\x80',
    'Upgrade: websocket',
    "!#$%&'*+-.^_`|~: x",
  ],
  ...[
    'Connection: Upgrade',
    'Trailer: X-T',
    'Proxy-Connection: close',
    '__proto__: x',
    'Date: now',
    'Connection: upgrade, close',
  ],
)
const framingField = fc.constantFrom(
  ...[
    'Content-Length: 5',
    'content-length:5',
    'Transfer-Encoding: chunked',
    'transfer-encoding: Chunked',
    'Content-Length: 0',
  ],
  ...[
    'Content-Length: 11',
    'Transfer-Encoding: chunked',
    'Transfer-Encoding: chunked',
    'Content-Length: 5',
    'Content-Length: 5',
  ],
)
const oddField = fc.constantFrom(
  ...[
    'Content-Length: +5',
    'Content-Length: 5, 5',
    'Content-Length: 05',
    'Content-Length: 5 5',
    'Content-Length:',
    'Content-Length: 0x5',
  ],
  ...[
    'Content-Length: -5',
    'Content-Length: 18446744073709551616',
    'Content-Length: 99999999999999999999',
    'Content-Length: 5a',
  ],
  ...[
    'Content-Length : 5',
    ' Content-Length: 5',
    'Transfer-Encoding: gzip, chunked',
    'Transfer-Encoding: chunked, gzip',
  ],
  ...[
    'Transfer-Encoding: identity',
    'Transfer-Encoding: xchunked',
    'Transfer-Encoding:',
    'Transfer-Encoding: chunked,',
    'X A: b',
  ],
  ...[
    'Transfer-Encoding: chunked, chunked',
    'X-A : b',
    ': b',
    'abc',
    'X-A\x00: b',
    'X-A: b\x00',
    'X-A: b\x01',
    'X-A: b\x7f',
    'X-A: b\rc',
  ],
  ...[
    'X-A: b\nc',
    'X(A): b',
    'X-A\t: b',
    'Transfer-Encoding\x0b: chunked',
    'Content-Length: 5\x0b',
    'Transfer-Encoding: "chunked"',
  ],
)
const chunkSize = fc.oneof(
  { weight: 12, arbitrary: fc.constant('5') },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      ...[
        '05',
        '5;a',
        '5;a=b',
        '5;a="b c"',
        '5 ;a',
        '5;',
        '5;;a',
        '5;a=',
        '5;=b',
        '5;a b',
        '5;a="b',
        '5;a="\\""',
        '5;\x80',
        '5;a=\x80',
      ],
      ...[
        '5 ',
        '5\t',
        ' 5',
        '0x5',
        '+5',
        '-5',
        '',
        'g',
        '5g',
        '00000000000000000005',
        'ffffffffffffffff5',
        '5;a\x00',
        '5;a\x7f',
        '5;a\rb',
      ],
      ...[
        '5;a="\x80"',
        '5;a="\x01"',
        '5; a',
        '5;a =b',
        '5;a= b',
        '5;a="b"c',
        '5;a="b";c',
        '5;"a"',
        '5;a=b=c',
        '5;a,b',
        '5;a="b\tc"',
        '5;\t',
      ],
    ),
  },
)
const chunked = fc
  .tuple(
    fc.array(fc.tuple(chunkSize, lineEnd, fc.constantFrom('hello', '\r\n0\r\n', '12345'), lineEnd), { maxLength: 3 }),
    fc.tuple(fc.constantFrom('0', '0', '0', '00', '0;x', '000000000000000000', '', '0 '), lineEnd),
    fc.array(fc.tuple(fc.oneof(plainField, plainField, framingField, oddField), lineEnd), { maxLength: 2 }),
    lineEnd,
  )
  .map((parts) => parts.flat(3).join(''))
const body = fc.oneof(chunked, chunked, fc.constantFrom('', 'hello', 'hello world', 'hell', 'hello!'))
const behind = fc.oneof(
  { weight: 6, arbitrary: fc.constant('') },
  { weight: 1, arbitrary: fc.constantFrom('x', '\r\n', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', '0\r\n\r\n') },
)
const text = fc
  .tuple(
    fc.array(interimHead, { maxLength: 2 }),
    ...[statusLine, lineEnd],
    fc.array(
      fc.tuple(
        fc.oneof(
          { weight: 4, arbitrary: plainField },
          { weight: 4, arbitrary: framingField },
          { weight: 1, arbitrary: oddField },
        ),
        lineEnd,
      ),
      { maxLength: 4 },
    ),
    ...[lineEnd, body, behind],
  )
  .map((parts) => parts.flat(3).join(''))

/** Some bytes of it taken out, put in, or changed. */
const edit = fc.record({
  at: fc.nat(400),
  removed: fc.nat(2),
  inserted: fc.string({ unit: fc.nat(255).map((code) => String.fromCharCode(code)), maxLength: 2 }),
})
const edited = fc
  .tuple(
    text,
    fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, { weight: 2, arbitrary: fc.array(edit, { maxLength: 2 }) }),
  )
  .map(([whole, edits]) =>
    edits.reduce((before, { at, removed, inserted }) => {
      const place = at % (before.length + 1)
      return before.slice(0, place) + inserted + before.slice(place + removed)
    }, whole),
  )

function cut(whole: string, cuts: readonly number[]): readonly Buffer[] {
  const at = [...new Set(cuts.map((one) => one % (whole.length + 1)))].sort((one, other) => one - other)
  return [...at, whole.length]
    .map((end, index) => Buffer.from(whole.slice(at[index - 1] ?? 0, end), 'latin1'))
    .filter(({ length }) => length > 0)
}

/** The same ground every time: what a change brings to light is of that change. `GATEHOUSE_FUZZ_RUNS=100000` breaks new ground. */
const { GATEHOUSE_FUZZ_RUNS } = process.env
const runs = Number(GATEHOUSE_FUZZ_RUNS ?? 4_000)
const ground = GATEHOUSE_FUZZ_RUNS === undefined ? { seed: 1 } : {}

describe('beside llhttp', () => {
  test('what it refuses is refused, and what both take is read alike', { timeout: 120_000 + runs * 5 }, async () => {
    const pieces = fc.array(fc.nat(400), { maxLength: 6 })
    await fc.assert(
      fc.asyncProperty(fc.constantFrom('GET', 'GET', 'GET', 'HEAD'), edited, pieces, async (method, whole, cuts) => {
        const chunks = cut(whole, cuts)
        const ours = readWithOurs(method, chunks)
        if (ours.kind === 'refused') return
        const theirs = await readWithNode(method, chunks)
        // A connection that llhttp would keep may be given up; and it judges an answer to HEAD as if a body without a length followed.
        const isFree = ours.kind === 'read' && theirs.kind === 'read' && (!ours.isPersistent || method === 'HEAD')
        expect(isFree ? { ...ours, isPersistent: theirs.isPersistent } : ours).toEqual(theirs)
      }),
      { numRuns: runs, ...ground },
    )
  })
})
