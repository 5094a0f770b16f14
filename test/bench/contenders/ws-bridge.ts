/** A bridge from a WebSocket to a TCP port by `ws`, with back-pressure and nothing else: what a tunnel costs at least. Says its port. */
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { WebSocketServer } from 'ws'

const [upstream] = process.argv.slice(2)
const server = createServer()
const sockets = new WebSocketServer({ server, perMessageDeflate: false })
sockets.on('connection', (socket) => {
  const far = connect({ port: Number(upstream), host: '127.0.0.1', noDelay: true })
  socket.binaryType = 'nodebuffer'
  socket.on('message', (data: Buffer) => {
    if (!far.write(data)) socket.pause()
  })
  far.on('drain', () => socket.resume())
  far.on('data', (bytes: Buffer) => {
    socket.send(bytes, () => far.resume())
    if (socket.bufferedAmount > 262_144) far.pause()
  })
  far.on('error', () => socket.terminate()).on('close', () => socket.close())
  socket.on('error', () => undefined).on('close', () => far.destroy())
})
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo // It listens on TCP.
  process.stdout.write(`${JSON.stringify({ port })}\n`)
})
