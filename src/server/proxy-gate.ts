/** The door of a listener behind a balancer: a connection gets to HTTP or TLS only with a PROXY header from somebody who is trusted to write one. */
import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Clock, Milliseconds, Timestamp } from '#lib/clock.ts'
import { isInNetworks, type Network } from '#lib/network.ts'
import type { Log } from '#observe/log.ts'
import { type Connections, peerOf } from './connections.ts'
import { type Intake, takeProxyHeader } from './proxy-intake.ts'

/** Anybody who reaches the port can cause such a line, so there is one for many. */
const oneLineIn: Milliseconds = 60_000

export interface ProxyGateParts {
  readonly trusted: readonly Network[]
  readonly connections: Connections
  readonly clock: Clock
  readonly log: Pick<Log, 'warn'>
  readonly onRefused: (code: string, peer: string | undefined) => void
}

type Refusal = 'proxy_untrusted' | `proxy_${Extract<Intake, { kind: 'refused' }>['fault']}`

/** Puts itself before all that listens for connections of `server` by now. */
export function requireProxyHeader(server: Server, parts: ProxyGateParts): void {
  const { connections, clock } = parts
  const behind = server.listeners('connection')
  const isTrusted = isInNetworks(parts.trusted)
  const report = reporter(parts)
  const refuse = (socket: Socket, refusal: Refusal) => {
    report(refusal, peerOf(socket))
    socket.destroy()
  }
  const enter = async (socket: Socket) => {
    connections.track(socket)
    const peer = peerOf(socket)
    if (peer === undefined || !isTrusted(peer)) return refuse(socket, 'proxy_untrusted')
    const intake = await takeProxyHeader(socket, clock)
    if (intake.kind === 'refused') return refuse(socket, `proxy_${intake.fault}`)
    if (socket.destroyed) return
    if (intake.source) connections.setSource(socket, intake.source)
    for (const listener of behind) Reflect.apply(listener, server, [socket])
  }
  server.removeAllListeners('connection')
  server.on('connection', (socket: Socket) => void enter(socket))
}

function reporter(parts: ProxyGateParts): (refusal: Refusal, peer: string | undefined) => void {
  const { clock, log, onRefused } = parts
  let quietUntil: Timestamp = Number.NEGATIVE_INFINITY
  let count = 0
  return (refusal, peer) => {
    onRefused(refusal, peer)
    count += 1
    if (clock.now() < quietUntil) return
    quietUntil = clock.now() + oneLineIn
    log.warn(
      { component: 'listener', reason: refusal, client: peer, count },
      'connection without a trusted PROXY header',
    )
    count = 0
  }
}
