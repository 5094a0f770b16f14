/** One real listener on a free loopback port, and clients that send what they like. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { connect as connectTls } from 'node:tls'
import type { Connection } from '#http/connection.ts'
import type { TurnShare } from '#lib/turn-share.ts'
import { createLog } from '#observe/log.ts'
import { Crowd } from '#server/crowd.ts'
import type { ListenerHandlers, ListenerRefusal } from '#server/door.ts'
import { type Listener, type ListenerParts, openListener } from '#server/listener.ts'
import type { ListenerSettings } from '#settings/settings.ts'
import { type FakeClock, fakeClock } from '#test/support/fake-clock.ts'
import { type MemoryLines, memoryLines } from '#test/support/memory-lines.ts'

export interface Seen {
  readonly event: 'request' | 'checkContinue' | 'upgrade'
  readonly method: string | undefined
  readonly target: string | undefined
  readonly rawHeaders: readonly string[]
  readonly connection: Connection
}

export interface ListenerWorld extends AsyncDisposable {
  readonly listener: Listener
  readonly port: number
  /** What reached a handler. */
  readonly seen: readonly Seen[]
  /** What the listener refused by itself. */
  readonly refused: readonly ListenerRefusal[]
  readonly lines: MemoryLines
  readonly clock: FakeClock
  /** Ends the listener by its signal. */
  end(): void
  /** A raw connection; errors of it are nobody's. */
  connect(): Promise<Socket>
  /** Sends bytes and reads until the server has closed. */
  exchange(bytes: string | Uint8Array): Promise<string>
}

export const plain: ListenerSettings = {
  ...{ kind: 'plain', host: '127.0.0.1', port: 0, http2: false, proxyProtocol: { trusted: [] } },
}

export interface WorldOptions {
  readonly settings?: ListenerSettings
  readonly handlers?: Partial<ListenerHandlers>
  readonly limits?: Partial<ListenerParts['limits']>
  readonly turns?: TurnShare
}

export function listenerParts(signal: AbortSignal, clock: FakeClock, lines: MemoryLines): ListenerParts {
  let requests = 0
  return {
    limits: {
      ...{ headerBytes: 16_384, headerFields: 200, headerTimeout: 10_000, keepAlive: 65_000 },
      ...{ peerProbe: 30_000, streamsPerConnection: 128 },
    },
    crowd: new Crowd({ most: 10_000, isExempt: () => false }),
    clock,
    log: createLog({ level: 'debug', clock, sink: lines }),
    newRequestId: () => {
      requests += 1
      return `request-${requests}`
    },
    signal,
  }
}

/** Handlers answer `hello`, and an upgrade with 101 and then whatever they get, unless the test brings its own. */
export async function listenerWorld(options: WorldOptions = {}): Promise<ListenerWorld> {
  const owner = new AbortController()
  const clock = fakeClock()
  const lines = memoryLines()
  const seen: Seen[] = []
  const refused: ListenerRefusal[] = []
  const parts = listenerParts(owner.signal, clock, lines)
  const handlers = { ...echoing, ...options.handlers }
  const listener = await openListener(
    options.settings ?? plain,
    {
      request(request, response, connection) {
        seen.push(seenOf('request', request, connection))
        handlers.request(request, response, connection)
      },
      checkContinue(request, response, connection) {
        seen.push(seenOf('checkContinue', request, connection))
        handlers.checkContinue(request, response, connection)
      },
      upgrade(request, socket, head, connection) {
        seen.push(seenOf('upgrade', request, connection))
        handlers.upgrade(request, socket, head, connection)
      },
      refused: (refusal) => void refused.push(refusal),
    },
    { ...parts, limits: { ...parts.limits, ...options.limits }, ...(options.turns && { turns: options.turns }) },
  )
  const open = async () => {
    const socket = connect({ port: listener.port, host: '127.0.0.1', allowHalfOpen: true })
    socket.on('error', () => undefined)
    await once(socket, 'connect')
    return socket
  }
  return {
    listener,
    port: listener.port,
    seen,
    refused,
    lines,
    clock,
    end: () => owner.abort(),
    connect: open,
    async exchange(bytes) {
      const socket = await open()
      socket.write(bytes)
      return received(socket)
    },
    async [Symbol.asyncDispose]() {
      owner.abort()
      await listener.closed
    },
  }
}

const echoing: ListenerHandlers = {
  request: (_request, response) => void response.end('hello'),
  checkContinue(request, response) {
    response.writeContinue()
    request.resume()
    request.once('end', () => response.end('continued'))
  },
  upgrade(_request, socket, head) {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n')
    socket.write(head)
    socket.pipe(socket)
  },
}

function seenOf(
  event: Seen['event'],
  request: Parameters<ListenerHandlers['request']>[0],
  connection: Connection,
): Seen {
  const { method, url, rawHeaders } = request
  return { event, method, target: url, rawHeaders, connection }
}

/** Everything until the other side has closed, or `end` has come. A connection that is reset gives what came before. */
export async function received(socket: Socket, end?: string): Promise<string> {
  if (end === undefined) return text(socket).catch(() => '')
  let all = ''
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    all += String(chunk)
    if (all.includes(end)) break
  }
  return all
}

export interface TlsClient {
  readonly ca: string
  readonly servername?: string
}

/** The names in the certificate that the server shows, and what it answers to `GET /`. */
export async function askByTls(
  port: number,
  client: TlsClient,
  before?: Uint8Array,
): Promise<{ names: string; answer: string }> {
  const raw = connect({ port, host: '127.0.0.1' })
  raw.on('error', () => undefined)
  await once(raw, 'connect')
  if (before) raw.write(before)
  const socket = connectTls({
    socket: raw,
    ca: client.ca,
    servername: client.servername ?? '',
    checkServerIdentity: () => undefined,
  })
  socket.on('error', () => undefined)
  await once(socket, 'secureConnect')
  const names = socket.getPeerX509Certificate()?.subjectAltName ?? ''
  socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  return { names, answer: await received(socket) }
}
