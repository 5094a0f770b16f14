import { connect, createServer } from 'node:net'
import { Duplex, duplexPair, Writable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { passOn } from '#lib/read-memory.ts'
import { type Frame, LinkFault, longestData, mostStreams, readFrame, streamWindow, writeFrame } from '#link/frames.ts'
import { GatewayEnd } from '#link/gateway-end.ts'
import { join } from '#link/join.ts'
import { LinkStream } from '#link/link-stream.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { linkPair } from '#test/support/link-pair.ts'

const signal = new AbortController().signal

/** Gives back what it gets, and ends when its client has. */
async function echo(): Promise<Duplex> {
  const [one, other] = duplexPair()
  other.pipe(other)
  return one
}

/** Takes a piece, and no other until some turns later. */
async function slowly(stream: Duplex): Promise<Buffer> {
  const pieces: Buffer[] = []
  const slow = new Writable({
    highWaterMark: 1,
    write(piece: Buffer, _encoding, done) {
      pieces.push(piece)
      void turn()
        .then(() => turn())
        .then(() => done())
    },
  })
  await pipeline(stream, slow)
  return Buffer.concat(pieces)
}

/** A gateway's end alone, and what it has said. */
function alone() {
  const said: Frame[] = []
  const end = new GatewayEnd({ isFull: false, send: (frame) => void said.push(readFrame(frame)) })
  const hear = (frame: Frame) => end.receive(writeFrame(frame))
  return { end, said, hear }
}

test('every frame is read as it was written', () => {
  const id = fc.integer({ min: 1, max: 2 ** 32 - 1 })
  const frame = fc.oneof(
    fc.record({ kind: fc.constant('open' as const), id, port: fc.integer({ min: 1, max: 65_535 }) }),
    fc.record({ kind: fc.constantFrom('opened' as const, 'end' as const, 'reset' as const), id }),
    fc.record({ kind: fc.constant('refused' as const), id, why: fc.constantFrom('shut' as const, 'full' as const) }),
    fc.record({ kind: fc.constant('credit' as const), id, bytes: fc.integer({ min: 1, max: 2 ** 32 - 1 }) }),
    fc.record({
      kind: fc.constant('data' as const),
      id,
      bytes: fc.uint8Array({ minLength: 1, maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    }),
  )
  const property = fc.property(frame, (one) => {
    expect(readFrame(writeFrame(one))).toEqual({ ...one })
  })
  fc.assert(property)
})

test('whatever is written comes through whole and in order, in whatever pieces, over however little room, with both ends', async () => {
  const pieces = fc.array(fc.integer({ min: 1, max: 90_000 }), { maxLength: 12 })
  const property = fc.asyncProperty(
    fc.array(pieces, { minLength: 1, maxLength: 4 }),
    fc.integer({ min: 1, max: 20 }),
    async (streams, room) => {
      using pair = linkPair({ dial: echo, room })
      const results = streams.map(async (sizes, number) => {
        const stream = await pair.gateway.open(8888, signal)
        const sent = sizes.map((size, at) => Buffer.alloc(size, number * 16 + at))
        const whole = Buffer.concat(sent)
        for (const piece of sent) passOn(stream, piece)
        stream.end()
        // By whoever takes it all at once, or now and then.
        const got = number % 2 === 0 ? await buffer(stream) : await slowly(stream)
        expect(got.equals(whole)).toBe(true)
        // It is copied into frames, and given back.
        expect(sent.map(({ length }) => length)).toEqual(sizes.map((size) => (size < 16_384 ? size : 0)))
      })
      await Promise.all(results)
      await turn()
      expect([pair.gateway.size, pair.agent.size]).toEqual([0, 0])
    },
  )
  await fc.assert(property, { numRuns: 25 })
})

test('who is not read holds back his own writer after one window, and nobody else', async () => {
  const writers: Duplex[] = []
  const flood = async () => {
    const [one, other] = duplexPair()
    writers.push(other)
    other.on('error', () => undefined)
    return one
  }
  using pair = linkPair({ dial: (port) => (port === 8888 ? flood() : echo()), ports: [8888, 9000] })
  const unread = await pair.gateway.open(8888, signal)
  unread.on('error', () => undefined)
  const [writer] = writers
  for (let piece = 0; piece < 40; piece += 1) writer?.write(Buffer.alloc(65_536))
  for (let look = 0; look < 50; look += 1) await turn()
  const data = pair.toGateway.map(readFrame).filter(({ kind }) => kind === 'data')
  const bytes = data.reduce(
    (sum, frame) => sum + ('bytes' in frame && Buffer.isBuffer(frame.bytes) ? frame.bytes.length : 0),
    0,
  )
  // What is in its own buffer counts as read.
  expect(bytes).toBeLessThanOrEqual(2 * streamWindow)
  const other = await pair.gateway.open(9000, signal)
  other.end('still there')
  expect((await buffer(other)).toString()).toBe('still there')
  unread.destroy()
})

test('#154 bytes that come one by one and are not read take no more room than bytes that come at once', () => {
  const stream = new LinkStream(1, { isFull: false, data() {}, credit() {}, end() {}, over() {} })
  // Each is a part of something large, as what a socket reads is.
  for (let byte = 0; byte < streamWindow; byte += 1) stream.onData(Buffer.allocUnsafeSlow(64).subarray(0, 1))
  expect(() => stream.onData(Buffer.alloc(1))).toThrow(LinkFault)
  let read = 0
  let pieces = 0
  for (let piece: Buffer | null = stream.read(); piece !== null; piece = stream.read()) {
    read += piece.length
    pieces += 1
  }
  expect([read, pieces < 16]).toEqual([streamWindow, true])
})

/** A stream that nobody is at the other end of. */
function lonely(): LinkStream {
  return new LinkStream(1, { isFull: false, data() {}, credit() {}, end() {}, over() {} })
}

test('#154 a byte that is passed on at once does not keep alive what it was received with, wherever it waits then', async () => {
  const stream = lonely()
  const held: number[] = []
  stream.on('data', (piece: Buffer) => held.push(piece.buffer.byteLength))
  await turn()
  for (let byte = 0; byte < 100; byte += 1) stream.onData(Buffer.allocUnsafeSlow(65_536).subarray(0, 1))
  // That it waits first makes no difference.
  stream.pause()
  for (let byte = 0; byte < 2; byte += 1) stream.onData(Buffer.allocUnsafeSlow(65_536).subarray(0, 1))
  stream.resume()
  for (let look = 0; look < 5; look += 1) await turn()
  expect(held.length).toBeGreaterThan(100)
  expect(Math.max(...held)).toBeLessThanOrEqual(2)
  const whole = Buffer.allocUnsafeSlow(1_000)
  const passed = new Promise<Buffer>((resolve) => stream.once('data', resolve))
  stream.onData(whole)
  expect((await passed).buffer).toBe(whole.buffer)
})

test('what was said to its end is read to its end, also where a reset comes right behind it', async () => {
  const stream = lonely()
  const said = Buffer.alloc(200_000, 7)
  for (let at = 0; at < said.length; at += 50_000) stream.onData(said.subarray(at, at + 50_000))
  stream.onEnd()
  stream.onCut('the connection was reset')
  // Whoever still writes is not told before he has read.
  await new Promise<void>((resolve) => stream.write('more', () => resolve()))
  expect(stream.destroyed).toBe(false)
  const closed = new Promise((resolve) => stream.once('close', resolve))
  const pieces: Buffer[] = []
  stream.on('data', (piece: Buffer) => pieces.push(piece))
  await closed
  expect([Buffer.concat(pieces).equals(said), stream.readableEnded]).toEqual([true, true])
})

test('what one side said to its end gets to the other after it broke, for ten seconds', async () => {
  for (const isRead of [true, false]) {
    const clock = fakeClock()
    const [one, far] = duplexPair()
    const got: Buffer[] = []
    const slow = Promise.withResolvers<void>()
    const other = new Duplex({
      read() {},
      write(bytes: Buffer, _encoding, done) {
        got.push(bytes)
        void slow.promise.then(() => done())
      },
    })
    join(one, other, clock)
    far.end('the last words')
    for (let look = 0; look < 5; look += 1) await turn()
    expect(one.readableEnded).toBe(true)
    one.destroy()
    await clock.advance(9_000)
    expect(other.destroyed).toBe(false)
    if (isRead) slow.resolve()
    else await clock.advance(1_000)
    for (let look = 0; look < 5; look += 1) await turn()
    expect([other.destroyed, other.writableFinished]).toEqual([true, isRead])
    expect(Buffer.concat(got).toString()).toBe('the last words')
  }
})

test('what an app answered is heard, though it has closed the connection amid what it was sent', async () => {
  const answer = 'HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n'
  let hasAnswered = false
  // As a socket that was closed by the other side: a write fails at once, and what came before is read a turn later.
  const refusing = async () =>
    new Duplex({
      read() {},
      write(_bytes, _encoding, done) {
        if (!hasAnswered) {
          setImmediate(() => {
            this.push(answer)
            this.push(null)
          })
        }
        hasAnswered = true
        done(Object.assign(new Error('write EPIPE'), { code: 'EPIPE', syscall: 'write' }))
      },
    })
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    // What it has not read makes the end a reset.
    socket.once('data', () => socket.pause().end(answer, () => socket.destroy()))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' && address ? address.port : 0
  const real = () =>
    new Promise<Duplex>((resolve) => {
      const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true }, () => resolve(socket))
    })
  for (const dial of [refusing, real]) {
    using pair = linkPair({ dial })
    const stream = await pair.gateway.open(8888, signal)
    const heard: Buffer[] = []
    stream.on('data', (piece: Buffer) => heard.push(piece)).on('error', () => undefined)
    const closed = new Promise((resolve) => stream.once('close', resolve))
    for (let piece = 0; piece < 40 && !stream.destroyed; piece += 1) {
      stream.write(Buffer.alloc(65_536))
      await turn()
    }
    stream.end()
    await closed
    expect(Buffer.concat(heard).toString()).toBe(answer)
    expect([pair.gateway.size, pair.agent.size]).toEqual([0, 0])
  }
  await new Promise((resolve) => server.close(resolve))
})

test('a port that was not declared, one that nobody listens at, and one stream too many are refused, each by its reason', async () => {
  const shut = () => Promise.reject(Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }))
  using pair = linkPair({ dial: (port) => (port === 9000 ? shut() : echo()), ports: [8888, 9000] })
  const dialled = (port: number) => pair.gateway.open(port, signal)
  await expect(dialled(2222)).rejects.toMatchObject({ code: 'upstream_unreachable', message: /does not lead/ })
  await expect(dialled(9000)).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } })
  const open = await Promise.all(Array.from({ length: mostStreams }, () => dialled(8888)))
  await expect(dialled(8888)).rejects.toMatchObject({ message: /as many connections/ })
  open[0]?.on('error', () => undefined).destroy()
  await turn()
  await expect(dialled(8888)).resolves.toBeInstanceOf(Duplex)
})

