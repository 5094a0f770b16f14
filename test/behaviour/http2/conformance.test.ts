/**
 * What RFC 9113 says of a server, section by section, on the wire: each case is a connection of its own, at the end of which nothing that broke a rule
 * has reached a workspace, and the server is there for everybody else.
 */
import { beforeAll, describe, expect, test } from 'vitest'
import {
  answerOf,
  block,
  codes,
  type Field,
  type FrameConnection,
  flags,
  frame,
  headers,
  openFrames,
  openGreeted,
  preface,
  resetOf,
  settings,
  types,
  uint32,
} from '#test/support/http2-frames.ts'
import { goodGet, goodPost, useHttp2Tenants } from '#test/support/http2-tenants.ts'
import { settled } from '#test/support/tenants.ts'

const tenants = useHttp2Tenants()

/** A request that is all right, with its cookie. */
let good: readonly Field[] = []
let post: readonly Field[] = []
beforeAll(() => {
  const { a } = tenants()
  good = goodGet(a)
  post = goodPost(a)
})

type Expected =
  | { readonly kind: 'connection'; readonly code: readonly number[] }
  /** A connection error is as good (RFC 9113 section 5.4.2 lets a server choose). */
  | { readonly kind: 'stream'; readonly code: readonly number[] }
  | { readonly kind: 'status'; readonly status: number }
  | { readonly kind: 'alive' }
  /** Alive, and the stream got no answer. */
  | { readonly kind: 'ignored' }

const connectionError = (...code: readonly number[]): Expected => ({ kind: 'connection', code })
const streamError = (...code: readonly number[]): Expected => ({ kind: 'stream', code })
const status = (number: number): Expected => ({ kind: 'status', status: number })
const alive: Expected = { kind: 'alive' }
const ignored: Expected = { kind: 'ignored' }

interface Case {
  readonly section: string
  readonly what: string
  readonly send: () => readonly Buffer[]
  readonly expected: Expected
  /** The stream that it is about. */
  readonly stream?: number
}

const rule = (section: string, what: string, send: () => readonly Buffer[], expected: Expected, stream = 1): Case => {
  return { section, what, send, expected, stream }
}

const open = (stream = 1) => headers(stream, post, flags.endHeaders)
const { data, priority, reset, push, ping, goaway, window: windowUpdate, continuation } = types
const bytes = (length: number) => Buffer.alloc(length, 'x')
const changed = (changes: Readonly<Record<string, string | undefined>>): readonly Field[] =>
  good.flatMap(([name, value]): Field[] => {
    if (!(name in changes)) return [[name, value]]
    const other = changes[name]
    return other === undefined ? [] : [[name, other]]
  })
const halves = (fields: readonly Field[]) => {
  const whole = block(fields)
  return [whole.subarray(0, 20), whole.subarray(20)] as const
}

