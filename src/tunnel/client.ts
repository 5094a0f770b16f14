/** The client's end of a tunnel's handshake, over a connection that somebody else has made: straight, through a proxy, with TLS or without. */
import { randomBytes } from 'node:crypto'
import { type IncomingMessage, request } from 'node:http'
import type { Duplex } from 'node:stream'
import { hasAccepted, valuesOf } from '#http/accept-key.ts'
import type { Clock, Milliseconds } from '#lib/clock.ts'
import { instanceHeader, tunnelProtocol } from './protocol.ts'
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
  readonly clock: Clock
}

export type OpenedTunnel =
  | {
      readonly kind: 'open'
      readonly socket: TunnelSocket
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

/** Rejects when the connection breaks, or what answers speaks no HTTP. Nothing is read from the socket until it is used, as a bridge does. */
export function openTunnel(wish: TunnelWish): Promise<OpenedTunnel> {
  const { connection, authority, target, authorization, clock } = wish
  const key = randomBytes(16).toString('base64')
  const asked = request({
    createConnection: () => connection,
    path: target,
    setHost: false,
    headers: {
      ...{ Host: authority, Authorization: authorization, 'User-Agent': 'gatehouse' },
      ...{ Connection: 'Upgrade', Upgrade: 'websocket' },
      ...{ 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': key, 'Sec-WebSocket-Protocol': tunnelProtocol },
    },
  })
  return new Promise((resolve, reject) => {
    const timer = clock.after(longestHandshake, () => fail(new Error('the handshake took too long')))
    const fail = (error: Error) => {
      timer[Symbol.dispose]()
      asked.destroy()
      connection.destroy()
      reject(error)
    }
    asked.on('error', fail)
    asked.once('upgrade', (answer, socket, head) => {
      timer[Symbol.dispose]()
      if (!hasAgreed(answer.rawHeaders, key)) {
        socket.on('error', () => undefined)
        fail(new Error('the gateway switched to something else than was asked for'))
        return
      }
      const opened = new TunnelSocket({ socket, head, end: 'client', clock })
      resolve({ kind: 'open', socket: opened, instance: fieldOf(answer, instanceHeader) })
    })
    asked.once('response', (answer) => {
      textOf(answer).then((body) => {
        timer[Symbol.dispose]()
        connection.destroy()
        const { statusCode: status = 0 } = answer
        const contentType = fieldOf(answer, 'content-type') ?? ''
        resolve({ kind: 'refused', status, contentType, requestId: fieldOf(answer, 'x-request-id'), body })
      }, fail)
    })
    asked.end()
  })
}

/** Our subprotocol, and no extension, since none was offered. */
function hasAgreed(headers: readonly string[], key: string): boolean {
  const protocols = valuesOf(headers, 'sec-websocket-protocol')
  const extensions = valuesOf(headers, 'sec-websocket-extensions')
  return (
    hasAccepted(headers, key) &&
    protocols.length === 1 &&
    protocols[0] === tunnelProtocol &&
    extensions.every((value) => value === '')
  )
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
