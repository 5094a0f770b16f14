/** The open connections of one listener: who is at the other end, what was asked last, and whether an answer of our own can be put in. */
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Connection } from '#http/connection.ts'
import { canonicalAddress } from '#http/ip-address.ts'
import type { ProxySource } from './proxy-protocol.ts'

export interface OpenConnection {
  readonly info: Connection
  /** The response to the request that came last. */
  latest: ServerResponse | undefined
  /** It got its last answer; whatever still comes is not looked at. */
  isRefused: boolean
}

export class Connections {
  /** Every socket there is: waiting for its PROXY header, in its TLS handshake, speaking HTTP, upgraded. */
  readonly #sockets = new Set<Socket>()
  readonly #open = new Map<Socket, OpenConnection>()
  /** By both ends of the connection, because a TLS socket doesn't tell which socket it wraps. */
  readonly #sources = new Map<string, ProxySource>()

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

  /** From here on HTTP is spoken on it. A connection that is already gone again is torn down. */
  open(socket: Socket, isEncrypted: boolean): void {
    this.track(socket)
    const peer = this.#sources.get(endsOf(socket))?.address ?? peerOf(socket)
    if (peer === undefined) {
      socket.destroy()
      return
    }
    const info: Connection = { peer, localPort: socket.localPort ?? 0, isEncrypted }
    this.#open.set(socket, { info, latest: undefined, isRefused: false })
  }

  get(socket: Socket): OpenConnection | undefined {
    return this.#open.get(socket)
  }

  all(): IteratorObject<readonly [Socket, OpenConnection]> {
    return this.#open.entries()
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
