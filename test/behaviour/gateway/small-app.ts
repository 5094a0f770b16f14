/** An app that a test writes itself: it may come late, fail, or keep silent. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Endpoint } from '#runtime/contract.ts'

export type Handler = (request: IncomingMessage, response: ServerResponse) => void

export interface SmallApp extends AsyncDisposable {
  readonly endpoint: Endpoint
  readonly server: Server
  readonly sockets: ReadonlySet<Socket>
}

/** 0: any free port. */
export async function smallApp(handler: Handler, port = 0): Promise<SmallApp> {
  const server = createServer(handler)
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  const address = server.address() as AddressInfo // It listens on TCP.
  return {
    endpoint: { kind: 'tcp', host: '127.0.0.1', port: address.port },
    server,
    sockets,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** An app whose answer to every upgrade is the test's own, byte by byte. */
export async function upgradingApp(onUpgrade: (request: IncomingMessage, socket: Duplex) => void): Promise<SmallApp> {
  const app = await smallApp((_request, response) => response.end('plain'))
  app.server.on('upgrade', (request, socket) => {
    // 'close' follows.
    socket.on('error', () => undefined)
    // A Node server keeps its half open until told otherwise.
    socket.on('end', () => socket.end()).resume()
    onUpgrade(request, socket)
  })
  return app
}