const cases: readonly Case[] = [
  rule(
    '4.1',
    'a frame of an unknown type is ignored',
    () => [frame(0x7f, 0xff, 0, bytes(8)), headers(1, good)],
    status(200),
  ),
  rule('4.1', 'flags without a meaning are ignored', () => [frame(ping, 0x16, 0, bytes(8))], alive),
  rule('4.1', 'the reserved bit is ignored', () => [frame(ping, 0, 0x80000000, bytes(8))], alive),
  rule(
    '4.2',
    'DATA of 16,384 bytes is taken',
    () => [open(), frame(data, flags.endStream, 1, bytes(16_384))],
    status(200),
  ),
  rule(
    '4.2',
    'DATA larger than SETTINGS_MAX_FRAME_SIZE',
    () => [open(), frame(data, 0, 1, bytes(16_385))],
    streamError(codes.frameSize),
  ),
  rule(
    '4.2',
    'HEADERS larger than SETTINGS_MAX_FRAME_SIZE',
    () => [headers(1, [...good, ['x-long', 'x'.repeat(16_400)]])],
    connectionError(codes.frameSize),
  ),
  rule(
    '4.3',
    'a header block that cannot be read',
    () => [
      frame(types.headers, flags.endHeaders | flags.endStream, 1, Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff])),
    ],
    connectionError(codes.compression),
  ),
  rule(
    '4.3',
    'an index that is in no table (RFC 7541 section 2.3.3)',
    () => [frame(types.headers, flags.endHeaders | flags.endStream, 1, Buffer.from([0xc6]))],
    connectionError(codes.compression),
  ),
  rule(
    '4.3',
    'an index of 0 (RFC 7541 section 6.1)',
    () => [frame(types.headers, flags.endHeaders | flags.endStream, 1, Buffer.from([0x80]))],
    connectionError(codes.compression),
  ),
  rule(
    '4.3',
    'a table larger than was offered (RFC 7541 section 6.3)',
    () => [frame(types.headers, flags.endHeaders | flags.endStream, 1, Buffer.from([0x3f, 0xe2, 0xff, 0x7f]))],
    connectionError(codes.compression),
  ),
  rule(
    '4.3',
    'a Huffman code that holds EOS (RFC 7541 section 5.2)',
    () => [
      frame(
        types.headers,
        flags.endHeaders | flags.endStream,
        1,
        Buffer.from([0x00, 0x85, 0xf2, 0xb2, 0x4a, 0x84, 0xff, 0x84, 0x49, 0x50, 0x9f, 0xff]),
      ),
    ],
    connectionError(codes.compression),
  ),
  rule(
    '4.3',
    'another frame amid a header block',
    () => {
      const [first] = halves(good)
      return [frame(types.headers, flags.endStream, 1, first), frame(ping, 0, 0, bytes(8))]
    },
    connectionError(codes.protocol),
  ),
  rule(
    '4.3',
    'the header block of another stream amid one',
    () => {
      const [first, rest] = halves(good)
      return [frame(types.headers, flags.endStream, 1, first), frame(continuation, flags.endHeaders, 3, rest)]
    },
    connectionError(codes.protocol),
  ),
  rule(
    '5.1',
    'DATA on an idle stream',
    () => [frame(data, flags.endStream, 1, bytes(4))],
    connectionError(codes.protocol),
  ),
  rule(
    '5.1',
    'RST_STREAM on an idle stream',
    () => [frame(reset, 0, 1, uint32(codes.cancel))],
    connectionError(codes.protocol),
  ),
  rule(
    '5.1',
    'WINDOW_UPDATE on an idle stream',
    () => [frame(windowUpdate, 0, 1, uint32(100))],
    connectionError(codes.protocol),
  ),
  rule(
    '5.1',
    'CONTINUATION on an idle stream',
    () => [frame(continuation, flags.endHeaders, 1, block(good))],
    connectionError(codes.protocol),
  ),
  rule(
    '5.1',
    'DATA on a half-closed stream',
    () => [headers(1, good), frame(data, flags.endStream, 1, bytes(4))],
    streamError(codes.streamClosed),
  ),
  rule(
    '5.1',
    'HEADERS on a half-closed stream',
    () => [headers(1, good), headers(1, good)],
    streamError(codes.streamClosed),
  ),
  rule(
    '5.1',
    'CONTINUATION behind a whole header block',
    () => [headers(1, good), frame(continuation, flags.endHeaders, 1, block([['x', 'y']]))],
    connectionError(codes.protocol, codes.streamClosed),
  ),
  rule('5.1.1', 'a stream with an even number', () => [headers(2, good)], connectionError(codes.protocol), 2),
  rule(
    '5.1.1',
    // nghttp2 keeps no list of what was open, and cannot tell it from a stream that was closed a moment ago (section 5.1, "closed").
    'a stream with a number below one that was used is no request',
    () => [headers(5, good), headers(3, good)],
    ignored,
    3,
  ),
  rule(
    '5.3.1',
    'HEADERS of a stream that depends on itself (RFC 7540; priorities are deprecated)',
    () => [
      frame(
        types.headers,
        flags.endHeaders | flags.endStream | flags.priority,
        1,
        Buffer.concat([uint32(1), Buffer.from([16]), block(good)]),
      ),
    ],
    connectionError(codes.protocol),
  ),
  rule(
    '6.1',
    'DATA on stream 0',
    () => [frame(data, flags.endStream, 0, bytes(4))],
    connectionError(codes.protocol),
    0,
  ),
  rule(
    '6.1',
    'DATA with more padding than there is',
    () => [open(), frame(data, flags.padded | flags.endStream, 1, Buffer.from([6, 1, 2, 3, 4, 5]))],
    connectionError(codes.protocol),
  ),
  rule(
    '6.1',
    'padded DATA is taken',
    () => [open(), frame(data, flags.padded | flags.endStream, 1, Buffer.from([2, 0x61, 0, 0]))],
    status(200),
  ),
  rule('6.2', 'HEADERS on stream 0', () => [headers(0, good)], connectionError(codes.protocol), 0),
  rule(
    '6.2',
    'HEADERS with more padding than there is',
    () => [
      frame(
        types.headers,
        flags.padded | flags.endHeaders | flags.endStream,
        1,
        Buffer.concat([Buffer.from([255]), block(good).subarray(0, 50)]),
      ),
    ],
    connectionError(codes.protocol),
  ),
  rule(
    '6.2',
    'padded HEADERS with a priority are taken',
    () => [
      frame(
        types.headers,
        flags.padded | flags.priority | flags.endHeaders | flags.endStream,
        1,
        Buffer.concat([Buffer.from([3]), uint32(0), Buffer.from([16]), block(good), bytes(3).fill(0)]),
      ),
    ],
    status(200),
  ),
  rule(
    '6.3',
    // Priorities are deprecated (section 5.3.2), and nghttp2 reads of them the length alone.
    'PRIORITY on stream 0 changes nothing',
    () => [frame(priority, 0, 0, Buffer.concat([uint32(1), Buffer.from([1])]))],
    alive,
    0,
  ),
  rule(
    '6.3',
    'PRIORITY of another length than 5',
    () => [open(), frame(priority, 0, 1, bytes(4))],
    streamError(codes.frameSize),
  ),
  rule(
    '6.3',
    'PRIORITY on an idle stream is no request',
    () => [frame(priority, 0, 7, Buffer.concat([uint32(0), Buffer.from([1])]))],
    alive,
  ),
  rule('6.4', 'RST_STREAM on stream 0', () => [frame(reset, 0, 0, uint32(8))], connectionError(codes.protocol), 0),
  rule(
    '6.4',
    'RST_STREAM of another length than 4',
    () => [open(), frame(reset, 0, 1, bytes(3))],
    connectionError(codes.frameSize),
  ),
  rule(
    '6.5',
    'SETTINGS that acknowledge and say something',
    () => [frame(types.settings, flags.ack, 0, bytes(6))],
    connectionError(codes.frameSize),
  ),
  rule('6.5', 'SETTINGS on a stream', () => [frame(types.settings, 0, 1)], connectionError(codes.protocol)),
  rule(
    '6.5',
    'SETTINGS of a length that is no multiple of 6',
    () => [frame(types.settings, 0, 0, bytes(5))],
    connectionError(codes.frameSize),
  ),
  rule('6.5.2', 'SETTINGS_ENABLE_PUSH of 2', () => [settings([2, 2])], connectionError(codes.protocol)),
  rule(
    '6.5.2',
    'SETTINGS_INITIAL_WINDOW_SIZE above 2^31-1',
    () => [settings([4, 0x80000000])],
    connectionError(codes.flowControl),
  ),
  rule('6.5.2', 'SETTINGS_MAX_FRAME_SIZE below 2^14', () => [settings([5, 16_383])], connectionError(codes.protocol)),
  rule(
    '6.5.2',
    'SETTINGS_MAX_FRAME_SIZE above 2^24-1',
    () => [settings([5, 16_777_216])],
    connectionError(codes.protocol),
  ),
  rule('6.5.2', 'an unknown setting is ignored', () => [settings([0xff, 1]), headers(1, good)], status(200)),
  rule(
    '6.6',
    'PUSH_PROMISE of a client',
    () => [open(), frame(push, flags.endHeaders, 1, Buffer.concat([uint32(2), block(good)]))],
    connectionError(codes.protocol),
  ),
  rule('6.7', 'PING on a stream', () => [frame(ping, 0, 1, bytes(8))], connectionError(codes.protocol)),
  rule('6.7', 'PING of another length than 8', () => [frame(ping, 0, 0, bytes(6))], connectionError(codes.frameSize)),
  rule(
    '6.7',
    'the acknowledgement of a PING that nobody sent',
    () => [frame(ping, flags.ack, 0, bytes(8))],
    connectionError(codes.protocol, codes.internal),
  ),
  rule('6.8', 'GOAWAY on a stream', () => [frame(goaway, 0, 1, uint32(0, 0))], connectionError(codes.protocol)),
  rule(
    '6.9',
    'WINDOW_UPDATE by 0 on the connection',
    () => [frame(windowUpdate, 0, 0, uint32(0))],
    connectionError(codes.protocol),
  ),
  rule(
    '6.9',
    'WINDOW_UPDATE by 0 on a stream',
    () => [open(), frame(windowUpdate, 0, 1, uint32(0))],
    streamError(codes.protocol),
  ),
  rule(
    '6.9',
    'WINDOW_UPDATE of another length than 4',
    () => [frame(windowUpdate, 0, 0, bytes(3))],
    connectionError(codes.frameSize),
  ),
  rule(
    '6.9.1',
    'a window of the connection above 2^31-1',
    () => [frame(windowUpdate, 0, 0, uint32(0x7fffffff)), frame(windowUpdate, 0, 0, uint32(0x7fffffff))],
    connectionError(codes.flowControl),
  ),
  rule(
    '6.9.1',
    'a window of a stream above 2^31-1',
    () => [open(), frame(windowUpdate, 0, 1, uint32(0x7fffffff)), frame(windowUpdate, 0, 1, uint32(0x7fffffff))],
    streamError(codes.flowControl),
  ),
  rule(
    '6.10',
    'a header block in pieces is one',
    () => {
      const [first, rest] = halves(good)
      return [
        frame(types.headers, flags.endStream, 1, first),
        frame(continuation, 0, 1, rest.subarray(0, 9)),
        frame(continuation, flags.endHeaders, 1, rest.subarray(9)),
      ]
    },
    status(200),
  ),
  rule(
    '6.10',
    'CONTINUATION on stream 0',
    () => [
      frame(types.headers, flags.endStream, 1, halves(good)[0]),
      frame(continuation, flags.endHeaders, 0, halves(good)[1]),
    ],
    connectionError(codes.protocol),
  ),
  rule(
    '6.10',
    'CONTINUATION behind DATA',
    () => [open(), frame(data, 0, 1, bytes(4)), frame(continuation, flags.endHeaders, 1, block([['x', 'y']]))],
    connectionError(codes.protocol),
  ),
  rule(
    '8.1',
    'a second HEADERS frame that does not end the stream',
    () => [open(), headers(1, [['x-trailer', 'y']], flags.endHeaders)],
    streamError(codes.protocol),
  ),
  rule(
    '8.1',
    'pseudo fields in trailers',
    () => [open(), headers(1, [[':method', 'GET']])],
    streamError(codes.protocol),
  ),
  rule(
    '8.1.1',
    'a Content-Length that is more than the DATA',
    () => [headers(1, [...post, ['content-length', '5']], flags.endHeaders), frame(data, flags.endStream, 1, bytes(4))],
    streamError(codes.protocol),
  ),
  rule(
    '8.1.1',
    'a Content-Length that is less than the DATA',
    () => [headers(1, [...post, ['content-length', '3']], flags.endHeaders), frame(data, flags.endStream, 1, bytes(4))],
    streamError(codes.protocol, codes.internal),
  ),
  rule(
    '8.1.1',
    'a Content-Length where nothing follows',
    () => [headers(1, [...post, ['content-length', '3']])],
    streamError(codes.protocol),
  ),
  rule(
    '8.1.1',
    'two Content-Lengths',
    () => [headers(1, [...post, ['content-length', '0'], ['content-length', '0']])],
    streamError(codes.protocol),
  ),
  rule(
    '8.2.1',
    'a field name in upper case',
    () => [headers(1, [...good, ['X-Upper', 'a']])],
    streamError(codes.protocol),
  ),
  rule('8.2.2', 'Connection', () => [headers(1, [...good, ['connection', 'keep-alive']])], streamError(codes.protocol)),
  rule('8.2.2', 'Keep-Alive', () => [headers(1, [...good, ['keep-alive', 'timeout=5']])], streamError(codes.protocol)),
  rule(
    '8.2.2',
    'Proxy-Connection',
    () => [headers(1, [...good, ['proxy-connection', 'close']])],
    streamError(codes.protocol),
  ),
  rule(
    '8.2.2',
    'Transfer-Encoding',
    () => [headers(1, [...good, ['transfer-encoding', 'chunked']])],
    streamError(codes.protocol),
  ),
  rule('8.2.2', 'Upgrade', () => [headers(1, [...good, ['upgrade', 'websocket']])], streamError(codes.protocol)),
  rule(
    '8.2.2',
    'TE of anything but trailers',
    () => [headers(1, [...good, ['te', 'trailers, deflate']])],
    streamError(codes.protocol),
  ),
  rule('8.2.2', 'TE of trailers is taken', () => [headers(1, [...good, ['te', 'trailers']])], status(200)),
  rule('8.3', 'an unknown pseudo field', () => [headers(1, [[':test', 'a'], ...good])], streamError(codes.protocol)),
  rule(
    '8.3',
    'a pseudo field of answers',
    () => [headers(1, [[':status', '200'], ...good])],
    streamError(codes.protocol),
  ),
  rule(
    '8.3',
    'a pseudo field behind a plain one',
    () => [headers(1, [['x-first', 'a'], ...good])],
    streamError(codes.protocol),
  ),
  rule('8.3.1', 'no :method', () => [headers(1, changed({ ':method': undefined }))], streamError(codes.protocol)),
  rule('8.3.1', 'no :scheme', () => [headers(1, changed({ ':scheme': undefined }))], streamError(codes.protocol)),
  rule('8.3.1', 'no :path', () => [headers(1, changed({ ':path': undefined }))], streamError(codes.protocol)),
  rule('8.3.1', 'an empty :path', () => [headers(1, changed({ ':path': '' }))], streamError(codes.protocol)),
  rule('8.3.1', ':method twice', () => [headers(1, [[':method', 'GET'], ...good])], streamError(codes.protocol)),
  rule('8.3.1', ':scheme twice', () => [headers(1, [[':scheme', 'http'], ...good])], streamError(codes.protocol)),
  rule('8.3.1', ':path twice', () => [headers(1, [[':path', '/x'], ...good])], streamError(codes.protocol)),
  rule(
    '8.3.1',
    ':authority twice',
    () => [headers(1, [[':authority', tenants().a.authority], ...good])],
    streamError(codes.protocol),
  ),
  rule(
    '8.3.1',
    'a path that is no path',
    () => [headers(1, changed({ ':path': 'http://b/x' }))],
    streamError(codes.protocol),
  ),
  rule(
    '8.3.1',
    'a scheme that is neither',
    () => [headers(1, changed({ ':scheme': 'ftp' }))],
    streamError(codes.protocol),
  ),
  rule(
    '8.5',
    'CONNECT with a path',
    () => [headers(1, changed({ ':method': 'CONNECT' }))],
    streamError(codes.protocol),
  ),
  rule(
    'RFC 8441',
    'extended CONNECT, which was not offered',
    () => [
      headers(1, [...changed({ ':method': 'CONNECT' }).slice(0, 4), [':protocol', 'websocket'], ...good.slice(4)]),
    ],
    streamError(codes.protocol),
  ),
]