test('who gives up while it is being opened leaves nothing behind, on either end', async () => {
  const opened: Duplex[] = []
  const gate = Promise.withResolvers<void>()
  const late = async () => {
    await gate.promise
    const stream = await echo()
    opened.push(stream)
    return stream
  }
  using pair = linkPair({ dial: late })
  const ending = new AbortController()
  const waiting = pair.gateway.open(8888, ending.signal)
  for (let look = 0; look < 5; look += 1) await turn()
  ending.abort(new Error('left'))
  await expect(waiting).rejects.toMatchObject({ code: 'upstream_unreachable' })
  for (let look = 0; look < 5; look += 1) await turn()
  gate.resolve()
  for (let look = 0; look < 5; look += 1) await turn()
  expect(opened.map(({ destroyed }) => destroyed)).toEqual([true])
  expect([pair.gateway.size, pair.agent.size]).toEqual([0, 0])
})

test('an end of the link ends all that is on it, and what was being opened', async () => {
  const { end, hear } = alone()
  const [open, waiting] = [end.open(8888, signal), end.open(8888, signal)]
  hear({ kind: 'opened', id: 1 })
  const stream = await open
  const closed = new Promise((resolve) => stream.once('error', resolve))
  end.onGone()
  expect(await closed).toMatchObject({ code: 'ECONNRESET' })
  await expect(waiting).rejects.toMatchObject({ code: 'upstream_unreachable' })
  await expect(end.open(8888, signal)).rejects.toMatchObject({ code: 'upstream_unreachable' })
})

