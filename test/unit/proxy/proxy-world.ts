/** A real HTTP server that carries everything it gets to one upstream, and keeps what came of it. */
import { createServer as createHttpServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import { connect, createServer as createNetServer, type Server as NetServer, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { GatewayError } from '#errors.ts'
import { RequestHeads } from '#http/end-to-end.ts'
import { ownFields } from '#http/own-fields.ts'
import { ResponseHeads, type ResponsePolicy } from '#http/response-fields.ts'
import { type Clock, systemClock } from '#lib/clock.ts'
import { StreamGroup, StreamIndex } from '#live/streams.ts'
import { forwardRequest } from '#proxy/forward.ts'
import { KeepAliveClient, type KeepAliveOptions } from '#proxy/keep-alive-client.ts'
import type { Lasting } from '#proxy/lasting.ts'
import { Outbox } from '#proxy/outbox.ts'
import type { Outcome, Passage } from '#proxy/passage.ts'
import { rawAnswer } from '#proxy/raw-answer.ts'
import type { BodyLimits } from '#proxy/stall.ts'
import { forwardUpgrade } from '#proxy/upgrade.ts'
import type { Upstream } from '#proxy/upstream.ts'

export const isOwnCookie = (name: string): boolean => name.startsWith('__Host-gatehouse')

export const hostPolicy: ResponsePolicy = {
  publicAuthority: 'nb.ws.example.com',
  hostname: 'nb.ws.example.com',
  publicPrefix: '/',
  upstreamPrefix: '/',
  isOwnCookie,
}

export const added = ['X-Forwarded-User', 'alice', 'X-Forwarded-Proto', 'https']

export interface ProxyWorld extends AsyncDisposable {
  readonly port: number
  readonly group: StreamGroup
  readonly client: KeepAliveClient
  /** How often the upstream was dialled. */
  readonly dials: () => number
  readonly outcomes: Outcome[]
  readonly failures: GatewayError[]
  /** Answers that turned out to be streams. */
  readonly lasting: readonly Lasting[]
  /** From each request's head to its answer's head. */
  readonly answerTimes: readonly number[]
  readonly switched: () => number
  /** Sockets of clients that are open. */
  readonly open: () => number
}

export interface ProxyOptions {
  readonly upstreamPort: number
  readonly clock?: Clock
  readonly policy?: ResponsePolicy
  readonly dial?: Upstream['dial']
  readonly isAuthorizationOurs?: boolean
  readonly bodies?: BodyLimits
  readonly handshakes?: KeepAliveOptions['handshakes']
}

export function dialPort(port: number): Upstream['dial'] {
  return (signal, reading) =>
    new Promise((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, ...(reading && { onread: reading }) })
      signal.addEventListener('abort', () => socket.destroy(), { once: true })
      const fail = () => reject(new GatewayError('upstream_unreachable', 'no connection'))
      socket.once('close', fail)
      socket.once('error', fail)
      socket.once('connect', () => {
        socket.off('error', fail)
        resolve(socket)
      })
    })
}

export async function createProxy(options: ProxyOptions): Promise<ProxyWorld> {
  const ending = new AbortController()
  const clock = options.clock ?? systemClock
  const { handshakes } = options
  const client = new KeepAliveClient({ clock, signal: ending.signal, ...(handshakes && { handshakes }) })
  const group = new StreamGroup({ session: 's', workspace: 'w', part: '1' }, new StreamIndex())
  const bodies = options.bodies ?? { uploadIdle: 60_000, downloadIdle: 300_000 }
  const heads = { requestHeads: new RequestHeads(isOwnCookie), responseHeads: new ResponseHeads() }
  const parts = { client, clock, bodies, ...heads, outbox: new Outbox() }
  const outcomes: Outcome[] = []
  const failures: GatewayError[] = []
  const lasting: Lasting[] = []
  const answerTimes: number[] = []
  let dials = 0
  let switched = 0
  const dial = options.dial ?? dialPort(options.upstreamPort)
  const upstream: Upstream = {
    key: 'one',
    dial(signal, reading) {
      dials += 1
      return dial(signal, reading)
    },
  }
  const passage = (request: IncomingMessage, fail: (error: GatewayError) => void): Passage => ({
    request,
    upstream,
    target: request.url ?? '/',
    own: ownFields(added),
    isAuthorizationOurs: options.isAuthorizationOurs ?? false,
    policy: options.policy ?? hostPolicy,
    group,
    began: clock.now(),
    answerTime: { observe: (span) => void answerTimes.push(span) },
    onFailure(error) {
      failures.push(error)
      fail(error)
    },
    onDone: (outcome) => outcomes.push(outcome),
  })
  const forward =
    (expectsContinue: boolean): RequestListener =>
    (request, response) => {
      const fail = (error: GatewayError) => {
        response.writeHead(error.status, { Connection: 'close', 'Content-Length': error.code.length })
        response.end(error.code)
      }
      const onLasting = (kind: Lasting) => lasting.push(kind)
      forwardRequest(parts, { ...passage(request, fail), response, expectsContinue, onLasting })
    }
  const server = createHttpServer({ keepAliveTimeout: 60_000 })
  server.on('request', forward(false))
  server.on('checkContinue', forward(true))
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const fail = (error: GatewayError) => rawAnswer(socket, { status: error.status, headers: [], body: error.code })
    const onSwitched = () => {
      switched += 1
    }
    forwardUpgrade(parts, { ...passage(request, fail), socket, head, onSwitched })
  })
  const { port, sockets, close } = await listening(server)
  return {
    port,
    group,
    client,
    outcomes,
    failures,
    lasting,
    answerTimes,
    dials: () => dials,
    switched: () => switched,
    open: () => sockets.size,
    async [Symbol.asyncDispose]() {
      ending.abort()
      await close()
    },
  }
}

