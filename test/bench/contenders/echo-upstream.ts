/** Sends every byte behind the handshake back, which is an echo of frames as they came. Argument: port. */
import { createServer } from 'node:http'
import { acceptKey } from '#http/accept-key.ts'

const server = createServer((_request, response) => response.end('this one speaks WebSocket'))
server.on('upgrade', (request, socket) => {
  const proof = acceptKey(request.headers['sec-websocket-key'] ?? '')
  const head = ['HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade']
  socket.write(`${head.join('\r\n')}\r\nSec-WebSocket-Accept: ${proof}\r\n\r\n`)
  // Unmasked, as a server's frames have to be: the load sends them with a mask of zeroes, whose bytes are left out.
  socket.on('data', (bytes: Buffer) => socket.write(unmasked(bytes)))
  socket.on('error', () => socket.destroy())
})
server.listen({ port: Number(process.argv[2]), host: '127.0.0.1', backlog: 4096 })

/** Frames of less than 126 bytes, whole ones. */
function unmasked(bytes: Buffer): Buffer {
  const frames: Buffer[] = []
  for (let at = 0; at + 6 <= bytes.length; ) {
    const length = (bytes[at + 1] ?? 0) & 0x7f
    frames.push(Buffer.from([bytes[at] ?? 0, length]), bytes.subarray(at + 6, at + 6 + length))
    at += 6 + length
  }
  return Buffer.concat(frames)
}