test.each<[string, Frame[]]>([
  ['opens a stream itself', [{ kind: 'open', id: 7, port: 8888 }]],
  ['answers what nobody asked', [{ kind: 'opened', id: 9 }]],
  ['speaks of a stream that there never was', [{ kind: 'data', id: 9, bytes: Buffer.from('x') }]],
  ['speaks before it has answered', [{ kind: 'data', id: 1, bytes: Buffer.from('x') }]],
  ['ends before it has answered', [{ kind: 'end', id: 1 }]],
  [
    'ends twice',
    [
      { kind: 'opened', id: 1 },
      { kind: 'end', id: 1 },
      { kind: 'end', id: 1 },
    ],
  ],
  [
    'speaks after its end',
    [
      { kind: 'opened', id: 1 },
      { kind: 'end', id: 1 },
      { kind: 'data', id: 1, bytes: Buffer.from('x') },
    ],
  ],
  [
    'gives credit for what was not sent',
    [
      { kind: 'opened', id: 1 },
      { kind: 'credit', id: 1, bytes: 1 },
    ],
  ],
  [
    'sends more than there is credit for',
    [
      { kind: 'opened', id: 1 },
      ...Array.from({ length: 5 }, () => ({ kind: 'data' as const, id: 1, bytes: Buffer.alloc(longestData) })),
    ],
  ],
])('an agent that %s is at fault', async (_, frames) => {
  const { end, hear } = alone()
  end.open(8888, signal).then(
    (stream) => stream.on('error', () => undefined).pause(),
    () => undefined,
  )
  expect(() => {
    for (const frame of frames) hear(frame)
  }).toThrow(LinkFault)
  end.onGone()
})

