/** Which version of HTTP a connection speaks: in TLS the two have agreed on it, elsewhere the first bytes tell. */
import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { Clock, Milliseconds } from '#lib/clock.ts'

/** Takes a connection that speaks HTTP/2, with nothing of it read. */
type Take = (socket: Socket) => void

/** By ALPN (RFC 7301), where both are offered. To be called while nobody but the server itself waits for connections of it. */
export function forkByProtocol(server: Server, take: Take): void {
  const behind = server.listeners('secureConnection')
  server.removeAllListeners('secureConnection')
  server.on('secureConnection', (socket: Socket) => {
    // Later in this turn, when it is known whose connection it is.
    if (socket instanceof TLSSocket && socket.alpnProtocol === 'h2') queueMicrotask(() => take(socket))
    else for (const listener of behind) Reflect.apply(listener, server, [socket])
  })
}

/** What a client begins with that knows beforehand whom it talks to (RFC 9113 section 3.4). */
const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')

/** By prior knowledge: the way balancers talk. To be called as {@link forkByProtocol}. `within`: a client that says nothing for so long has none. */
export function forkByPreface(server: Server, take: Take, clock: Clock, within: Milliseconds): void {
  const behind = server.listeners('connection')
  server.removeAllListeners('connection')
  const enter = async (socket: Socket) => {
    const version = await readVersion(socket, clock, within)
    if (socket.destroyed) return
    if (version === 'http/2') take(socket)
    else if (version === 'http/1') for (const listener of behind) Reflect.apply(listener, server, [socket])
    else socket.destroy()
  }
  server.on('connection', (socket: Socket) => void enter(socket))
}

type Version = 'http/1' | 'http/2' | 'unknown'

/** Never rejects. What was read is put back. */
function readVersion(socket: Socket, clock: Clock, within: Milliseconds): Promise<Version> {
  return new Promise((resolve) => {
    const settle = (version: Version) => {
      timer[Symbol.dispose]()
      socket.off('readable', read).off('end', leave).off('close', leave)
      resolve(version)
    }
    const leave = () => settle('unknown')
    const timer = clock.after(within, leave)
    let received: Buffer = Buffer.alloc(0)
    const read = () => {
      const chunk: unknown = socket.read()
      if (!(chunk instanceof Buffer)) return
      received = Buffer.concat([received, chunk])
      const compared = Math.min(received.length, preface.length)
      const isPreface = received.compare(preface, 0, compared, 0, compared) === 0
      if (isPreface && compared < preface.length) return
      socket.unshift(received)
      settle(isPreface ? 'http/2' : 'http/1')
    }
    socket.on('readable', read).on('end', leave).on('close', leave)
  })
}
