/** What passes from socket to socket is given back when it is there, and never before; what somebody else may have a part of, or reads into again, is not. */
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, type Readable } from 'node:stream'
import { setTimeout as wait } from 'node:timers/promises'
import { connect, createServer } from 'node:tls'
import { markAsUntransferable } from 'node:worker_threads'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { giveBack, isWhole, passOn } from '#lib/read-memory.ts'
import { Landing } from '#proxy/landing.ts'
import { createTestCa } from '#test/support/test-ca.ts'
import { type SocketPair, socketPair } from '#test/unit/http/socket-pair.ts'

const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

/** Memory of its own, as a read has it. */
function read(length: number): Buffer {
  const bytes = Buffer.allocUnsafeSlow(length)
  randomBytes(length).copy(bytes)
  return bytes
}

/** Passes them on without waiting, to somebody who is asleep for a while; gives what arrived. */
async function passed({ near, far }: SocketPair, reads: readonly Buffer[], asleep: number): Promise<Buffer> {
  for (const bytes of reads) passOn(near, bytes)
  near.end()
  await wait(asleep)
  const chunks: Buffer[] = []
  for await (const chunk of far) chunks.push(chunk)
  return Buffer.concat(chunks)
}

test('what is written to a socket arrives as it was, however it is cut and however long its reader sleeps, and all that is large is given back', async () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 131_072 }), { minLength: 1, maxLength: 60 })
  await fc.assert(
    fc.asyncProperty(sizes, fc.integer({ min: 0, max: 30 }), async (lengths, asleep) => {
      await using pair = await socketPair()
      const reads = lengths.map(read)
      const said = digest(Buffer.concat(reads))
      expect(digest(await passed(pair, reads, asleep))).toBe(said)
      const left = reads.map(({ buffer }) => buffer.byteLength)
      expect(left).toEqual(lengths.map((length) => (length < 16_384 ? length : 0)))
    }),
    { numRuns: 25 },
  )
})

test('through TLS as well, both to a server and to a client who are asleep at first', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-test-'))
  using _folder = { [Symbol.dispose]: () => rmSync(folder, { recursive: true }) }
  const ca = createTestCa(join(folder, 'ca'))
  const { certFile, keyFile } = ca.issue(['localhost'])
  const server = createServer({ cert: readFileSync(certFile), key: readFileSync(keyFile) }).listen(0, '127.0.0.1')
  using _server = { [Symbol.dispose]: () => void server.close() }
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // It listens on TCP.
  const accepted = once(server, 'secureConnection')
  const client = connect({ port, host: '127.0.0.1', servername: 'localhost', ca: readFileSync(ca.caFile) })
  const [[atServer]] = await Promise.all([accepted, once(client, 'secureConnect')])
  for (const [near, far] of [
    [client, atServer],
    [atServer, client],
  ]) {
    const reads = Array.from({ length: 200 }, (_, at) => read(at % 3 === 0 ? 20_000 : 65_536))
    const whole = Buffer.concat(reads)
    const arrived = taken(far, whole.length)
    for (const bytes of reads) passOn(near, bytes)
    await wait(30)
    far.resume()
    expect(digest(await arrived)).toBe(digest(whole))
    await expect.poll(() => reads.filter(({ length }) => length > 0).length).toBe(0)
  }
  client.destroy()
})

/** So many bytes, once it is resumed. */
function taken(socket: Readable, count: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let left = count
  return new Promise((resolve) => {
    const take = (chunk: Buffer) => {
      chunks.push(chunk)
      left -= chunk.length
      if (left > 0) return
      socket.off('data', take)
      resolve(Buffer.concat(chunks))
    }
    socket.on('data', take)
    socket.pause()
  })
}

test('nothing is given back before it was written: a reader who takes nothing has all of it wait', async () => {
  await using pair = await socketPair()
  const { near } = pair
  const reads = Array.from({ length: 400 }, () => read(65_536))
  for (const bytes of reads) passOn(near, bytes)
  await wait(50)
  // What the system has taken is gone, in order; the rest is whole.
  const isGone = reads.map(({ buffer }) => buffer.byteLength === 0)
  expect(near.writableLength).toBeGreaterThan(1_000_000)
  expect(isGone).toEqual(isGone.toSorted((one, other) => Number(other) - Number(one)))
  const waiting = reads.filter(({ buffer }) => buffer.byteLength === 65_536).length
  expect(waiting * 65_536).toBeGreaterThanOrEqual(near.writableLength)
})

test('what could not be written is left to be collected: the system may have it in its hands', async () => {
  await using pair = await socketPair()
  const { near } = pair
  const reads = Array.from({ length: 400 }, () => read(65_536))
  for (const bytes of reads) passOn(near, bytes)
  await wait(20)
  const before = reads.filter(({ buffer }) => buffer.byteLength > 0)
  near.destroy()
  await once(near, 'close')
  const after = before.filter(({ buffer }) => buffer.byteLength > 0)
  expect(before.length).toBeGreaterThan(100)
  expect(after.length).toBe(before.length)
  const late = read(65_536)
  passOn(near, late)
  await wait(0)
  expect(late.length).toBe(65_536)
})

test('a piece of something larger, a small one, one of the pool and what is read into again are not given back', () => {
  const larger = read(65_536)
  const marked = read(65_536)
  markAsUntransferable(marked.buffer)
  const landing = new Landing()
  const berth = landing.lend(() => undefined)?.buffer ?? Buffer.alloc(0)
  const kept = [larger.subarray(0, 65_535), larger.subarray(9), read(16_383), Buffer.from('pool'), marked]
  expect([...kept, landing.common, berth].map(isWhole)).toEqual(kept.map(() => false).concat(false, false))
  expect(isWhole(larger)).toBe(true)
})

test('to what is no socket it is written as ever: it may be handed on to somebody who has not read it', async () => {
  const stream = new PassThrough()
  const bytes = read(65_536)
  const said = digest(bytes)
  passOn(stream, bytes)
  await wait(0)
  expect(digest(stream.read())).toBe(said)
})

test('twice is once', () => {
  const bytes = read(16_384)
  giveBack(bytes)
  expect(() => giveBack(bytes)).not.toThrow()
  expect(bytes.length).toBe(0)
})
