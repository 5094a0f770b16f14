/** Our end of a WebSocket with the other one by `ws`, which knows nothing of ours; and with whoever breaks its rules. */
import { createServer as createHttpServer, type IncomingMessage } from 'node:http'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { systemClock } from '#lib/clock.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { openTunnel } from '#tunnel/client.ts'
import { acceptTunnel } from '#tunnel/endpoint.ts'
import { FrameFault, FrameReader } from '#tunnel/frame-reader.ts'
import { applyMask } from '#tunnel/mask.ts'
import { longestMessage, tunnelProtocol } from '#tunnel/protocol.ts'
import { TunnelSocket, type TunnelSocketUser } from '#tunnel/tunnel-socket.ts'

/** What came, in order: bytes that came in pieces as one. */
class Heard implements TunnelSocketUser {
  readonly events: string[] = []
  #bytes: Buffer[] = []
  readonly closed = Promise.withResolvers<{ readonly code: number; readonly reason: string }>()

  get bytes(): Buffer {
    return Buffer.concat(this.#bytes)
  }

  onBytes(piece: Buffer): void {
    this.#bytes.push(Buffer.from(piece))
  }
  onEmpty(): void {
    this.events.push('empty')
  }
  onReadEnd(): void {}
  onText(text: string): void {
    this.events.push(`text ${text}`)
  }
  onPing(payload: Buffer): void {
    this.events.push(`ping ${payload}`)
  }
  onPong(): void {
    this.events.push('pong')
  }
  onClosed(code: number, reason: string): void {
    this.closed.resolve({ code, reason })
  }
}

/** A frame as a client sends it. */
function masked(first: number, payload: Buffer, key: Buffer): Buffer {
  const { length } = payload
  const head = length > 65_535 ? Buffer.alloc(10) : length > 125 ? Buffer.alloc(4) : Buffer.alloc(2)
  head[0] = first
  head[1] = 0x80 | (length > 65_535 ? 127 : length > 125 ? 126 : length)
  if (head.length === 4) head.writeUInt16BE(length, 2)
  if (head.length === 10) head.writeBigUInt64BE(BigInt(length), 2)
  return Buffer.concat([head, key, payload.map((byte, at) => byte ^ (key[at & 3] ?? 0))])
}

function read(frames: Buffer): { readonly heard: Heard; readonly code: number | undefined } {
  const heard = new Heard()
  try {
    const close = new FrameReader('client').read(frames, heard)
    return { heard, code: close?.code }
  } catch (error) {
    if (!(error instanceof FrameFault)) throw error
    return { heard, code: error.code }
  }
}

const key = Buffer.from([0x12, 0x34, 0xff, 0x00])

test('bytes are masked as one at a time is, wherever they lie and whatever was before them, and back again', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 300 }),
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      fc.nat(9),
      fc.nat(9),
      (bytes, own, offset, gap) => {
        const room = Buffer.alloc(gap + bytes.length)
        room.set(bytes, gap)
        const there = room.subarray(gap)
        applyMask(there, own, offset)
        expect([...there]).toEqual([...bytes].map((byte, at) => byte ^ (own[(offset + at) & 3] ?? 0)))
        applyMask(there, own, offset)
        expect([...there]).toEqual([...bytes])
      },
    ),
  )
})

test('frames are read as they are, however they are cut', () => {
  const lengths = fc.oneof(fc.nat(300), fc.constantFrom(125, 126, 65_535, 65_536))
  const cuts = fc.array(fc.integer({ min: 1, max: 20_000 }), { minLength: 1, maxLength: 20 })
  fc.assert(
    fc.property(fc.array(lengths, { maxLength: 6 }), cuts, (sizes, pieces) => {
      const payloads = sizes.map((size, at) => Buffer.alloc(size, `${at}abc`))
      const frames = Buffer.concat([
        ...payloads.flatMap((payload) => [masked(0x82, payload, key), masked(0x89, Buffer.from('?'), key)]),
        masked(0x88, Buffer.from([0x03, 0xe8]), key),
      ])
      const [heard, reader] = [new Heard(), new FrameReader('client')]
      let close: unknown
      for (let at = 0, turn = 0; at < frames.length; turn += 1) {
        const size = pieces[turn % pieces.length] ?? 1
        close = reader.read(frames.subarray(at, at + size), heard) ?? close
        at += size
      }
      expect(heard.bytes.equals(Buffer.concat(payloads))).toBe(true)
      expect(heard.events).toEqual(sizes.flatMap((size) => [...(size === 0 ? ['empty'] : []), 'ping ?']))
      expect(close).toEqual({ code: 1000, reason: '' })
    }),
    { numRuns: 50 },
  )
})

