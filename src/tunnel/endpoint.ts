/** The gateway's end of a tunnel's handshake. Whether there is to be one was decided before: here it is only carried out. */
import { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { GatewayError } from '#errors.ts'
import { acceptKey, valuesOf } from '#http/accept-key.ts'
import type { ClientRequest } from '#http/messages.ts'
import type { Clock } from '#lib/clock.ts'
import { resumeProtocol } from '#resume/frames.ts'
import { type Dialect, instanceHeader, tunnelProtocol } from './protocol.ts'
import { TunnelSocket } from './tunnel-socket.ts'

export interface Handshake {
  /** `readHandshake` has taken it, and whoever is to have our subprotocol has offered it. */
  readonly request: ClientRequest
  readonly socket: Duplex
  /** What came behind the request. */
  readonly head: Buffer
  readonly dialect: Dialect
  /** Which run of the workspace it leads to, for the client to ask for the same one again. */
  readonly instance: string
  readonly clock: Clock
}

const protocols = { tunnel: tunnelProtocol, resume: resumeProtocol, plain: undefined }

/** Answers 101. `undefined`: the client has left. Compression is not agreed on, whoever offers it: what passes is encrypted as a rule. */
export function acceptTunnel({ request, socket, head, dialect, instance, clock }: Handshake): TunnelSocket | undefined {
  // A handshake comes by HTTP/1.1 alone, as Node parsed it.
  if (!(request instanceof IncomingMessage)) throw new GatewayError('internal', 'a handshake by another way')
  const [key = ''] = valuesOf(request.rawHeaders, 'sec-websocket-key')
  if (!socket.readable || !socket.writable) {
    socket.destroy()
    return undefined
  }
  const protocol = protocols[dialect]
  const lines = [
    'HTTP/1.1 101 Switching Protocols',
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Accept: ${acceptKey(key)}`,
    ...(protocol === undefined ? [] : [`Sec-WebSocket-Protocol: ${protocol}`]),
    `${instanceHeader}: ${instance}`,
  ]
  socket.write(`${lines.join('\r\n')}\r\n\r\n`, 'latin1')
  return new TunnelSocket({ socket, head, end: 'server', clock })
}