describe('RFC 9113', () => {
  test.each(cases.map((one) => [`${one.section}: ${one.what}`, one] as const))('%s', async (_title, one) => {
    const { upstreamBytes, world } = tenants()
    const before = upstreamBytes()
    using connection = await openGreeted(world.port)
    connection.send(...one.send())
    await check(connection, one)
    await settled()
    // What was all right before the fault may have got there.
    const isRequest = one.expected.kind === 'status' || mayArrive.has(one.what)
    if (!isRequest) expect(upstreamBytes() - before).toBe(0)
  })

  test('3.4: a client that does not begin with the preface speaks HTTP/1.1, or nothing', async () => {
    const { world } = tenants()
    using connection = await openFrames(world.port)
    connection.send(Buffer.from('PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n'))
    expect(await connection.ended()).toBeUndefined()
  })

  test('3.4: the preface is followed by SETTINGS', async () => {
    const { world } = tenants()
    using connection = await openFrames(world.port)
    connection.send(preface, frame(ping, 0, 0, bytes(8)))
    expect(await connection.ended()).toBe(codes.protocol)
  })

  test('3.4: the preface may come a byte at a time', async () => {
    const { world } = tenants()
    using connection = await openFrames(world.port)
    connection.socket.setNoDelay(true)
    for (const byte of preface.subarray(0, -1)) {
      connection.send(Buffer.from([byte]))
      await new Promise(setImmediate)
    }
    connection.send(preface.subarray(-1), settings(), headers(1, good))
    expect(await connection.until('an answer', (all) => answerOf(all, 1))).toBe(200)
  })

  test('6.5.3: settings are acknowledged, and a larger window given later lets an answer go on', async () => {
    const { world, a } = tenants()
    using connection = await openFrames(world.port)
    connection.send(preface, settings([1, 0], [4, 0]))
    connection.send(headers(1, good))
    expect(await connection.until('an answer', (all) => answerOf(all, 1))).toBe(200)
    expect(connection.frames.filter(({ type }) => type === data)).toEqual([])
    connection.send(settings([4, 10]))
    const first = await connection.until('its first bytes', (all) => all.find(({ type }) => type === data))
    expect(first.payload).toHaveLength(10)
    connection.send(frame(windowUpdate, 0, 1, uint32(100_000)))
    await connection.until('its end', (all) => all.find((one) => one.type === data && one.flags & flags.endStream))
    const body = Buffer.concat(connection.frames.filter(({ type }) => type === data).map(({ payload }) => payload))
    expect(JSON.parse(body.toString())).toMatchObject({ app: 'team/a', url: a.app.requests.at(-1)?.url })
  })

  test('6.8: after GOAWAY of the client what it asked for is still answered', async () => {
    using connection = await openGreeted(tenants().world.port)
    connection.send(headers(1, good), frame(goaway, 0, 0, uint32(0, 0)))
    expect(await connection.until('an answer', (all) => answerOf(all, 1))).toBe(200)
  })

  test('5.1.2: a client that goes beyond SETTINGS_MAX_CONCURRENT_STREAMS loses its connection, and nobody else', async () => {
    const { world } = tenants()
    using other = await openGreeted(world.port)
    using connection = await openGreeted(world.port)
    for (let stream = 1; stream <= 2 * 128; stream += 2) connection.send(open(stream))
    await answersPing(connection)
    connection.send(open(2 * 128 + 1))
    expect(await connection.ended()).toBe(codes.protocol)
    other.send(headers(1, good))
    expect(await other.until('an answer', (all) => answerOf(all, 1))).toBe(200)
  })
})

