/** An app that answers with what it was asked, and remembers every byte that reached it. Speaks HTTP, WebSocket and server-sent events. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'
import type { Endpoint } from '#runtime/contract.ts'

/** What the app saw of one request. */
export interface Echo {
  readonly app: string
  readonly method: string
  readonly url: string
  /** Flat and raw. */
  readonly rawHeaders: readonly string[]
  readonly body: string
}

export interface EchoApp extends AsyncDisposable {
  readonly endpoint: Endpoint
  readonly port: number
  /** Bytes that reached it on all connections, and the connections themselves. */
  bytes(): number
  readonly requests: readonly Echo[]
  readonly sockets: ReadonlySet<WebSocket>
  /** Answers instead of the echo where it returns true. */
  answer: ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined
  /** Answers an upgrade instead of the echo where it returns true; `head` is what came behind the handshake. */
  answerUpgrade: ((request: IncomingMessage, socket: Duplex, head: Buffer) => boolean) | undefined
}

export function headersOf(echo: Pick<Echo, 'rawHeaders'>, name: string): readonly string[] {
  const values: string[] = []
  echo.rawHeaders.forEach((field, index) => {
    if (index % 2 === 0 && field.toLowerCase() === name.toLowerCase()) values.push(echo.rawHeaders[index + 1] ?? '')
  })
  return values
}

export async function echoApp(name = 'app'): Promise<EchoApp> {
  const requests: Echo[] = []
  const connections = new Set<Socket>()
  let closedBytes = 0
  const server = createServer()
  const sockets = new WebSocketServer({ noServer: true, handleProtocols: (offered) => [...offered][0] ?? false })
  const note = (request: IncomingMessage, body: string) => {
    const { method = '', url = '', rawHeaders } = request
    const echo: Echo = { app: name, method, url, rawHeaders, body }
    requests.push(echo)
    return echo
  }
  server.on('connection', (socket) => {
    connections.add(socket)
    socket.once('close', () => {
      connections.delete(socket)
      closedBytes += socket.bytesRead
    })
  })
  server.on('request', (request, response) => {
    if (app.answer?.(request, response)) return
    if (request.url?.includes('/events')) return sendEvents(request, response, () => note(request, ''))
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify(note(request, Buffer.concat(chunks).toString('latin1'))))
    })
  })
  server.on('upgrade', (request, socket, head) => {
    note(request, '')
    if (app.answerUpgrade?.(request, socket, head)) return
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      webSocket.on('message', (data, isBinary) => webSocket.send(data, { binary: isBinary }))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo // It listens on TCP.
  const app: EchoApp = {
    endpoint: { kind: 'tcp', host: '127.0.0.1', port },
    port,
    bytes: () => [...connections].reduce((sum, socket) => sum + socket.bytesRead, closedBytes),
    requests,
    sockets: sockets.clients,
    answer: undefined,
    answerUpgrade: undefined,
    async [Symbol.asyncDispose]() {
      for (const socket of connections) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return app
}

/** One event at once, and then silence. */
function sendEvents(_request: IncomingMessage, response: ServerResponse, note: () => Echo): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.write(`data: ${JSON.stringify(note().url)}\n\n`)
}
