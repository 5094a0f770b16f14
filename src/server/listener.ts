/**
 * One address on which HTTP is spoken, plain or in TLS, with or without a PROXY header in front. Knows sockets and Node's HTTP server,
 * and nothing of what the requests are about. Node's defaults that let too much through are set tight here; what Node's parser lets through
 * by design is for `http/`. Everything that is opened here ends with the signal.
 */
import { createServer, type Server, type ServerOptions } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { ListenOptions, Socket } from 'node:net'
import { GatewayError, messageOf } from '#errors.ts'
import type { Clock } from '#lib/clock.ts'
import type { TurnShare } from '#lib/turn-share.ts'
import type { Log } from '#observe/log.ts'
import { forkByPreface, forkByProtocol } from '#server/http2/fork.ts'
import type { OpenHttp2 } from '#server/http2/open-http2.ts'
import type { CertificateSettings, Limits, ListenerSettings } from '#settings/settings.ts'
import { answersOf } from './answer.ts'
import { openCertificates } from './certificates.ts'
import { Connections, type OpenConnection } from './connections.ts'
import type { Crowd } from './crowd.ts'
import { Door, type ListenerHandlers } from './door.ts'
import { requireProxyHeader } from './proxy-gate.ts'

export interface ListenerParts {
  readonly limits: Pick<
    Limits,
    'headerBytes' | 'headerFields' | 'headerTimeout' | 'keepAlive' | 'peerProbe' | 'streamsPerConnection'
  >
  readonly crowd: Crowd
  readonly clock: Clock
  readonly log: Pick<Log, 'info' | 'warn' | 'error'>
  readonly newRequestId: () => string
  /** As `DoorParts`. */
  readonly turns?: TurnShare
  /** Ends the listener and every connection of it at once. */
  readonly signal: AbortSignal
}

export interface Listener {
  readonly host: string
  /** The port that is listened on, also where 0 was asked for. */
  readonly port: number
  /** Takes no further connection and closes idle ones; the others are closed after the answer that is due. Upgraded ones stay. */
  stopAccepting(): void
  /** Fulfilled when nothing is open any more. */
  readonly closed: Promise<void>
}

/** Throws `listen_failed` when the address can't be had, `invalid_settings` when a certificate can't be used. */
export async function openListener(
  settings: ListenerSettings,
  handlers: ListenerHandlers,
  parts: ListenerParts,
): Promise<Listener> {
  const { signal } = parts
  signal.throwIfAborted()
  const onCrowded = (peer: string) => {
    handlers.refused?.({ code: 'too_many_connections', status: undefined, requestId: undefined, peer })
  }
  const connections = new Connections({ crowd: parts.crowd, onCrowded })
  const http2 = settings.http2 ? await openOnDemand(connections, handlers, parts) : undefined
  const server =
    settings.kind === 'tls'
      ? await createSecure(settings.certificates, connections, parts, http2)
      : createPlain(connections, parts, http2)
  const door = new Door(server, connections, handlers, parts)
  const { trusted } = settings.proxyProtocol
  if (trusted.length > 0) {
    const onRefused = (code: string, peer: string | undefined) => door.report(code, undefined, undefined, peer)
    requireProxyHeader(server, { trusted, connections, clock: parts.clock, log: parts.log, onRefused })
  }
  await listen(server, { host: settings.host, port: settings.port, backlog: mostUnaccepted })
  return started(server, settings.host, { connections, http2 }, parts)
}

/** Loaded where it is spoken, as not every process listens for it. */
async function openOnDemand(
  connections: Connections,
  handlers: ListenerHandlers,
  parts: ListenerParts,
): Promise<OpenHttp2> {
  const { openHttp2 } = await import('#server/http2/open-http2.ts')
  return openHttp2(connections, handlers, parts)
}

/** Clients that come back all at once; Node's 511 would leave the rest to try again seconds later. The system may allow less. */
const mostUnaccepted = 4096

