/**
 * An upstream on bare TCP that reads one request head behind the other and nothing else: what follows a head, a body included, is to it the
 * next request. Where a gateway trusts such a connection with the request of somebody else, the two get mixed up.
 */

import type { AddressInfo } from 'node:net'
import { createServer, type Socket } from 'node:net'
import type { EchoApp } from './echo-app.ts'

/** What came, as far as it looked like a head. */
export interface SeenHead {
  readonly text: string
  /** Counted from one, in the order in which they were opened. */
  readonly connection: number
}

export interface CarelessApp extends EchoApp {
  readonly heads: readonly SeenHead[]
  /** Connections that are open. */
  open(): number
  /** Is that one, as {@link SeenHead.connection} counts them? */
  isOpen(connection: number): boolean
  /** Writes what it likes instead of the usual answer, where it returns true. */
  respond: ((head: SeenHead, socket: Socket) => boolean) | undefined
}

/** Answers with who asked for what: `<request line> <X-Forwarded-User>`. */
export async function carelessApp(): Promise<CarelessApp> {
  const heads: SeenHead[] = []
  const sockets = new Map<number, Socket>()
  let opened = 0
  let closedBytes = 0
  const server = createServer((socket) => {
    opened += 1
    const connection = opened
    sockets.set(connection, socket)
    let held = ''
    socket.on('error', () => undefined)
    socket.once('close', () => {
      sockets.delete(connection)
      closedBytes += socket.bytesRead
    })
    socket.on('data', (chunk: Buffer) => {
      held += chunk.toString('latin1')
      for (let end = held.indexOf('\r\n\r\n'); end !== -1; end = held.indexOf('\r\n\r\n')) {
        const head = { text: held.slice(0, end), connection }
        held = held.slice(end + 4)
        heads.push(head)
        if (!app.respond?.(head, socket)) socket.write(usualAnswer(head))
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo // It listens on TCP.
  const app: CarelessApp = {
    endpoint: { kind: 'tcp', host: '127.0.0.1', port },
    ...{ port, heads, requests: [], sockets: new Set(), answer: undefined, answerUpgrade: undefined },
    bytes: () => [...sockets.values()].reduce((sum, socket) => sum + socket.bytesRead, closedBytes),
    open: () => sockets.size,
    isOpen: (connection) => sockets.has(connection),
    respond: undefined,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets.values()) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return app
}

export function usualAnswer({ text }: Pick<SeenHead, 'text'>): string {
  const [line = ''] = text.split('\r\n', 1)
  const [, user = 'nobody'] = /\r\nX-Forwarded-User: (.*)/i.exec(text) ?? []
  const body = `${line} ${user}`
  return `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`
}
