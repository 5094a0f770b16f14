/** An app that speaks HTTP byte by byte, over TCP or a Unix socket: what no server library would say, and when it wants to. */
import { mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Endpoint } from '#runtime/contract.ts'

/** The app's end of one connection. Text is Latin-1, a character a byte. */
export interface AppWire {
  readonly socket: Socket
  /** The next request's head, without the empty line behind it. Rejects when the connection is over before. */
  head(): Promise<string>
  /** As much of what follows. */
  take(length: number): Promise<string>
  /** Up to and with this text. */
  until(text: string): Promise<string>
  /** What came and was not taken yet. */
  readonly pending: string
  send(bytes: string | Buffer): void
  /** When the gateway has no more to say, or is gone. */
  readonly over: Promise<void>
}

export interface RawApp extends AsyncDisposable {
  readonly endpoint: Endpoint
  /** Connections on which anything was said; probes say nothing. */
  readonly connections: readonly AppWire[]
}

/** `serve` is called once for each connection; whatever it waits for is over with the connection, and then nobody minds how it ends. */
export async function rawApp(kind: 'tcp' | 'unix', serve: (wire: AppWire) => Promise<void> | void): Promise<RawApp> {
  const connections: AppWire[] = []
  const sockets = new Set<Socket>()
  const failures: unknown[] = []
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    const wire = wireOf(socket)
    socket.once('data', () => connections.push(wire))
    Promise.resolve(serve(wire)).catch((error: unknown) => {
      if (error !== over) failures.push(error)
      socket.destroy()
    })
  })
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-raw-app-'))
  const endpoint = await listen(server, kind, join(folder, 'app.sock'))
  return {
    endpoint,
    connections,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
      rmSync(folder, { recursive: true })
      if (failures.length > 0) throw failures[0]
    },
  }
}

/** Answers each request, whose body must have a Content-Length or none, with what `answer` makes of it. */
export function rawServer(
  kind: 'tcp' | 'unix',
  answer: (head: string, body: string) => string | Buffer,
): Promise<RawApp> {
  return rawApp(kind, async (wire) => {
    for (;;) {
      const head = await wire.head()
      const [, length = '0'] = /\r\nContent-Length: (\d+)/i.exec(head) ?? []
      wire.send(answer(head, await wire.take(Number(length))))
    }
  })
}

function listen(server: Server, kind: 'tcp' | 'unix', path: string): Promise<Endpoint> {
  return new Promise((resolve) => {
    if (kind === 'unix') server.listen(path, () => resolve({ kind, path }))
    else
      server.listen(0, '127.0.0.1', () => {
        const { port } = server.address() as AddressInfo // It listens on TCP.
        resolve({ kind, host: '127.0.0.1', port })
      })
  })
}

const over = new Error('the connection is over')

function wireOf(socket: Socket): AppWire {
  let pending = ''
  let isOver = false
  const waiting = new Set<() => void>()
  const wake = () => {
    for (const waiter of [...waiting]) waiter()
  }
  const ended = Promise.withResolvers<void>()
  const end = () => {
    isOver = true
    ended.resolve()
    wake()
  }
  socket.on('data', (bytes: Buffer) => {
    pending += bytes.toString('latin1')
    wake()
  })
  // 'close' follows an error.
  socket.on('error', () => undefined)
  socket.once('end', end).once('close', end)
  /** `length` says how much of it is due, `undefined` for as long as that is not known. */
  const taking = (lengthOf: () => number | undefined) =>
    new Promise<string>((resolve, reject) => {
      const look = () => {
        const length = lengthOf()
        if (length === undefined && !isOver) return
        waiting.delete(look)
        if (length === undefined) return reject(over)
        const text = pending.slice(0, length)
        pending = pending.slice(length)
        resolve(text)
      }
      waiting.add(look)
      look()
    })
  const until = (text: string) =>
    taking(() => {
      const at = pending.indexOf(text)
      return at === -1 ? undefined : at + text.length
    })
  return {
    socket,
    head: async () => (await until('\r\n\r\n')).slice(0, -4),
    take: (length) => taking(() => (pending.length >= length ? length : undefined)),
    until,
    get pending() {
      return pending
    },
    send: (bytes) => void socket.write(bytes, 'latin1'),
    over: ended.promise,
  }
}
