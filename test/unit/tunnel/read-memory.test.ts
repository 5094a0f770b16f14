/** A tunnel over real sockets: what its client says arrives however it is cut, and its memory is given back once all frames of a read are written. */
import { createHash, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { systemClock } from '#lib/clock.ts'
import { record, type SocketPair, socketPair } from '#test/unit/http/socket-pair.ts'
import { Bridge } from '#tunnel/bridge.ts'
import { applyMask } from '#tunnel/mask.ts'
import { TunnelSocket } from '#tunnel/tunnel-socket.ts'

const key = Buffer.from([1, 2, 3, 4])

/** A frame as a client sends it, of at most 65,535 bytes. */
function masked(first: number, payload: Buffer): Buffer {
  const bytes = Buffer.from(payload)
  applyMask(bytes, key, 0)
  const { length } = bytes
  const size = length > 125 ? [0x80 | 126, length >> 8, length & 255] : [0x80 | length]
  return Buffer.concat([Buffer.from([first, ...size]), key, bytes])
}

const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

/** What came of the client, piece by piece. */
function bridged(client: SocketPair, app: SocketPair) {
  const socket = new TunnelSocket({ socket: client.near, head: Buffer.alloc(0), end: 'server', clock: systemClock })
  const pieces: Buffer[] = []
  const bridge = new Bridge({
    ...{ socket, dialect: 'tunnel', clock: systemClock, onBreak: { code: 1011, reason: 'it broke' } },
    stream: { readable: app.near, writable: app.near },
    observe: (from, piece) => void (from === 'socket' && pieces.push(piece)),
    onClosed: () => undefined,
  })
  return { bridge, pieces }
}

test('what was not written when the app has gone is left to be collected: the system may have it in its hands', async () => {
  await using client = await socketPair()
  await using app = await socketPair()
  const { bridge, pieces } = bridged(client, app)
  client.far.resume()
  client.far.write(Buffer.concat(Array.from({ length: 200 }, () => masked(0x82, randomBytes(65_000)))))
  // Until nobody takes any more.
  await expect.poll(() => app.near.writableLength).toBeGreaterThan(100_000)
  const isWhole = ({ length, buffer }: Buffer) => length > 0 && buffer.byteLength >= 16_384
  const waiting = pieces.filter(isWhole)
  expect(waiting.length).toBeGreaterThan(0)
  app.near.destroy()
  await expect.poll(() => bridge.cut).toBe('stream')
  await new Promise((resolve) => setTimeout(resolve, 20))
  expect(waiting.filter(isWhole).length).toBe(waiting.length)
})

test('what a client says arrives as it was, whatever its messages are, and no read is kept behind it', async () => {
  const size = fc.oneof(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: 65_535 }), fc.constant(65_535))
  const messages = fc.array(fc.record({ size, isPing: fc.boolean() }), { minLength: 1, maxLength: 60 })
  let given = 0
  await fc.assert(
    fc.asyncProperty(messages, fc.boolean(), async (said, isSlow) => {
      await using client = await socketPair()
      await using app = await socketPair()
      const { pieces } = bridged(client, app)
      client.far.resume()
      const payloads = said.map(({ size: length }) => randomBytes(length))
      const frames = payloads.flatMap((payload, at) => [
        masked(0x82, payload),
        ...(said[at]?.isPing ? [masked(0x89, Buffer.from(`${at}`))] : []),
      ])
      client.far.write(Buffer.concat(frames))
      if (isSlow) await new Promise((resolve) => setTimeout(resolve, 20))
      const arrived = record(app.far)
      const whole = Buffer.concat(payloads)
      await arrived.length(whole.length)
      expect(digest(arrived.bytes())).toBe(digest(whole))
      // A read that brought little is not worth it.
      const kept = () => pieces.filter(({ length, buffer }) => length > 0 && buffer.byteLength >= 16_384)
      await expect.poll(() => kept().length).toBe(0)
      given += pieces.filter(({ buffer }) => buffer.byteLength === 0).length
    }),
    { numRuns: 30 },
  )
  expect(given).toBeGreaterThan(50)
})
