/** Whoever says little at a time, or hides little in much, makes us hold no more than whoever says much: at the bridge, with streams that take nothing. */
import { Duplex, Writable } from 'node:stream'
import { expect, test } from 'vitest'
import { fakeClock } from '#test/support/fake-clock.ts'
import { Bridge } from '#tunnel/bridge.ts'
import { highMark } from '#tunnel/protocol.ts'
import { TunnelSocket } from '#tunnel/tunnel-socket.ts'

const readSize = 65_536
const key = Buffer.from([1, 2, 3, 4])

/** A frame as a client sends it, of at most 125 bytes. */
function masked(first: number, payload: string): Buffer {
  const bytes = Buffer.from(payload).map((byte, at) => byte ^ (key[at & 3] ?? 0))
  return Buffer.concat([Buffer.from([first, 0x80 | bytes.length]), key, bytes])
}

const pong = masked(0x8a, 'p'.repeat(125))

/** Pongs behind it, that say nothing, as one read gives them: in a buffer of its own. */
function ballasted(frames: Buffer): Buffer {
  const read = Buffer.allocUnsafeSlow(readSize)
  frames.copy(read)
  let at = frames.length
  for (; at + pong.length <= readSize; at += pong.length) pong.copy(read, at)
  return read.subarray(0, at)
}

/** The gateway's end. Neither the client nor the stream takes anything, unless that is said; whatever was written to them is kept. */
function scene({ isTaking = false } = {}) {
  const written = { client: [] as Buffer[], stream: [] as Buffer[] }
  // What goes in; of a stream that takes nothing only the first comes out.
  const end = (to: Buffer[]) => {
    const taken = (_bytes: Buffer, _encoding: string, done: () => void) => (isTaking ? done() : undefined)
    const stream = new Duplex({ read: () => undefined, write: taken, highWaterMark: 65_536 })
    const write = stream.write.bind(stream)
    stream.write = (bytes: Buffer, ...rest: never[]) => {
      to.push(bytes)
      return write(bytes, ...rest)
    }
    return stream
  }
  const [connection, upstream] = [end(written.client), end(written.stream)]
  const clock = fakeClock()
  const socket = new TunnelSocket({ socket: connection, head: Buffer.alloc(0), end: 'server', clock })
  const onBreak = { code: 1011, reason: 'it broke' } as const
  const stream = { readable: upstream, writable: upstream }
  const bridge = new Bridge({ socket, stream, dialect: 'tunnel', clock, onBreak, onClosed: () => undefined })
  return { connection, upstream, socket, bridge, written }
}

/** Memory that they keep. */
const keptBy = (pieces: readonly Buffer[]) =>
  [...new Set(pieces.map(({ buffer }) => buffer))].reduce((sum, { byteLength }) => sum + byteLength, 0)

test('#158 a byte among ballast keeps not the read that it came in, and a few hundred of them are all that waits', () => {
  const { connection, socket, written } = scene()
  let reads = 0
  for (; reads < 2_000 && !socket.isPaused; reads += 1) connection.emit('data', ballasted(masked(0x82, 'x')))
  expect(reads).toBeLessThan(300)
  expect(keptBy(written.stream)).toBeLessThan(readSize * 4)
})

test('thousands of bytes that come in as many messages of one read are one write, in order', async () => {
  const { connection, upstream, written } = scene({ isTaking: true })
  const said = Array.from({ length: 8_000 }, (_, at) => String(at % 10))
  connection.emit('data', Buffer.concat(said.map((byte) => masked(0x82, byte))))
  expect(written.stream.map(String)).toEqual([said.join('')])
  // What is said with its end gets there before it.
  connection.emit('data', Buffer.concat([...said.slice(0, 100).map((byte) => masked(0x82, byte)), masked(0x82, '')]))
  await new Promise((resolve) => upstream.once('finish', resolve))
  expect(Buffer.concat(written.stream).toString()).toBe(said.join('') + said.slice(0, 100).join(''))
})

test('a large piece is passed on as it is, without a copy', () => {
  const { connection, written } = scene({ isTaking: true })
  const frame = Buffer.allocUnsafeSlow(8 + 40_000)
  Buffer.from([0x82, 0xfe, 40_000 >> 8, 40_000 & 255, ...key]).copy(frame)
  connection.emit('data', frame)
  expect(written.stream.map(({ length, buffer }) => [length, buffer === frame.buffer])).toEqual([[40_000, true]])
})

test('whoever is told nothing but pings, and reads no answers, has two of them wait', () => {
  const { connection, written } = scene()
  for (let at = 0; at < 5_000; at += 1) connection.emit('data', masked(0x89, `${at}`))
  expect(written.client.length).toBeLessThanOrEqual(2)
})

