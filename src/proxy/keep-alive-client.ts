/**
 * An HTTP/1.1 client that keeps connections for the next request. Everything on its way is synchronous where an idle connection is at hand,
 * and one request is one connection's only concern: no pipelining, no queue.
 */
import type { Duplex } from 'node:stream'
import { GatewayError, messageOf } from '#errors.ts'
import type { Clock, Milliseconds } from '#lib/clock.ts'
import { TurnShare } from '#lib/turn-share.ts'
import { Call, type Dialling } from './call.ts'
import { type Dialer, DialGate } from './dial-gate.ts'
import { Intake } from './intake.ts'
import { Landing } from './landing.ts'
import { Outbox } from './outbox.ts'
import { ResponseHeadParser } from './response-head.ts'
import type { Upstream } from './upstream.ts'
import type { ResponseListener, UpstreamCall, UpstreamClient, UpstreamRequest } from './upstream-client.ts'
import { type ConnectionOwner, UpstreamConnection } from './upstream-connection.ts'

export interface KeepAliveOptions {
  readonly clock: Clock
  /** Ends every connection and every call. */
  readonly signal: AbortSignal
  /** How long an idle connection is kept where the server doesn't say. Below the 5 s after which Node's and uvicorn's servers close theirs. */
  readonly keepFor?: Milliseconds
  readonly dialLimit?: Milliseconds
  /** In which handshakes get on, so that thousands at once hold up nobody else. One of its own where absent. */
  readonly handshakes?: Pick<TurnShare, 'add'>
  /** Silence on a connection after which TCP looks whether the server is still there. */
  readonly peerProbe?: Milliseconds
}

const defaultKeepFor: Milliseconds = 4_000
const defaultDialLimit: Milliseconds = 10_000
const defaultPeerProbe: Milliseconds = 30_000
const longestKept: Milliseconds = 60_000
/** A handshake or two. */
const handshakeShare: Milliseconds = 0.2
const sweepEvery: Milliseconds = 1_000
/**
 * Idle connections of one key. Where more requests than that are under way at a time, each one beyond opens a connection of its own, which costs
 * several times the request.
 */
const mostIdle = 512

export class KeepAliveClient implements UpstreamClient, ConnectionOwner, Dialling {
  readonly parser = new ResponseHeadParser()
  readonly outbox = new Outbox()
  readonly peerProbe: Milliseconds
  readonly handshakes: Pick<TurnShare, 'add'>
  readonly #clock: Clock
  readonly #signal: AbortSignal
  readonly #keepFor: Milliseconds
  readonly #dialLimit: Milliseconds
  /** The last one used is the last of its list, and the first to be used again. A list may be empty until the next sweep. */
  readonly #idle = new Map<string, UpstreamConnection[]>()
  readonly #connections = new Set<UpstreamConnection>()
  readonly #calls = new Set<Call>()
  readonly #gate = new DialGate()
  readonly #landing = new Landing()
  #isSweeping = false

