import fc from 'fast-check'
import { expect, test } from 'vitest'
import { EditorSocket } from '#activity/editor-socket.ts'
import { editorKinds } from '#activity/editor-stream.ts'
import { InflaterPool } from '#activity/inflater.ts'
import type { Sight } from '#activity/sight.ts'
import { channelCall, compressed, editorMessage, fileName, hostRequest } from '#test/support/editor-messages.ts'
import { frameBytes } from '#test/support/websocket-frames.ts'

const mask = 0x01_fe_7f_80
const { regular, keepAlive, acknowledgement } = editorKinds
const save = editorMessage(
  regular,
  channelCall('remoteFilesystem', 'writeFile', [fileName('/a.py'), { text: 'x'.repeat(5_000) }]),
)
const typed = editorMessage(regular, channelCall('remoteterminal', '$input', [1, 'ls\r']))
const look = editorMessage(regular, channelCall('remoteFilesystem', 'stat', [fileName('/a.py')]))
const alive = editorMessage(keepAlive)
const ack = editorMessage(acknowledgement)

interface Watched {
  readonly seen: Sight[]
  readonly sources: () => readonly string[]
  readonly socket: EditorSocket
  readonly pool: InflaterPool
}

function watch({ isFramed = true, pool = new InflaterPool() } = {}): Watched {
  const seen: Sight[] = []
  const socket = new EditorSocket(isFramed, pool, (one) => seen.push(one))
  return { seen, socket, pool, sources: () => seen.map(({ source }) => source) }
}

function cut(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = []
  let at = 0
  for (let index = 0; at < bytes.length; index++) {
    const next = at + (sizes[index] ?? bytes.length)
    chunks.push(bytes.subarray(at, next))
    at = next
  }
  return chunks
}

const of = { save: 'editor:file', typed: 'editor:terminal', look: 'editor:housekeeping', alive: 'editor:protocol' }
const bytesOf = { save, typed, look, alive }
const names = fc.array(fc.constantFrom(...(['save', 'typed', 'look', 'alive'] as const)), {
  minLength: 1,
  maxLength: 6,
})
const sizes = fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 200 })
const sizesOfMessages = fc.array(fc.integer({ min: 1, max: 4_000 }), { maxLength: 6 })

test('every call is seen once, however the stream is cut into messages, these into fragments, and all into chunks', () => {
  fc.assert(
    fc.property(names, sizesOfMessages, sizes, fc.boolean(), (told, messages, chunks, isFramed) => {
      const { socket, sources } = watch({ isFramed })
      const stream = Buffer.concat(told.map((name) => bytesOf[name]))
      const frames = cut(stream, messages).flatMap((payload) => {
        const half = Math.floor(payload.length / 2)
        return [
          frameBytes({ opcode: 2, isFinal: false, payload: payload.subarray(0, half), mask }),
          frameBytes({ opcode: 9, payload: Buffer.from('ping'), mask }),
          frameBytes({ opcode: 0, payload: payload.subarray(half), mask }),
        ]
      })
      for (const chunk of cut(isFramed ? Buffer.concat(frames) : stream, chunks)) {
        const copy = Buffer.from(chunk)
        socket.advance(chunk)
        expect(chunk.equals(copy)).toBe(true)
      }
      expect(sources()).toEqual(told.map((name) => of[name]))
      expect(socket.isAtRest).toBe(true)
    }),
  )
})

test('compressed messages are read with what was compressed before them, wherever they are cut', async () => {
  await fc.assert(
    fc.asyncProperty(names, sizesOfMessages, sizes, async (told, messages, chunks) => {
      const { socket, sources, pool } = watch()
      const stream = Buffer.concat(told.map((name) => bytesOf[name]))
      const payloads = await compressed(cut(stream, messages))
      const frames = payloads.map((payload) => frameBytes({ opcode: 2, isCompressed: true, payload, mask }))
      for (const chunk of cut(Buffer.concat(frames), chunks)) socket.advance(chunk)
      await expect.poll(sources, { interval: 2 }).toEqual(told.map((name) => of[name]))
      expect(pool.lent).toBe(1)
      socket.end()
      expect(pool.lent).toBe(0)
    }),
    { numRuns: 30 },
  )
})

test('an open workbench that says it is there, compressed or not, is nobody’s doing', async () => {
  const quiet = [alive, ack, Buffer.concat([alive, ack])]
  const { socket, seen } = watch()
  for (const payload of await compressed(quiet)) {
    socket.advance(frameBytes({ opcode: 2, isCompressed: true, payload, mask }))
  }
  await expect.poll(() => seen.length).toBe(4)
  expect(seen.every((one) => one.class === 'background')).toBe(true)
  socket.end()
})

test('when all inflaters are in use messages are judged by their size: what is more than a sign of life can’t be told', async () => {
  const pool = new InflaterPool({ most: 1 })
  const first = watch({ pool })
  const second = watch({ pool })
  const payloads = await compressed([alive, ack, save])
  for (const { socket } of [first, second])
    for (const payload of payloads) socket.advance(frameBytes({ opcode: 2, isCompressed: true, payload, mask }))
  expect(second.seen.map((one) => one.class)).toEqual(['background', 'background', 'unknown'])
  await expect.poll(first.sources).toEqual(['editor:protocol', 'editor:protocol', 'editor:file'])
  first.socket.end()
  expect(pool.lent).toBe(0)
})

test('there are 256 of them at most, for all sockets together, and one that ends makes room for another', () => {
  const pool = new InflaterPool()
  const take = () =>
    pool.take(
      () => undefined,
      () => undefined,
    )
  const taken = Array.from({ length: 300 }, take).filter((one) => one !== undefined)
  expect([taken.length, pool.lent]).toEqual([256, 256])
  taken[0]?.end()
  expect([take() === undefined, take() === undefined]).toEqual([false, true])
  for (const one of taken) one.end()
})

test.each([
  ['no deflate at all', async () => [Buffer.from([0xff, 0xff, 0xff, 0xff])]],
  ['another protocol', () => compressed([Buffer.from('GET / HTTP/1.1\r\n')])],
  ['a bomb', () => compressed([Buffer.alloc(30_000_000)])],
  ['far more than anybody can read at once', async () => [Buffer.alloc(2_000_000)]],
])('%s ends the reading for good, is told as unknown, and gives the inflater back', async (_, payloads) => {
  const { socket, seen, pool } = watch()
  for (const payload of await payloads()) socket.advance(frameBytes({ opcode: 2, isCompressed: true, payload, mask }))
  await expect.poll(() => pool.lent, { timeout: 10_000 }).toBe(0)
  expect(seen.at(-1)?.class).toBe('unknown')
  const [small] = await compressed([alive])
  socket.advance(frameBytes({ opcode: 2, isCompressed: true, payload: small ?? Buffer.alloc(0), mask }))
  socket.advance(frameBytes({ opcode: 2, isCompressed: true, payload: Buffer.alloc(500, 7), mask }))
  expect(seen.slice(-2).map((one) => one.source)).toEqual(['editor:small', 'editor:size'])
})

test('nothing of a long body is held but its head', () => {
  const { socket, seen } = watch({ isFramed: false })
  const body = hostRequest('$acceptTabOperation', ['x'.repeat(1_000_000)])
  socket.advance(editorMessage(regular, body).subarray(0, 600))
  expect(seen.map((one) => one.source)).toEqual(['editor:$acceptTabOperation'])
})