test('of pings that come faster than answers get away the last one is answered', async () => {
  const { connection, written } = scene({ isTaking: true })
  connection.emit('data', Buffer.concat(['1', '2', '3'].map((word) => masked(0x89, word))))
  await expect.poll(() => written.client.map((frame) => frame.subarray(2).toString())).toEqual(['1', '3'])
})

test('a pod that says byte after byte to a client who reads nothing is held back after some hundred, and read again', async () => {
  const { connection, upstream, written, socket } = scene()
  let said = 0
  for (; said < 20_000 && !upstream.isPaused(); said += 1) upstream.emit('data', Buffer.from('x'))
  expect(said).toBeLessThan(1_000)
  expect(socket.bufferedAmount).toBeGreaterThanOrEqual(highMark)
  expect(written.client.length).toBe(said)
  expect(connection.destroyed).toBe(false)
})

test('the stream is read on when all that waited has got away, whatever waits behind it', async () => {
  const waiting: (() => void)[] = []
  const connection = new Duplex({ read: () => undefined, write: (_bytes, _encoding, done) => void waiting.push(done) })
  const upstream = new Duplex({ read: () => undefined, write: (_bytes, _encoding, done) => done() })
  const clock = fakeClock()
  const socket = new TunnelSocket({ socket: connection, head: Buffer.alloc(0), end: 'server', clock })
  const bridge = new Bridge({
    ...{ socket, dialect: 'tunnel', clock, stream: { readable: upstream, writable: upstream } },
    ...{ onBreak: { code: 1011, reason: 'it broke' }, onClosed: () => undefined },
  })
  while (!upstream.isPaused()) upstream.emit('data', Buffer.from('x'))
  for (let at = 0; at < 200; at += 1) socket.ping()
  bridge.tell({ notice: 'closing-soon', why: 'limit', in: 1 })
  expect(upstream.isPaused()).toBe(true)
  for (let turn = 0; turn < 2_000 && upstream.isPaused(); turn += 1) {
    waiting.shift()?.()
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(upstream.isPaused()).toBe(false)
})

test('who was held back is read from again once what waited has got into the stream', async () => {
  const waiting: (() => void)[] = []
  const connection = new Duplex({ read: () => undefined, write: (_bytes, _encoding, done) => done() })
  const writable = new Writable({ write: (_bytes, _encoding, done) => void waiting.push(done) })
  const readable = new Duplex({ read: () => undefined })
  const clock = fakeClock()
  const socket = new TunnelSocket({ socket: connection, head: Buffer.alloc(0), end: 'server', clock })
  new Bridge({
    ...{ socket, dialect: 'tunnel', clock, stream: { readable, writable } },
    ...{ onBreak: { code: 1011, reason: 'it broke' }, onClosed: () => undefined },
  })
  for (let at = 0; at < 300; at += 1) connection.emit('data', masked(0x82, 'x'))
  expect(socket.isPaused).toBe(true)
  for (let turn = 0; turn < 400 && socket.isPaused; turn += 1) {
    waiting.shift()?.()
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect([socket.isPaused, writable.writableLength]).toEqual([false, 0])
})

test('what comes in one turn, however it is cut, goes to the system at once, and keystrokes wait for nothing', async () => {
  const at = { client: [] as number[], stream: [] as number[] }
  const counting = (to: number[]) =>
    new Duplex({
      read: () => undefined,
      write(bytes: Buffer, _encoding, done) {
        to.push(bytes.length)
        done()
      },
      writev(pieces, done) {
        to.push(pieces.reduce((sum, { chunk }) => sum + chunk.length, 0))
        done()
      },
    })
  const [connection, upstream] = [counting(at.client), counting(at.stream)]
  const clock = fakeClock()
  const socket = new TunnelSocket({ socket: connection, head: Buffer.alloc(0), end: 'server', clock })
  const bridge = new Bridge({
    ...{ socket, dialect: 'tunnel', clock, stream: { readable: upstream, writable: upstream } },
    ...{ onBreak: { code: 1011, reason: 'it broke' }, onClosed: () => undefined },
  })
  connection.emit('data', masked(0x82, 'ls'))
  expect(at.stream).toEqual([2])
  // As records of TLS come, and frames in them.
  for (let record = 0; record < 4; record += 1) {
    const frame = Buffer.alloc(16_384)
    Buffer.from([0x82, 0xfe, 16_376 >> 8, 16_376 & 255, ...key]).copy(frame)
    connection.emit('data', frame)
  }
  await new Promise((resolve) => setImmediate(resolve))
  expect(at.stream).toEqual([2, 4 * 16_376])
  bridge.onStreamBytes(Buffer.alloc(4 * 65_536))
  expect(at.client).toEqual([4 * (65_536 + 10)])
})