export interface Listening extends AsyncDisposable {
  readonly port: number
  readonly sockets: ReadonlySet<Socket>
  /** How many connections there were. */
  readonly accepted: () => number
  close(): Promise<void>
}

export async function listening(server: Server | NetServer): Promise<Listening> {
  const sockets = new Set<Socket>()
  let accepted = 0
  server.on('connection', (socket: Socket) => {
    accepted += 1
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.once('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const close = async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise<void>((resolve) => server.close(() => resolve()))
  }
  return {
    port: address !== null && typeof address === 'object' ? address.port : 0,
    sockets,
    accepted: () => accepted,
    close,
    [Symbol.asyncDispose]: close,
  }
}

export function httpUpstream(listener: RequestListener): Promise<Listening> {
  return listening(createHttpServer({ keepAliveTimeout: 60_000 }, listener))
}

/** An upstream that says what it wants, byte by byte. */
export function rawUpstream(onConnection: (socket: Socket) => void): Promise<Listening> {
  return listening(createNetServer(onConnection))
}

/** Answers every request head that comes with these bytes. */
export function answering(bytes: string | Buffer): Promise<Listening> {
  return rawUpstream((socket) => {
    let seen = ''
    socket.on('data', (chunk: Buffer) => {
      seen += chunk.toString('latin1')
      for (let end = seen.indexOf('\r\n\r\n'); end !== -1; end = seen.indexOf('\r\n\r\n')) {
        seen = seen.slice(end + 4)
        socket.write(bytes)
      }
    })
  })
}

export interface RawClient extends Disposable {
  readonly socket: Socket
  readonly text: () => string
  /** Resolves when the text so far matches. */
  until(pattern: RegExp): Promise<string>
  readonly closed: Promise<'end' | 'reset'>
}

/** A client that says what it wants. */
export function rawClient(port: number, send: string | Buffer, { allowHalfOpen = false } = {}): RawClient {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen })
  let text = ''
  const waiting = new Set<() => void>()
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1')
    for (const check of waiting) check()
  })
  socket.on('error', () => undefined)
  const closed = new Promise<'end' | 'reset'>((resolve) => {
    socket.once('end', () => resolve('end'))
    socket.once('close', () => resolve('reset'))
  })
  socket.write(send)
  return {
    socket,
    text: () => text,
    until: (pattern) =>
      new Promise((resolve, reject) => {
        const check = () => {
          if (!pattern.test(text)) return
          waiting.delete(check)
          resolve(text)
        }
        waiting.add(check)
        check()
        void closed.then((how) => reject(new Error(`closed (${how}) before ${pattern}: ${JSON.stringify(text)}`)))
      }),
    closed,
    [Symbol.dispose]: () => socket.destroy(),
  }
}

/** Sends a request that asks to close, and returns the whole answer. */
export async function ask(port: number, head: string, body = ''): Promise<string> {
  using client = rawClient(port, `${head}\r\nHost: nb.ws.example.com\r\nConnection: close\r\n\r\n${body}`)
  await client.closed
  return client.text()
}
