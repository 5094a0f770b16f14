/**
 * Where other replicas ask for a connection through an agent that has its link here. Whoever has no certificate of ours gets no further than the handshake
 * of TLS. It leads to links of this replica alone, and never on to another one.
 */
import { constants } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { checkServerIdentity, createServer, type TLSSocket } from 'node:tls'
import { GatewayError } from '#errors.ts'
import type { Clock, Milliseconds } from '#lib/clock.ts'
import { deadlineOf } from '#lib/deadline.ts'
import type { HeldFor } from '#resume/hold.ts'
import { join } from './join.ts'
import type { Links } from './links.ts'
import { Movement } from './movement.ts'
import { type PeerCredentials, peerName } from './peer-credentials.ts'
import { type PeerAnswer, type PeerAsked, readAsked, readLine, sayAnswer, sayHeld } from './peer-words.ts'
import { Strangers } from './strangers.ts'

export interface PeerListenerParts {
  /** All addresses when absent. */
  readonly host?: string
  readonly port: number
  readonly credentials: PeerCredentials
  readonly links: Pick<Links, 'open'>
  readonly clock: Clock
  /** Somebody came who is no replica, or said nothing sensible. For the log. */
  readonly onRefused: (reason: string, address: string) => void
}

export interface PeerListener extends AsyncDisposable {
  readonly port: number
  /** From now on whoever asks is told that there is no link here. */
  leave(): void
  /** Connections on which something has moved lately. To be asked again and again. */
  busy(): number
  use(credentials: PeerCredentials): void
}

/** For the handshake, and for what is asked. */
const longestAsking: Milliseconds = 10_000
const mostConnections = 10_000
/** Silence after which TCP looks whether the other side is still there. */
export const peerProbe: Milliseconds = 30_000

/** Of both ends. Without tickets each connection shows its certificate anew. */
export function tlsOf({ cert, key, ca }: PeerCredentials) {
  return {
    cert,
    key,
    ca,
    minVersion: 'TLSv1.3' as const,
    secureOptions: constants.SSL_OP_NO_TICKET,
    allowHalfOpen: true,
  }
}

/** Throws `listen_failed`. */
export async function listenForPeers(parts: PeerListenerParts): Promise<PeerListener> {
  const open = new Set<TLSSocket>()
  const movement = new Movement(parts.clock)
  const strangers = new Strangers()
  let isLeaving = false
  const server = createServer({
    ...tlsOf(parts.credentials),
    ...{ requestCert: true, rejectUnauthorized: true, handshakeTimeout: longestAsking },
  })
  server.maxConnections = mostConnections
  server.on('connection', (socket) => {
    if (strangers.admit(socket)) return
    parts.onRefused('too many who have not shown whose they are', socket.remoteAddress ?? '')
    socket.destroy()
  })
  server.on('tlsClientError', (error, socket) => {
    parts.onRefused(error.message, socket.remoteAddress ?? '')
    // Node leaves it open, also when the handshake took too long.
    socket.destroy()
  })
  server.on('secureConnection', (socket) => {
    open.add(socket)
    strangers.leave(socket)
    socket.setNoDelay(true).setKeepAlive(true, peerProbe)
    socket.on('error', () => undefined).once('close', () => open.delete(socket))
    serve(parts, socket, () => isLeaving).catch((error: unknown) => {
      parts.onRefused(String(error), socket.remoteAddress ?? '')
      socket.destroy()
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => reject(new GatewayError('listen_failed', 'the port for other replicas', { cause })))
    server.listen({ port: parts.port, ...(parts.host === undefined ? {} : { host: parts.host }) }, resolve)
  })
  server.on('error', () => undefined)
  const { port } = server.address() as AddressInfo // It listens on TCP.
  return {
    port,
    leave() {
      isLeaving = true
    },
    busy: () => movement.count(open),
    use: (credentials) => server.setSecureContext(tlsOf(credentials)),
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve))
      for (const socket of open) socket.destroy()
      await closed
    },
  }
}

function demandPeer(socket: TLSSocket): void {
  if (!socket.authorized) throw new Error('no certificate of ours')
  const stranger = checkServerIdentity(peerName, socket.getPeerCertificate())
  if (stranger) throw stranger
}

async function serve(parts: PeerListenerParts, socket: TLSSocket, isLeaving: () => boolean): Promise<void> {
  demandPeer(socket)
  using deadline = deadlineOf(parts.clock, longestAsking)
  deadline.signal.addEventListener('abort', () => socket.destroy(), { once: true })
  const opening = new AbortController()
  const giveUp = () => opening.abort()
  socket.once('close', giveUp)
  for (let line: string | undefined = await readLine(socket); line !== undefined; ) {
    const asked = readAsked(line)
    if (!asked) throw new Error('it asked for nothing that there is')
    const opened = isLeaving() ? away : await open(parts.links, asked, opening.signal)
    if ('stream' in opened) {
      // From here on one ends with the other, each in its own time.
      socket.off('close', giveUp)
      socket.write(opened.held ? sayHeld(opened.held) : sayAnswer('ok'))
      join(socket, opened.stream, parts.clock)
      return
    }
    socket.write(sayAnswer(opened.answer))
    // What is over for good may be one of many, of which the next is told by the same connection.
    line = asked.hold?.aim === 'end' ? await readLine(socket).catch(() => undefined) : undefined
  }
  // What else comes is nobody's, and would keep it.
  socket.end().resume()
}

interface Opened {
  readonly stream: Duplex
  readonly held: HeldFor | undefined
}

const away = { answer: 'away' } as const

async function open(
  links: Pick<Links, 'open'>,
  { instance, port, hold }: PeerAsked,
  signal: AbortSignal,
): Promise<Opened | { readonly answer: PeerAnswer }> {
  let held: HeldFor | undefined
  const onHeld = (found: HeldFor) => {
    held = found
  }
  try {
    const stream = await links.open(instance, port, signal, hold && { ...hold, onHeld })
    return { stream, held }
  } catch (error) {
    return { answer: answerOf(error) }
  }
}

function answerOf(error: unknown): PeerAnswer {
  const cause = error instanceof GatewayError ? error.cause : undefined
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
  if (code === 'ECONNREFUSED') return 'shut'
  if (code === 'EGONE') return 'gone'
  return code === 'ENOLINK' ? 'away' : 'failed'
}
