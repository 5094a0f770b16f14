/** The client's end of a tunnel's handshake, over a connection that somebody else has made: straight, through a proxy, with TLS or without. */
import { randomBytes } from 'node:crypto'
import { type IncomingMessage, request } from 'node:http'
import type { Duplex } from 'node:stream'
import { hasAccepted, valuesOf } from '#http/accept-key.ts'
import type { Clock, Milliseconds } from '#lib/clock.ts'
import { resumeProtocol } from '#resume/frames.ts'
import type { Secret } from '#settings/secret.ts'
import { type Dialect, instanceHeader, streamAgeHeader, streamHeader, tunnelProtocol } from './protocol.ts'
import { TunnelSocket } from './tunnel-socket.ts'

export interface TunnelWish {
  /** Ready for HTTP/1.1. It is the tunnel's from here on. */
  readonly connection: Duplex
  /** `host[:port]` of the gateway. */
  readonly authority: string
  /** Path and query, as the gateway has it. */
  readonly target: string
  /** The value of that field. */
  readonly authorization: string
  /** One that is to outlive this connection: it begins, or goes on. */
  readonly stream?: WishedStream | undefined
  readonly clock: Clock
  /** Of the handshake alone. */
  readonly signal?: AbortSignal | undefined
}

export interface WishedStream {
  readonly aim: 'open' | 'resume'
  readonly id: Secret
  /** For how long there has been one; 0 of one that begins. */
  readonly age: Milliseconds
}

export type OpenedTunnel =
  | {
      readonly kind: 'open'
      readonly socket: TunnelSocket
      readonly dialect: Exclude<Dialect, 'plain'>
      /** Which run of the workspace it leads to, where the gateway says so. */
      readonly instance: string | undefined
    }
  | {
      readonly kind: 'refused'
      readonly status: number
      readonly contentType: string
      readonly requestId: string | undefined
      readonly body: string
    }

/** The gateway finds a place and connects before it answers. */
const longestHandshake: Milliseconds = 30_000
const longestBody = 65_536

/** Rejects when the connection breaks, what answers speaks no HTTP, or the signal is aborted. Nothing is read from the socket until it is used, as a bridge does. */
export function openTunnel(wish: TunnelWish): Promise<OpenedTunnel> {
  const { connection, authority, target, authorization, stream, clock, signal } = wish
  const offered = offeredBy(stream)
  const key = randomBytes(16).toString('base64')
  const asked = request({
    createConnection: () => connection,
    path: target,
    setHost: false,
    headers: {
      ...{ Host: authority, Authorization: authorization, 'User-Agent': 'gatehouse' },
      ...{ Connection: 'Upgrade', Upgrade: 'websocket' },
      ...{ 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': key, 'Sec-WebSocket-Protocol': offered.join(', ') },
      ...(stream ? fieldsOf(stream) : {}),
    },
  })
  return new Promise((resolve, reject) => {
    const timer = clock.after(longestHandshake, () => fail(new Error('the handshake took too long')))
    const stop = () => fail(new Error('given up', { cause: signal?.reason }))
    const leave = () => {
      timer[Symbol.dispose]()
      signal?.removeEventListener('abort', stop)
    }
    const fail = (error: Error) => {
      leave()
      asked.destroy()
      connection.destroy()
      reject(error)
    }
    asked.on('error', fail)
    asked.once('upgrade', (answer, socket, head) => {
      leave()
      const protocol = agreedIn(answer.rawHeaders, key)
      if (protocol === undefined || !offered.includes(protocol)) {
        socket.on('error', () => undefined)
        fail(new Error('the gateway switched to something else than was asked for'))
        return
      }
      const opened = new TunnelSocket({ socket, head, end: 'client', clock })
      resolve({ kind: 'open', socket: opened, dialect: dialectOf(protocol), instance: fieldOf(answer, instanceHeader) })
    })
    asked.once('response', (answer) => {
      textOf(answer).then((body) => {
        leave()
        connection.destroy()
        const { statusCode: status = 0 } = answer
        const contentType = fieldOf(answer, 'content-type') ?? ''
        resolve({ kind: 'refused', status, contentType, requestId: fieldOf(answer, 'x-request-id'), body })
      }, fail)
    })
    asked.end()
    if (signal?.aborted) stop()
    else signal?.addEventListener('abort', stop, { once: true })
  })
}

function fieldsOf({ aim, id, age }: WishedStream) {
  return { [streamHeader]: `${aim} ${id.reveal()}`, [streamAgeHeader]: String(Math.max(0, Math.round(age))) }
}

/** One that goes on has nothing to fall back to. */
function offeredBy(stream: WishedStream | undefined): readonly string[] {
  if (stream?.aim === 'resume') return [resumeProtocol]
  return stream ? [resumeProtocol, tunnelProtocol] : [tunnelProtocol]
}

function dialectOf(protocol: string): 'tunnel' | 'resume' {
  return protocol === resumeProtocol ? 'resume' : 'tunnel'
}

/** The subprotocol; `undefined` where it is no answer to this handshake, or there is an extension, since none was offered. */
function agreedIn(headers: readonly string[], key: string): string | undefined {
  const [protocol, ...more] = valuesOf(headers, 'sec-websocket-protocol')
  const extensions = valuesOf(headers, 'sec-websocket-extensions')
  const isFit = hasAccepted(headers, key) && more.length === 0 && extensions.every((value) => value === '')
  return isFit ? protocol : undefined
}

function fieldOf({ headers }: IncomingMessage, name: string): string | undefined {
  const value = headers[name.toLowerCase()]
  return typeof value === 'string' ? value : undefined
}

async function textOf(answer: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = []
  let length = 0
  for await (const chunk of answer) {
    const piece = Buffer.from(chunk)
    length += piece.length
    if (length > longestBody) throw new Error('the answer is too long')
    pieces.push(piece)
  }
  return Buffer.concat(pieces).toString()
}