/** A whole request comes before the fault, or its head does. */
const mayArrive: ReadonlySet<string> = new Set(
  cases
    .filter(({ section }) =>
      ['5.1', '5.1.1', '4.2', '6.1', '6.3', '6.4', '6.6', '6.9', '6.9.1', '6.10', '8.1', '8.1.1'].includes(section),
    )
    .map(({ what }) => what),
)

async function check(connection: FrameConnection, { expected, stream = 1 }: Case): Promise<void> {
  switch (expected.kind) {
    case 'connection':
      expect(expected.code).toContain(await connection.ended())
      return
    case 'stream': {
      const code = await connection.until('a reset', (all) => resetOf(all, stream) ?? goawayOf(all))
      expect(expected.code).toContain(code)
      if (resetOf(connection.frames, stream) !== undefined) await answersPing(connection)
      return
    }
    case 'status':
      expect(await connection.until('an answer', (all) => answerOf(all, stream))).toBe(expected.status)
      return
    case 'alive':
    case 'ignored':
      await answersPing(connection)
      if (expected.kind === 'ignored') expect(answerOf(connection.frames, stream)).toBeUndefined()
  }
}

function goawayOf(all: FrameConnection['frames']): number | undefined {
  return all.find(({ type }) => type === goaway)?.payload.readUInt32BE(4)
}

/** RFC 9113 section 6.7: with the same eight bytes. */
async function answersPing(connection: FrameConnection): Promise<void> {
  const payload = Buffer.from('gatehous')
  connection.send(frame(ping, 0, 0, payload))
  await connection.until('an answer to the ping', (all) =>
    all.find((one) => one.type === ping && one.flags === flags.ack && one.payload.equals(payload)),
  )
}