  constructor(options: KeepAliveOptions) {
    this.#clock = options.clock
    this.#signal = options.signal
    this.#keepFor = options.keepFor ?? defaultKeepFor
    this.#dialLimit = options.dialLimit ?? defaultDialLimit
    this.peerProbe = options.peerProbe ?? defaultPeerProbe
    // There are as many as were let in, and each of them is to get on.
    const everybody = { share: handshakeShare, mostWaiting: Number.POSITIVE_INFINITY }
    this.handshakes = options.handshakes ?? new TurnShare(everybody)
    options.signal.addEventListener('abort', () => this.#end(), { once: true })
  }

  /** Connections that are open, idle ones included. */
  get size(): number {
    return this.#connections.size
  }

  start(upstream: Upstream, request: UpstreamRequest, listener: ResponseListener): UpstreamCall {
    const call = new Call(this, upstream, request, listener)
    const connection = call.isReplayable ? this.#take(upstream.key) : undefined
    if (connection) call.run(connection)
    else this.#open(call, call.isReplayable)
    return call
  }

  forget(key: string): void {
    for (const connection of this.#connections) if (connection.key === key) connection.isLast = true
    for (const connection of this.#idle.get(key) ?? []) connection.destroy()
    this.#idle.delete(key)
  }

  onIdle(connection: UpstreamConnection): void {
    connection.isReused = true
    // The second of these comes behind another look at all sockets: an end right behind the answer is heard before somebody else is sent on it.
    if (this.#gate.isWaitedFor(connection.key)) setImmediate(() => setImmediate(() => this.#handOver(connection)))
    else this.#keep(connection)
  }

  #handOver(connection: UpstreamConnection): void {
    if (!connection.isOpen || connection.isLast) connection.destroy()
    else if (!this.#gate.offer(connection.key, connection)) this.#keep(connection)
  }

  #keep(connection: UpstreamConnection): void {
    const { key } = connection
    const list = this.#idle.get(key)
    if (this.#signal.aborted || (list !== undefined && list.length >= mostIdle)) {
      connection.destroy()
      return
    }
    connection.idleSince = this.#clock.now()
    if (list) list.push(connection)
    else this.#idle.set(key, [connection])
    this.#sweepLater()
  }

  onGone(connection: UpstreamConnection): void {
    this.#connections.delete(connection)
    const list = this.#idle.get(connection.key)
    const index = list?.indexOf(connection) ?? -1
    if (list === undefined || index === -1) return
    list.splice(index, 1)
  }

  dial(call: Call): void {
    this.#open(call, false)
  }

  /** `mayShare`: one that was used before will do, if it is free first. */
  #open(call: Call, mayShare: boolean): void {
    const aborter = new AbortController()
    const { key } = call.upstream
    call.dialing = aborter
    this.#calls.add(call)
    const dialer: Dialer = {
      go: () => this.#connect(call, aborter),
      giveUp: (error) => {
        this.#isDialled(call)
        call.onLost(error, false)
      },
      ...(mayShare && { use: (connection: UpstreamConnection) => this.#share(call, connection) }),
    }
    if (!this.#gate.enter(key, dialer)) {
      const withdraw = () => {
        if (this.#gate.withdraw(key, dialer)) dialer.giveUp(unreachable(aborter.signal.reason))
      }
      aborter.signal.addEventListener('abort', withdraw, { once: true })
    }
    if (this.#signal.aborted) aborter.abort(this.#signal.reason)
  }

  #share(call: Call, connection: UpstreamConnection): void {
    this.#isDialled(call)
    call.run(connection)
  }

  #isDialled(call: Call): void {
    this.#calls.delete(call)
    call.dialing = undefined
  }

  #connect(call: Call, aborter: AbortController): void {
    const { key } = call.upstream
    const slow = () => {
      const error = new GatewayError('upstream_unreachable', `no connection in ${this.#dialLimit} ms`)
      aborter.abort(error)
      this.#gate.giveUp(key, error)
    }
    const timer = this.#clock.after(this.#dialLimit, slow)
    const settle = () => {
      timer[Symbol.dispose]()
      this.#isDialled(call)
    }
    const intake = new Intake(this.#landing)
    // What becomes another protocol is read by somebody else, in the way that any socket is.
    const dialling = call.isUpgrade ? call.upstream.dial(aborter.signal) : call.upstream.dial(aborter.signal, intake)
    dialling.then(
      (socket) => {
        settle()
        this.#dialled(call, socket, intake, aborter.signal)
      },
      (error: unknown) => {
        settle()
        this.#gate.leave(key)
        call.onLost(unreachable(aborter.signal.aborted ? aborter.signal.reason : error), false)
      },
    )
  }

  #dialled(call: Call, socket: Duplex, intake: Intake, signal: AbortSignal): void {
    const { key } = call.upstream
    if (signal.aborted) {
      this.#gate.leave(key)
      socket.on('error', () => undefined)
      socket.destroy()
      call.onLost(unreachable(signal.reason), false)
      return
    }
    const connection = new UpstreamConnection(key, socket, this, intake)
    this.#connections.add(connection)
    const begin = () => {
      this.#gate.leave(key)
      if (connection.isOpen) call.run(connection)
      else call.onLost(unreachable(new Error('it was closed at once')), false)
    }
    if (call.isUpgrade) this.handshakes.add(begin)
    else begin()
  }

  #take(key: string): UpstreamConnection | undefined {
    const list = this.#idle.get(key)
    if (list === undefined) return undefined
    let connection = list.pop()
    while (connection !== undefined && !connection.isOpen) connection = list.pop()
    return connection
  }

  #sweepLater(): void {
    if (this.#isSweeping) return
    this.#isSweeping = true
    this.#clock.after(sweepEvery, () => {
      this.#isSweeping = false
      this.#sweep()
    })
  }

  #sweep(): void {
    const now = this.#clock.now()
    for (const [key, list] of this.#idle) {
      if (list.length === 0) this.#idle.delete(key)
      // Each leaves its list when it is closed, which is later.
      for (const connection of list) if (this.#isStale(connection, now)) connection.destroy()
    }
    if (this.#idle.size > 0) this.#sweepLater()
  }

  /** A second before the server's own limit, so that no request meets a connection that is being closed. */
  #isStale({ keepsFor, idleSince }: UpstreamConnection, now: number): boolean {
    const limit = keepsFor === undefined ? this.#keepFor : Math.min(keepsFor - sweepEvery, longestKept)
    return now - idleSince >= limit - sweepEvery
  }

  #end(): void {
    for (const call of this.#calls) call.dialing?.abort(this.#signal.reason)
    for (const connection of this.#connections) connection.destroy()
    this.#idle.clear()
  }
}

function unreachable(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error
  return new GatewayError('upstream_unreachable', `no connection to the upstream: ${messageOf(error)}`, {
    cause: error,
  })
}
