/** Accepts every WebSocket and says nothing. Argument: port. */
import { createServer } from 'node:http'
import { WebSocketServer } from 'ws'

const server = createServer((_request, response) => response.end('this one speaks WebSocket'))
const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false })
server.on('upgrade', (request, socket, head) => sockets.handleUpgrade(request, socket, head, () => undefined))
server.listen({ port: Number(process.argv[2]), host: '127.0.0.1', backlog: 4096 })
