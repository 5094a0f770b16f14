/** The gateway's end of a tunnel's handshake. Whether there is to be one was decided before: here it is only carried out. */
import { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'
import { GatewayError } from '#errors.ts'
import type { ClientRequest } from '#http/messages.ts'
import { resumeProtocol } from '#resume/frames.ts'
import { type Dialect, instanceHeader, longestMessage, tunnelProtocol } from './protocol.ts'

export interface Handshake {
  readonly request: ClientRequest
  readonly socket: Duplex
  /** What came behind the request. */
  readonly head: Buffer
  readonly dialect: Dialect
  /** Which run of the workspace it leads to, for the client to ask for the same one again. */
  readonly instance: string
}

/** Whoever is to have ours has offered it. */
const protocols = { tunnel: () => tunnelProtocol, resume: () => resumeProtocol, plain: () => false as const }

/**
 * Answers 101. `undefined`: the client has left, or `ws` has refused what `readHandshake` took; the socket is closed in either case. Compression is not
 * agreed on, whoever offers it: what passes is encrypted as a rule.
 */
export function acceptTunnel({ request, socket, head, dialect, instance }: Handshake): WebSocket | undefined {
  const server = new WebSocketServer({
    ...{ noServer: true, clientTracking: false, perMessageDeflate: false, maxPayload: longestMessage },
    // Neither a message in crumbs nor one of crumbs takes more memory than a whole one.
    ...{ maxFragments: 16, maxBufferedChunks: 1024 },
    // Who asks and does not read the answers is not to fill our memory with them.
    autoPong: false,
    handleProtocols: protocols[dialect],
  })
  server.on('headers', (headers) => headers.push(`${instanceHeader}: ${instance}`))
  // A handshake comes by HTTP/1.1 alone, as Node parsed it.
  if (!(request instanceof IncomingMessage)) throw new GatewayError('internal', 'a handshake by another way')
  let accepted: WebSocket | undefined
  server.handleUpgrade(request, socket, head, (webSocket) => {
    accepted = webSocket
  })
  return accepted
}
