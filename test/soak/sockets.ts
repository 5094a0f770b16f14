/** WebSockets as bytes: thousands of them cost the process that opens them next to nothing. */
import { connect, type Socket } from 'node:net'
import type { Visiting } from './orders.ts'

export interface Handshake {
  readonly port: number
  readonly to: Visiting
  readonly path: string
}

export function handshakeText({ to, path }: Pick<Handshake, 'to' | 'path'>): string {
  const fields = [
    `GET ${path} HTTP/1.1`,
    ...[`Host: ${to.host}`, `Cookie: ${to.cookie}`, `Origin: http://${to.host}`],
    ...['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13'],
    'Sec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==',
  ]
  return `${fields.join('\r\n')}\r\n\r\n`
}

/** Resolves with the status of the answer: 101 and an open socket, or a refusal and one that closes. Rejects when it breaks before. */
export function shakeHands(handshake: Handshake): Promise<{ readonly socket: Socket; readonly status: number }> {
  return new Promise((resolve, reject) => {
    const socket = connect(handshake.port, '127.0.0.1')
    let head = ''
    const gone = () => reject(new Error('closed before an answer'))
    const read = (chunk: Buffer) => {
      head += chunk.toString('latin1')
      if (!head.includes('\r\n\r\n')) return
      socket.off('data', read).off('close', gone)
      resolve({ socket, status: Number(head.slice(9, 12)) })
    }
    socket.on('error', () => undefined)
    socket.on('data', read).once('close', gone)
    socket.write(handshakeText(handshake))
  })
}

/** So many at a time, until all are there. Throws when one is refused. */
export async function openMany(handshake: Handshake, count: number, atOnce: number): Promise<readonly Socket[]> {
  const sockets: Socket[] = []
  const remaining = Array.from({ length: count }).values()
  const worker = async () => {
    for (const _ of remaining) {
      const { socket, status } = await shakeHands(handshake)
      if (status !== 101) throw new Error(`refused with ${status}`)
      sockets.push(socket.resume())
    }
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  return sockets
}

/** A text frame as clients send them, its mask all zeros (RFC 6455 section 5.2); at most 125 bytes. */
export function textFrame(text: string): Buffer {
  const payload = Buffer.from(text)
  return Buffer.concat([Buffer.from([0x81, 0x80 | payload.length, 0, 0, 0, 0]), payload])
}
