/** A client that asks for much and reads nothing: what is held for it is bounded, and nobody else notices. */
import type { Socket } from 'node:net'
import { describe, expect, test } from 'vitest'
import { openRaw } from '#test/support/raw-http.ts'
import { useSharedApp } from '#test/support/shared-app.ts'
import { websocketFields } from '#test/support/tenants.ts'

const gigabyte = 1024 ** 3
/** What the buffers of the kernel may take on both connections, beside what the gateway may. */
const mostSent = 64 * 1024 ** 2
const piece = Buffer.alloc(65_536, 'x')
const accept = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo='

interface Form {
  readonly what: string
  readonly head: string
  readonly fields: readonly string[]
  /** One piece of the body as it is sent. */
  readonly piece: Buffer
}

const forms: readonly Form[] = [
  { what: 'of a known length', head: `HTTP/1.1 200 OK\r\nContent-Length: ${gigabyte}\r\n\r\n`, fields: [], piece },
  {
    what: 'in chunks',
    head: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n',
    fields: [],
    piece: Buffer.concat([Buffer.from('10000\r\n'), piece, Buffer.from('\r\n')]),
  },
  { what: 'to the end of the connection', head: 'HTTP/1.1 200 OK\r\n\r\n', fields: [], piece },
  {
    what: 'of events',
    head: 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n',
    fields: ['Accept', 'text/event-stream'],
    piece: Buffer.concat([Buffer.from('10000\r\n'), piece, Buffer.from('\r\n')]),
  },
  {
    what: 'over a WebSocket',
    head: `HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    fields: websocketFields,
    // A binary frame of 65,536 bytes.
    piece: Buffer.concat([Buffer.from([0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]), piece]),
  },
]

describe.each(['host', 'path'] as const)('in %s mode', (mode) => {
  const world = useSharedApp({ mode })

  test.each(forms)('#63 a gigabyte $what stays where it is, others are served as before', async (form) => {
    const { tenants, app, text, bobIsServed } = world()
    let sent = 0
    let upstream: Socket | undefined
    app.respond = (_head, socket) => {
      upstream = socket
      const send = () => {
        while (sent < gigabyte && socket.write(form.piece)) sent += form.piece.length
        sent += form.piece.length
      }
      socket.on('drain', send)
      socket.write(form.head)
      send()
      return true
    }
    const before = process.memoryUsage()
    using connection = await openRaw(tenants.world.port)
    connection.socket.pause()
    connection.send(text('much', { fields: form.fields }))
    let last = -1
    await expect
      .poll(
        () => {
          const isStill = sent > 0 && sent === last
          last = sent
          return isStill
        },
        { interval: 200 },
      )
      .toBe(true)
    app.respond = undefined
    expect(sent).toBeLessThan(mostSent)
    // Gateway, app and client are one process here.
    const grown = process.memoryUsage().rss - before.rss
    expect(grown).toBeLessThan(128 * 1024 ** 2)
    for (let round = 0; round < 20; round += 1) await bobIsServed()
    const held = sent
    expect(upstream?.destroyed).toBe(false)
    // As soon as it reads, it goes on from where it was.
    connection.socket.once('data', () => undefined)
    connection.socket.resume()
    await tenants.world.until(() => sent > held + 32 * 1024 ** 2, 'more of it')
    connection.socket.destroy()
    await tenants.world.until(() => upstream?.destroyed === true, 'the end of both')
  })
})