test('#152 whatever an agent sends, it is at fault or heard, and nothing is told to any stream but the one that it names', async () => {
  const message = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    // Such as are nearly right.
    fc
      .tuple(fc.nat(8), fc.integer({ min: 0, max: 4 }), fc.uint8Array({ maxLength: 8 }))
      .map(([kind, id, rest]) => Uint8Array.of(kind, 0, 0, 0, id, ...rest)),
  )
  const property = fc.asyncProperty(fc.array(message, { maxLength: 30 }), async (messages) => {
    const { end, said, hear } = alone()
    const opening = end.open(8888, signal)
    hear({ kind: 'opened', id: 1 })
    const one = (await opening).on('error', () => undefined)
    const got: Buffer[] = []
    one.on('data', (piece: Buffer) => got.push(piece))
    const meant: Buffer[] = []
    for (const bytes of messages) {
      const frame = Buffer.from(bytes)
      try {
        end.receive(frame)
        if (frame[0] === 3 && frame.readUInt32BE(1) === 1) meant.push(frame.subarray(5))
      } catch (error) {
        expect(error).toBeInstanceOf(LinkFault)
        break
      }
    }
    await turn()
    expect(Buffer.concat(meant).indexOf(Buffer.concat(got))).toBe(0)
    expect(end.size).toBeLessThanOrEqual(1)
    expect(said.every(({ kind }) => kind === 'open' || kind === 'reset' || kind === 'credit')).toBe(true)
    end.onGone()
  })
  await fc.assert(property, { numRuns: 300 })
})
