import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { describe, expect, test } from 'vitest'
import { closeFrame, FrameTracker } from '#http/frames.ts'
import { type Splice, type SpliceOptions, splice } from '#http/splice.ts'
import { type FakeClock, fakeClock } from '#test/support/fake-clock.ts'
import { record, socketPair } from './socket-pair.ts'

interface World extends AsyncDisposable {
  readonly client: Socket
  readonly server: Socket
  readonly nearClient: Socket
  readonly nearServer: Socket
  readonly splice: Splice
  readonly clock: FakeClock
  readonly closed: Promise<Splice>
}

async function world(options: Pick<SpliceOptions, 'tracker' | 'observer'> = {}): Promise<World> {
  const client = await socketPair()
  const server = await socketPair()
  const clock = fakeClock()
  const { promise: closed, resolve } = Promise.withResolvers<Splice>()
  const joined = splice(client.near, server.near, { clock, onClosed: resolve, ...options })
  return {
    client: client.far,
    server: server.far,
    nearClient: client.near,
    nearServer: server.near,
    splice: joined,
    clock,
    closed,
    async [Symbol.asyncDispose]() {
      await client[Symbol.asyncDispose]()
      await server[Symbol.asyncDispose]()
    },
  }
}

const framed = () => world({ tracker: new FrameTracker() })
const revoked = { code: 1008, reason: 'Access ended' }
const text = (payload: string) => Buffer.concat([Buffer.from([0x81, payload.length]), Buffer.from(payload)])

/** Passes `bytes` from server to client and waits until they are there. */
async function pass(w: World, bytes: Buffer): Promise<void> {
  const arrived = record(w.client)
  w.server.write(bytes)
  await arrived.length(bytes.length)
}

describe('bytes', () => {
  test('pass both ways unchanged, and are counted', async () => {
    await using w = await world()
    const toServer = randomBytes(3_000_000)
    const toClient = randomBytes(2_000_000)
    const atServer = record(w.server)
    const atClient = record(w.client)
    w.client.end(toServer)
    w.server.end(toClient)
    await Promise.all([w.closed, atServer.length(toServer.length), atClient.length(toClient.length)])
    const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')
    expect(digest(atServer.bytes())).toBe(digest(toServer))
    expect(digest(atClient.bytes())).toBe(digest(toClient))
    expect(w.splice).toMatchObject({ bytesFromClient: toServer.length, bytesFromUpstream: toClient.length })
  })

  test('are given back when they were written on, either way', async () => {
    const seen = { client: [] as Buffer[], upstream: [] as Buffer[] }
    await using w = await world({ observer: { observe: (from, chunk) => void seen[from].push(chunk) } })
    const [atServer, atClient] = [record(w.server), record(w.client)]
    w.client.write(Buffer.alloc(3_000_000, 'c'))
    w.server.write(Buffer.alloc(3_000_000, 's'))
    await Promise.all([atServer.length(3_000_000), atClient.length(3_000_000)])
    const held = () => [...seen.client, ...seen.upstream].filter(({ length }) => length >= 16_384)
    await expect.poll(() => held().length).toBe(0)
    expect(seen.client.filter(({ buffer }) => buffer.byteLength === 0).length).toBeGreaterThan(10)
    expect(seen.upstream.filter(({ buffer }) => buffer.byteLength === 0).length).toBeGreaterThan(10)
  })

  test('of a reader that stalls do not pile up', async () => {
    await using w = await world()
    const chunk = Buffer.alloc(1 << 20)
    let sent = 0
    const push = () => {
      while (sent < 256 && w.server.write(chunk)) sent++
      if (sent < 256) w.server.once('drain', push)
    }
    push()
    for (let round = 0; round < 20; round++) await new Promise((resolve) => setTimeout(resolve, 10))
    // The kernel keeps a few megabytes between each two ends; the splice itself next to nothing.
    expect(w.nearClient.writableLength).toBeLessThan(256 * 1024)
    expect(sent).toBeLessThan(64)
    const arrived = record(w.client)
    await arrived.length(32 << 20)
    expect(w.nearClient.writableLength).toBeLessThan(256 * 1024)
  })

  test('go on in one direction after the other has ended', async () => {
    await using w = await world()
    const atServer = record(w.server)
    const atClient = record(w.client)
    w.client.end('question')
    expect(await atServer.ended).toBe('end')
    expect(atServer.bytes().toString()).toBe('question')
    await w.clock.advance(3_600_000)
    w.server.end('answer')
    expect(await atClient.ended).toBe('end')
    expect(atClient.bytes().toString()).toBe('answer')
    await w.closed
  })

  test('that were read ahead come first', async () => {
    await using client = await socketPair()
    await using server = await socketPair()
    client.near.unshift(Buffer.from('one '))
    server.near.unshift(Buffer.from('uno '))
    splice(client.near, server.near, { clock: fakeClock() })
    const atServer = record(server.far)
    const atClient = record(client.far)
    client.far.end('two')
    server.far.end('due')
    await Promise.all([atServer.ended, atClient.ended])
    expect([atServer.bytes().toString(), atClient.bytes().toString()]).toEqual(['one two', 'uno due'])
  })
})

