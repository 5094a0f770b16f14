/** The client's end of a tunnel's handshake, over a connection that somebody else has made: straight, through a proxy, with TLS or without. */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { WebSocket } from 'ws'
import type { Milliseconds } from '#lib/clock.ts'
import { resumeProtocol } from '#resume/frames.ts'
import type { Secret } from '#settings/secret.ts'
import { type Dialect, instanceHeader, longestMessage, streamHeader, tunnelProtocol } from './protocol.ts'

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
}

export interface WishedStream {
  readonly aim: 'open' | 'resume'
  readonly id: Secret
}

export type OpenedTunnel =
  | {
      readonly kind: 'open'
      readonly socket: WebSocket
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

/** Rejects when the connection breaks, or what answers speaks no HTTP. Nothing is read from the socket until it is resumed, as a bridge does. */
export function openTunnel(wish: TunnelWish): Promise<OpenedTunnel> {
  const { connection, authority, target, authorization, stream } = wish
  // What encrypts is below it already.
  const socket = new WebSocket(`ws://${authority}${target}`, [...offeredBy(stream)], {
    createConnection: () => connection,
    headers: {
      ...{ Host: authority, Authorization: authorization, 'User-Agent': 'gatehouse' },
      ...(stream ? { [streamHeader]: `${stream.aim} ${stream.id.reveal()}` } : {}),
    },
    ...{ perMessageDeflate: false, maxPayload: longestMessage, autoPong: false, handshakeTimeout: longestHandshake },
    ...{ maxFragments: 16, maxBufferedChunks: 1024 },
  })
  return new Promise((resolve, reject) => {
    let instance: string | undefined
    const fail = (error: Error) => {
      connection.destroy()
      reject(error)
    }
    socket.once('error', fail)
    socket.once('upgrade', (answer) => {
      instance = fieldOf(answer, instanceHeader)
    })
    socket.once('open', () => {
      socket.off('error', fail)
      // What has come with the answer waits for whoever is told of it.
      socket.pause()
      resolve({ kind: 'open', socket, dialect: socket.protocol === resumeProtocol ? 'resume' : 'tunnel', instance })
    })
    socket.once('unexpected-response', (_request, answer) => {
      textOf(answer).then((body) => {
        connection.destroy()
        const { statusCode: status = 0 } = answer
        const contentType = fieldOf(answer, 'content-type') ?? ''
        resolve({ kind: 'refused', status, contentType, requestId: fieldOf(answer, 'x-request-id'), body })
      }, fail)
    })
  })
}

/** One that goes on has nothing to fall back to. */
function offeredBy(stream: WishedStream | undefined): readonly string[] {
  if (stream?.aim === 'resume') return [resumeProtocol]
  return stream ? [resumeProtocol, tunnelProtocol] : [tunnelProtocol]
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