function serverOptions({ limits }: ListenerParts): ServerOptions {
  return {
    insecureHTTPParser: false,
    joinDuplicateHeaders: false,
    // A missing Host is answered like every other fault of the header, by whoever reads it.
    requireHostHeader: false,
    // Nobody listens for the end of a body where there is none.
    optimizeEmptyRequests: true,
    ServerResponse: answersOf(limits.keepAlive),
    maxHeaderSize: limits.headerBytes,
    headersTimeout: limits.headerTimeout,
    // How often the header time-out is looked at.
    connectionsCheckingInterval: 1_000,
    // Bodies may be long and slow; whoever reads them sets the limit.
    requestTimeout: 0,
    keepAliveTimeout: limits.keepAlive,
    noDelay: true,
    // Finds peers that vanished without a word, which no HTTP time-out does on an upgraded connection.
    keepAlive: true,
    keepAliveInitialDelay: limits.peerProbe,
  }
}

function createPlain(connections: Connections, parts: ListenerParts, http2: OpenHttp2 | undefined): Server {
  const server = createServer(serverOptions(parts))
  if (http2) forkByPreface(server, http2.take, parts.clock, parts.limits.headerTimeout)
  server.on('connection', (socket: Socket) => {
    if (connections.admit(socket)) connections.open(socket, false)
  })
  return server
}

async function createSecure(
  settings: readonly CertificateSettings[],
  connections: Connections,
  parts: ListenerParts,
  http2: OpenHttp2 | undefined,
): Promise<Server> {
  const certificates = await openCertificates(settings, {
    ...parts,
    onFallback: (pair) => server.setSecureContext({ ...pair, minVersion: 'TLSv1.2' }),
  })
  const server = createTlsServer({
    ...serverOptions(parts),
    ...certificates.fallback,
    minVersion: 'TLSv1.2',
    ALPNProtocols: http2 ? ['h2', 'http/1.1'] : ['http/1.1'],
    handshakeTimeout: parts.limits.headerTimeout,
    SNICallback: (serverName, done) => done(null, certificates.contextFor(serverName)),
  })
  if (http2) forkByProtocol(server, http2.take)
  server.on('connection', (socket: Socket) => connections.admit(socket))
  server.on('secureConnection', (socket: Socket) => connections.open(socket, true))
  return server
}

function listen(server: Server, address: ListenOptions & { host: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (cause: Error) => {
      const where = `${address.host} port ${address.port}`
      reject(new GatewayError('listen_failed', `can't listen on ${where}: ${messageOf(cause)}`, { cause }))
    }
    server.once('error', fail)
    server.listen(address, () => {
      server.off('error', fail)
      resolve()
    })
  })
}

interface Opened {
  readonly connections: Connections
  readonly http2: OpenHttp2 | undefined
}

function started(server: Server, host: string, { connections, http2 }: Opened, parts: ListenerParts): Listener {
  const { log, signal } = parts
  server.on('error', (error) => log.error({ component: 'listener', error }, 'a connection could not be accepted'))
  const closed = new Promise<void>((resolve) => server.once('close', resolve))
  const stopAccepting = () => {
    if (!server.listening) return
    for (const [socket, connection] of connections.all()) endAfterAnswer(socket, connection, server)
    http2?.close()
    server.close()
  }
  const end = () => {
    stopAccepting()
    http2?.destroy()
    connections.destroy()
  }
  signal.addEventListener('abort', end, { once: true })
  server.once('close', () => signal.removeEventListener('abort', end))
  if (signal.aborted) end()
  const address = server.address()
  return { host, port: address !== null && typeof address === 'object' ? address.port : 0, stopAccepting, closed }
}

function endAfterAnswer(socket: Socket, { latest }: OpenConnection, server: Server): void {
  // Opened ahead of need and never used. Node doesn't count it among the idle ones, and looks at its time no more once it is closing.
  if (socket.bytesRead === 0) socket.destroy()
  if (!latest || latest.writableFinished) return
  if (!latest.headersSent) latest.shouldKeepAlive = false
  latest.once('close', () => server.closeIdleConnections())
}
