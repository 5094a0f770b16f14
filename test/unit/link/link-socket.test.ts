/** Frames on a real WebSocket, at both ends of a link: each is given back when it was written, and not before. */
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { systemClock } from '#lib/clock.ts'
import type { LinkEnd } from '#link/gateway-end.ts'
import { LinkSocket } from '#link/link-socket.ts'
import type { LinkWire } from '#link/stream-table.ts'

async function sockets() {
  const server = createServer()
  const accepting = new WebSocketServer({ server, perMessageDeflate: false })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo // It listens on TCP.
  const connected = once(accepting, 'connection')
  const client = new WebSocket(`ws://127.0.0.1:${port}/`, { perMessageDeflate: false })
  const [atServer]: WebSocket[] = await connected
  if (client.readyState !== client.OPEN) await once(client, 'open')
  if (!atServer) throw new Error('nobody has come')
  return {
    ...{ client, atServer },
    async [Symbol.asyncDispose]() {
      client.terminate()
      atServer.terminate()
      accepting.close()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

const deaf: LinkEnd = { onGone() {}, onRoom() {}, receive() {} }

for (const sender of ['client', 'atServer'] as const) {
  test(`what the ${sender === 'client' ? 'agent' : 'gateway'} says arrives as it was, to somebody who is asleep at first, and none of it is kept`, async () => {
    await using pair = await sockets()
    const other = pair[sender === 'client' ? 'atServer' : 'client']
    const wires: LinkWire[] = []
    const endBy = (wire: LinkWire) => {
      wires.push(wire)
      return deaf
    }
    const link = new LinkSocket({ socket: pair[sender], clock: systemClock, endBy, onClosed: () => undefined })
    other.pause()
    const sizes = Array.from({ length: 200 }, (_, at) => (at % 4 === 0 ? 2_000 : 65_545))
    const frames = sizes.map((size) => {
      const frame = Buffer.allocUnsafeSlow(size)
      randomBytes(size).copy(frame)
      return frame
    })
    const said = createHash('sha256').update(Buffer.concat(frames)).digest('hex')
    const came: Buffer[] = []
    const all = new Promise<void>((resolve) => {
      other.on('message', (data: Buffer) => {
        came.push(Buffer.from(data))
        if (came.length === frames.length) resolve()
      })
    })
    for (const frame of frames) wires[0]?.send(frame)
    await wait(50)
    // Whatever waits is whole.
    const waiting = frames.reduce((sum, { length }) => sum + length, 0)
    expect(waiting).toBeGreaterThanOrEqual(pair[sender].bufferedAmount)
    expect(pair[sender].bufferedAmount).toBeGreaterThan(1_000_000)
    other.resume()
    await all
    expect(createHash('sha256').update(Buffer.concat(came)).digest('hex')).toBe(said)
    await expect.poll(() => frames.filter(({ length }) => length > 16_384).length).toBe(0)
    link.close({ code: 1000, reason: 'done' })
  })
}