describe('when a side goes', () => {
  test('the other is torn down with a client that vanished', async () => {
    await using w = await framed()
    const atServer = record(w.server)
    w.client.resetAndDestroy()
    await w.closed
    expect(await atServer.ended).toBeTypeOf('string')
    expect(w.nearServer.destroyed).toBe(true)
  })

  test.each(['end', 'resetAndDestroy'] as const)(
    'an upstream that dies (%s) between two frames leaves a word: 1011',
    async (how) => {
      await using w = await framed()
      await pass(w, text('hello'))
      const atClient = record(w.client)
      w.server[how]()
      expect(await atClient.ended).toBe('end')
      expect(atClient.bytes().readUInt16BE(2)).toBe(1011)
      w.client.end()
      await w.closed
    },
  )

  test('an upstream that dies amid a frame resets the client, so that half a frame is not taken for a whole one', async () => {
    await using w = await framed()
    await pass(w, text('hello').subarray(0, 4))
    const atClient = record(w.client)
    w.server.resetAndDestroy()
    expect(await atClient.ended).toBe('reset')
    await w.closed
  })

  test('an upstream that broke off bytes that are no frames resets the client', async () => {
    await using w = await world()
    await pass(w, Buffer.from('half of'))
    const atClient = record(w.client)
    w.server.resetAndDestroy()
    expect(await atClient.ended).toBe('reset')
  })

  test("nothing is added behind the upstream's own close frame", async () => {
    await using w = await framed()
    const atClient = record(w.client)
    w.server.end(closeFrame(1000, 'bye'))
    expect(await atClient.ended).toBe('end')
    expect(atClient.bytes()).toEqual(closeFrame(1000, 'bye'))
    w.client.end()
    await w.closed
  })

  test('a WebSocket that one side has closed and the other does not is torn down after 10 s', async () => {
    await using w = await framed()
    const atServer = record(w.server)
    w.client.end()
    await atServer.ended
    await w.clock.advance(9_900)
    expect(w.nearServer.destroyed).toBe(false)
    await w.clock.advance(200)
    await w.closed
  })

  test('a client that does not close when the upstream has gone altogether is torn down after 10 s, frames or not', async () => {
    await using w = await world()
    const atClient = record(w.client)
    w.server.end('answer')
    expect(await atClient.ended).toBe('end')
    w.server.destroy()
    // It shows when something is sent to it.
    while (!w.nearServer.destroyed) {
      w.client.write('more')
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    await w.clock.advance(9_000)
    expect(w.nearClient.destroyed).toBe(false)
    await w.clock.advance(2_000)
    await w.closed
  })

  test('one that was gone before is noticed', async () => {
    await using client = await socketPair()
    await using server = await socketPair()
    client.near.destroy()
    await once(client.near, 'close')
    const closed = new Promise<void>((resolve) => {
      splice(client.near, server.near, { clock: fakeClock(), onClosed: () => resolve() })
    })
    await closed
    expect(server.near.destroyed).toBe(true)
  })
})

describe('end', () => {
  test('says the code and the reason at once where no frame is under way, and leaves', async () => {
    await using w = await framed()
    await pass(w, text('hello'))
    const atClient = record(w.client)
    const atServer = record(w.server)
    w.splice.end(revoked)
    expect(await atClient.ended).toBe('end')
    expect(atClient.bytes()).toEqual(closeFrame(1008, 'Access ended'))
    await atServer.ended
    w.client.end()
    await w.closed
  })

  test('waits for the end of the frame that is under way, and lets nothing behind it through', async () => {
    await using w = await framed()
    const frame = text('a longer message')
    await pass(w, frame.subarray(0, 7))
    const atClient = record(w.client)
    w.splice.end(revoked)
    w.server.write(frame.subarray(7, 9))
    await atClient.length(2)
    w.server.write(Buffer.concat([frame.subarray(9), text('secret')]))
    expect(await atClient.ended).toBe('end')
    expect(atClient.bytes()).toEqual(Buffer.concat([frame.subarray(7), closeFrame(1008, 'Access ended')]))
  })

  test('lets nothing of the client through to the upstream any more', async () => {
    await using w = await framed()
    await pass(w, text('abc').subarray(0, 3))
    const atServer = record(w.server)
    w.splice.end(revoked)
    w.client.write('rm -rf /')
    await expect.poll(() => w.splice.bytesFromClient).toBe(8)
    await w.clock.advance(1_100)
    await w.closed
    expect(atServer.bytes().length).toBe(0)
  })

  test('resets the client after a second without a boundary', async () => {
    await using w = await framed()
    await pass(w, text('abc').subarray(0, 3))
    const atClient = record(w.client)
    w.splice.end(revoked)
    await w.clock.advance(900)
    expect(w.nearClient.destroyed).toBe(false)
    await w.clock.advance(200)
    expect(await atClient.ended).toBe('reset')
    await w.closed
  })

  test('resets at once where the bytes are no frames', async () => {
    await using opaque = await world()
    const atClient = record(opaque.client)
    opaque.splice.end(revoked)
    expect(await atClient.ended).toBe('reset')
    await using unframed = await framed()
    await pass(unframed, Buffer.from('\u0000\u0001skipWebSocketFrames'))
    await pass(unframed, Buffer.from([0x83, 0xff]))
    const second = record(unframed.client)
    unframed.splice.end(revoked)
    expect(await second.ended).toBe('reset')
    expect(second.bytes().length).toBe(0)
  })

  test('tears down a client that does not close in return', async () => {
    await using w = await framed()
    w.splice.end(revoked)
    await w.clock.advance(1_100)
    await w.closed
  })

  test('a second time changes nothing', async () => {
    await using w = await framed()
    const atClient = record(w.client)
    w.splice.end(revoked)
    w.splice.end({ code: 1001, reason: 'Workspace stops' })
    expect(await atClient.ended).toBe('end')
    expect(atClient.bytes()).toEqual(closeFrame(1008, 'Access ended'))
  })
})
