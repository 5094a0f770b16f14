/** Both ends of the handshake of a link. Whether there is to be one was decided before: here it is only carried out. */
import { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { WebSocket, WebSocketServer } from 'ws'
import { GatewayError } from '#errors.ts'
import type { ClientRequest } from '#http/messages.ts'
import type { Milliseconds } from '#lib/clock.ts'
import { holdProtocol, linkProtocol, longestFrame } from './frames.ts'

/** Of an answer: which of several replicas it is, by a word that is another one after each start and leads nowhere. */
const replicaHeader = 'Gatehouse-Replica'
/** Of a request: the replica that its sender would not come to, since he is there already. It refuses him then. */
export const butNotHeader = 'Gatehouse-But-Not'

const replicaForm = /^[A-Za-z0-9_-]{1,64}$/

export interface LinkHandshake {
  readonly request: ClientRequest
  readonly socket: Duplex
  /** What came behind the request. */
  readonly head: Buffer
  /** `undefined`: there is no other one. */
  readonly replica: string | undefined
}

/** Answers 101. `undefined`: the agent has left, or `ws` has refused what `readHandshake` took; the socket is closed in either case. */
export function acceptLink({ request, socket, head, replica }: LinkHandshake): WebSocket | undefined {
  const server = new WebSocketServer({
    ...{ noServer: true, clientTracking: false, perMessageDeflate: false, maxPayload: longestFrame },
    // Neither a message in crumbs nor one of crumbs takes more memory than a whole one.
    ...{ maxFragments: 16, maxBufferedChunks: 1024 },
    // Who asks and does not read the answers is not to fill our memory with them.
    autoPong: false,
    handleProtocols: (offered) => (offered.has(holdProtocol) ? holdProtocol : linkProtocol),
  })
  // A handshake comes by HTTP/1.1 alone, as Node parsed it.
  if (!(request instanceof IncomingMessage)) throw new GatewayError('internal', 'a handshake by another way')
  if (replica !== undefined) server.on('headers', (lines) => lines.push(`${replicaHeader}: ${replica}`))
  let accepted: WebSocket | undefined
  server.handleUpgrade(request, socket, head, (webSocket) => {
    accepted = webSocket
  })
  return accepted
}

export interface LinkWish {
  /** Ready for HTTP/1.1. It is the link's from here on. */
  readonly connection: Duplex
  /** `host[:port]` of the gateway. */
  readonly authority: string
  readonly path: string
  readonly token: string
  /** Any replica but that one. */
  readonly butNot?: string | undefined
}

export type OpenedLink =
  | { readonly kind: 'open'; readonly socket: WebSocket; readonly replica: string | undefined }
  | { readonly kind: 'refused'; readonly status: number }

const longestHandshake: Milliseconds = 15_000

/** Rejects when the connection breaks, or what answers speaks no HTTP. Nothing is read from the socket until it is resumed. */
export function openLink({ connection, authority, path, token, butNot }: LinkWish): Promise<OpenedLink> {
  // What encrypts is below it already.
  const socket = new WebSocket(`ws://${authority}${path}`, [holdProtocol, linkProtocol], {
    createConnection: () => connection,
    headers: {
      ...{ Host: authority, Authorization: `Bearer ${token}`, 'User-Agent': 'gatehouse-agent' },
      ...(butNot === undefined ? {} : { [butNotHeader]: butNot }),
    },
    ...{ perMessageDeflate: false, maxPayload: longestFrame, autoPong: false, handshakeTimeout: longestHandshake },
    ...{ maxFragments: 16, maxBufferedChunks: 1024 },
  })
  let replica: string | undefined
  socket.once('upgrade', ({ headers }) => {
    const [said] = [headers[replicaHeader.toLowerCase()]].flat()
    replica = said !== undefined && replicaForm.test(said) ? said : undefined
  })
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => {
      connection.destroy()
      reject(error)
    }
    socket.once('error', fail)
    socket.once('open', () => {
      socket.off('error', fail)
      // What has come with the answer waits for whoever is told of it.
      socket.pause()
      resolve({ kind: 'open', socket, replica })
    })
    socket.once('unexpected-response', (_request, { statusCode: status = 0 }) => {
      connection.destroy()
      resolve({ kind: 'refused', status })
    })
  })
}
