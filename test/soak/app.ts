/**
 * An app of a workspace as a program of its own, so that what it holds counts for nobody else. Argument: port. Speaks as much as tabs of JupyterLab
 * need: files, small answers, uploads that are read to their end, an echo by WebSocket, a WebSocket that is silent, and one that is refused.
 */
import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import { WebSocketServer } from 'ws'

const file = randomBytes(48 * 1024)

const server = createServer((request, response) => {
  let received = 0
  request.on('data', (piece: Buffer) => {
    received += piece.length
  })
  request.on('end', () => {
    if (request.url?.startsWith('/static/')) {
      response.setHeader('content-type', 'application/octet-stream')
      response.end(file)
      return
    }
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ url: request.url, received }))
  })
})
const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false })
server.on('upgrade', (request, socket, head) => {
  if (request.url?.startsWith('/refused')) {
    socket.on('error', () => undefined)
    socket.end('HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nno')
    return
  }
  sockets.handleUpgrade(request, socket, head, (webSocket) => {
    if (request.url?.startsWith('/echo'))
      webSocket.on('message', (data, isBinary) => webSocket.send(data, { binary: isBinary }))
  })
})
server.listen({ port: Number(process.argv[2]), host: '127.0.0.1', backlog: 4096 })
process.once('disconnect', () => process.exit(0))
