/** The open connections of one listener: who is at the other end, what was asked last, and whether an answer of our own can be put in. */
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Connection } from '#http/connection.ts'
import { canonicalAddress } from '#http/ip-address.ts'
import { RequestMemory } from '#http/request-memory.ts'
import type { Crowd } from './crowd.ts'
import type { ProxySource } from './proxy-protocol.ts'

export interface OpenConnection {
  readonly info: Connection
  /** The response to the request that came last. */
  latest: ServerResponse | undefined
  /** How many came on it, handshakes among them. */
  requests: number
  /** It got its last answer; whatever still comes is not looked at. */
  isRefused: boolean
}

export interface ConnectionsOptions {
  readonly crowd: Crowd
  /** One too many of this address was sent away without an answer. */
  readonly onCrowded: (peer: string) => void
}

export class Connections {
  readonly #options: ConnectionsOptions
  /** Every socket there is: waiting for its PROXY header, in its TLS handshake, speaking HTTP, upgraded. */
  readonly #sockets = new Set<Socket>()
  readonly #open = new Map<Socket, OpenConnection>()
  /** By both ends of the connection, because a TLS socket doesn't tell which socket it wraps. */
  readonly #sources = new Map<string, ProxySource>()
  /** By both ends as well: connections that get one answer, which says that they are too many. */
  readonly #told = new Set<string>()

  constructor(options: ConnectionsOptions) {
    this.#options = options
  }

  /** Owns a socket from its first moment to its last. */
  track(socket: Socket): void {
    if (this.#sockets.has(socket)) return
    this.#sockets.add(socket)
    // A connection may break at any time, and 'close' always follows; without a listener that would end the process.
    socket.on('error', () => undefined)
    socket.once('close', () => {
      this.#sockets.delete(socket)
      this.#open.delete(socket)
    })
  }

  /** Remembers whom a PROXY header named, for as long as `socket` lives. */
  setSource(socket: Socket, source: ProxySource): void {
    const key = endsOf(socket)
    this.#sources.set(key, source)
    socket.once('close', () => this.#sources.delete(key))
  }

  /** Now that it is known whose it is, it counts among those of that address. `false`: it is one too many, and torn down. */
  admit(socket: Socket): boolean {
    this.track(socket)
    const peer = this.#peerOf(socket)
    const place = peer === undefined ? undefined : this.#options.crowd.enter(peer)
    if (!place) {
      socket.destroy()
      if (peer !== undefined) this.#options.onCrowded(peer)
      return false
    }
    const { kind, counted } = place
    const key = kind === 'told' ? endsOf(socket) : undefined
    if (key !== undefined) this.#told.add(key)
    if (counted === undefined) return true
    socket.once('close', () => {
      counted.leave()
      if (key !== undefined) this.#told.delete(key)
    })
    return true
  }

  /** From here on HTTP is spoken on it. A connection that is already gone again is torn down. */
  open(socket: Socket, isEncrypted: boolean): void {
    this.track(socket)
    const peer = this.#peerOf(socket)
    if (peer === undefined) {
      socket.destroy()
      return
    }
    const isCrowded = this.#told.size > 0 && this.#told.has(endsOf(socket))
    const known = { peer, localPort: socket.localPort ?? 0, isEncrypted, memory: new RequestMemory() }
    const info: Connection = isCrowded ? { ...known, isCrowded } : known
    this.#open.set(socket, { info, latest: undefined, requests: 0, isRefused: false })
  }

  get(socket: Socket): OpenConnection | undefined {
    return this.#open.get(socket)
  }

  all(): IteratorObject<readonly [Socket, OpenConnection]> {
    return this.#open.entries()
  }

  #peerOf(socket: Socket): string | undefined {
    const source = this.#sources.size > 0 ? this.#sources.get(endsOf(socket)) : undefined
    return source?.address ?? peerOf(socket)
  }

  destroy(): void {
    for (const socket of this.#sockets) socket.destroy()
  }
}

function endsOf(socket: Socket): string {
  return JSON.stringify([socket.remoteAddress, socket.remotePort, socket.localAddress, socket.localPort])
}

/** The TCP peer; `undefined` when it has left. A zone says on which of our interfaces it is, which is nobody's address. */
export function peerOf(socket: Socket): string | undefined {
  const [address = ''] = (socket.remoteAddress ?? '').split('%', 1)
  return canonicalAddress(address)
}

/** Has everything that was asked been answered? */
export function isIdle({ latest }: OpenConnection): boolean {
  return !latest || (latest.writableFinished && latest.req.complete)
}

/** Is the answer that is under way announced as the connection's last one? Then what follows is no request (RFC 9112 section 9.6). */
export function isClosing({ latest }: OpenConnection): boolean {
  return latest !== undefined && !latest.shouldKeepAlive
}

/**
 * Would bytes written now be read as the answer to what can't be parsed? Either all before it is answered, or it is the body of the one
 * request that is due. In any other case the client would take the answer for another request's, or for a piece of a body.
 */
export function isAnswerable(connection: OpenConnection, socket: Socket): boolean {
  if (connection.isRefused || !socket.writable) return false
  const { latest } = connection
  if (!latest || isIdle(connection)) return true
  // Node gives a response its socket when those before it are done.
  return latest.socket === socket && !latest.headersSent && !latest.req.complete
}