describe('a client that sends', () => {
  const frame = (first: number, payload: Buffer | string = '') => masked(first, Buffer.from(payload), key)
  const unmasked = Buffer.from([0x82, 0x01, 0x61])
  const crumbs = Buffer.concat([frame(0x02, 'x'), ...Array.from({ length: 16 }, () => frame(0x00, 'x'))])
  const faults: readonly (readonly [string, Buffer, number])[] = [
    ['a bit that no extension gives a meaning', frame(0xc2, 'x'), 1002],
    ['a kind that is none', frame(0x83, 'x'), 1002],
    ['no mask', unmasked, 1002],
    ['a continuation of nothing', frame(0x80, 'x'), 1002],
    ['a message within another', Buffer.concat([frame(0x02, 'x'), frame(0x82, 'y')]), 1002],
    ['a ping in fragments', frame(0x09, 'x'), 1002],
    ['a ping of 126 bytes', frame(0x89, Buffer.alloc(126)), 1002],
    ['a length in more bytes than it takes', Buffer.from([0x82, 0xfe, 0, 125]), 1002],
    ['a length beyond all numbers', Buffer.from([0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), 1009],
    ['a close of one byte', frame(0x88, 'x'), 1002],
    ['a close with a code that nobody sends', frame(0x88, Buffer.from([0x03, 0xed])), 1002],
    ['a close with a reason that is no UTF-8', frame(0x88, Buffer.from([0x03, 0xe8, 0xff])), 1007],
    ['text that is no UTF-8', frame(0x81, Buffer.from([0xff])), 1007],
    ['a message that is too long in two', Buffer.concat([frame(0x02, 'x'), frame(0x80, Buffer.alloc(65_536))]), 1009],
    ['a message in crumbs', crumbs, 1008],
  ]
  test.each(faults)('%s is told so, and nothing behind it is heard', (_what, frames, code) => {
    const found = read(Buffer.concat([frames, frame(0x89, 'later')]))
    expect([found.code, found.heard.events]).toEqual([code, []])
  })

  test('fragments, with a ping between them, sends one message', () => {
    const frames = [frame(0x01, 'one '), frame(0x89, 'now'), frame(0x00), frame(0x80, 'two'), frame(0x02), frame(0x80)]
    expect(read(Buffer.concat(frames)).heard.events).toEqual(['ping now', 'text one two', 'empty'])
  })
})

/** A server of ours, and clients by `ws`. */
async function ourServer() {
  const server = createHttpServer()
  const accepted: { readonly socket: TunnelSocket; readonly heard: Heard }[] = []
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    const ours = acceptTunnel({ request, socket, head, dialect: 'tunnel', instance: 'run-1', clock: systemClock })
    if (!ours) return
    const heard = new Heard()
    ours.use(heard)
    accepted.push({ socket: ours, heard })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo // It listens on TCP.
  return {
    async client() {
      const socket = new WebSocket(`ws://127.0.0.1:${port}/`, [tunnelProtocol])
      const got: string[] = []
      const bytes: Buffer[] = []
      socket.on('message', (data: Buffer, isBinary) => (isBinary ? bytes.push(data) : got.push(`text ${data}`)))
      socket.on('ping', (data) => got.push(`ping ${data}`)).on('pong', (data) => got.push(`pong ${data}`))
      const closed = new Promise<readonly [number, string]>((resolve) => {
        socket.once('close', (code, reason) => resolve([code, reason.toString()]))
      })
      await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
      const ours = accepted.at(-1)
      if (!ours) throw new Error('nobody was accepted')
      return { socket, got, closed, ours, bytes: () => Buffer.concat(bytes) }
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      for (const { socket } of accepted) socket.terminate()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

describe('our server with a client by ws', () => {
  test('hears and says bytes, text, pings and the end of both', async () => {
    await using server = await ourServer()
    const { socket, got, closed, ours, bytes } = await server.client()
    const sent = Buffer.alloc(longestMessage, 'abc')
    socket.send(sent)
    socket.send(Buffer.alloc(0))
    socket.send('hello')
    socket.ping('1')
    await expect.poll(() => ours.heard.events).toEqual(['empty', 'text hello', 'ping 1'])
    expect(ours.heard.bytes.equals(sent)).toBe(true)
    ours.socket.send(Buffer.from(sent))
    ours.socket.send('you too')
    ours.socket.ping()
    ours.socket.pong(Buffer.from('1'))
    await expect.poll(() => got).toEqual(['text you too', 'ping ', 'pong 1'])
    expect(bytes().equals(sent)).toBe(true)
    ours.socket.close(1001, 'the workspace stops')
    expect(await closed).toEqual([1001, 'the workspace stops'])
    expect(await ours.heard.closed.promise).toEqual({ code: 1001, reason: 'the workspace stops' })
  })

  test.each([
    { says: [4000, 'why'] as const, hears: { code: 4000, reason: 'why' } },
    { says: [] as const, hears: { code: 1005, reason: '' } },
  ])('is told that its client closes, and answers: $hears.code', async ({ says, hears }) => {
    await using server = await ourServer()
    const { socket, closed, ours } = await server.client()
    socket.close(says[0], says[1])
    expect(await ours.heard.closed.promise).toEqual(hears)
    expect((await closed)[0]).toBe(hears.code)
    expect(ours.socket.isOpen).toBe(false)
  })

  test('says why it ends what breaks the rules, and hears 1006 of one who leaves without a word', async () => {
    await using server = await ourServer()
    const one = await server.client()
    one.socket.send(Buffer.alloc(longestMessage + 1))
    expect((await one.closed)[0]).toBe(1009)
    expect((await one.ours.heard.closed.promise).code).toBe(1009)
    const other = await server.client()
    other.socket.terminate()
    expect((await other.ours.heard.closed.promise).code).toBe(1006)
  })
})

describe('our client with a server by ws', () => {
  test('is masked, and hears and says the same', async () => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1', handleProtocols: () => tunnelProtocol })
    await using _ = { [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(() => resolve())) }
    const got: string[] = []
    const closed = Promise.withResolvers<number>()
    server.on('connection', (socket) => {
      socket.on('message', (data: Buffer, isBinary) => {
        got.push(isBinary ? `${data.length}` : `text ${data}`)
        socket.send(data, { binary: isBinary })
      })
      socket.once('close', (code) => closed.resolve(code))
    })
    await new Promise((resolve) => server.once('listening', resolve))
    const { port } = server.address() as AddressInfo // It listens on TCP.
    const opened = await openTunnel({
      connection: connect({ port, host: '127.0.0.1' }),
      ...{ authority: `127.0.0.1:${port}`, target: '/', authorization: 'Bearer x', clock: systemClock },
    })
    if (opened.kind === 'refused') throw new Error('refused')
    const heard = new Heard()
    opened.socket.use(heard)
    const sizes = [1, 64, 125, 126, 65_535, longestMessage]
    const sent = sizes.map((size, at) => Buffer.alloc(size, `${at}xyz`))
    for (const bytes of sent) opened.socket.send(Buffer.from(bytes))
    opened.socket.send(Buffer.alloc(0))
    opened.socket.send('hello')
    await expect.poll(() => heard.events).toEqual(['empty', 'text hello'])
    expect(heard.bytes.equals(Buffer.concat(sent))).toBe(true)
    expect(got).toEqual([...sizes.map(String), '0', 'text hello'])
    opened.socket.close(1000, 'left')
    expect(await heard.closed.promise).toEqual({ code: 1000, reason: 'left' })
    expect(await closed.promise).toBe(1000)
  })

  test.each([
    [
      'another proof',
      'Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\nSec-WebSocket-Protocol: gatehouse.tunnel.v1',
    ],
    ['nothing', 'X: y'],
  ])('takes no switch that proves %s', async (_what, fields) => {
    const server = createServer((socket) => {
      socket.once('data', () =>
        socket.write(`HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n${fields}\r\n\r\n`),
      )
      socket.on('error', () => undefined)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo // It listens on TCP.
    const asked = openTunnel({
      connection: connect({ port, host: '127.0.0.1' }),
      ...{ authority: 'x', target: '/', authorization: 'Bearer x', clock: systemClock },
    })
    await expect(asked).rejects.toThrow('something else')
    await new Promise((resolve) => server.close(resolve))
  })
})

test('who is told to close, and neither does nor leaves, is left after half a minute', async () => {
  const clock = fakeClock()
  const stuck = new Duplex({ read: () => undefined, write: (_bytes, _encoding, done) => done() })
  const socket = new TunnelSocket({ socket: stuck, head: Buffer.alloc(0), end: 'server', clock })
  const heard = new Heard()
  socket.use(heard)
  socket.close(1008, 'revoked')
  socket.close(1000, 'again')
  socket.send(Buffer.from('nothing of this'))
  await clock.advance(29_000)
  expect(stuck.destroyed).toBe(false)
  await clock.advance(1_000)
  expect(stuck.destroyed).toBe(true)
  expect((await heard.closed.promise).code).toBe(1006)
})
