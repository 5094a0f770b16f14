/**
 * HTTP/2 on connections that a listener hands over (RFC 9113): each stream is a request, which goes the way that every request goes. Whatever is about
 * frames, windows and header compression is nghttp2's; here is how much of it a client may ask for, when a connection has been idle for too long,
 * and how it ends. A connection belongs to no host: browsers use one for all names of a wildcard certificate (RFC 9113 section 9.1.1), and
 * each request is for whom its own authority says.
 */
import { constants, performServerHandshake, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import type { Connection } from '#http/connection.ts'
import type { Clock, Milliseconds } from '#lib/clock.ts'
import type { Limits } from '#settings/settings.ts'
import { sessionOptions } from './session-options.ts'

export interface Http2Parts {
  readonly limits: Pick<Limits, 'headerBytes' | 'headerFields' | 'headerTimeout' | 'keepAlive' | 'streamsPerConnection'>
  readonly clock: Clock
  /** `rawHeaders`: flat. `isWhole`: no body follows. */
  readonly onStream: (
    stream: ServerHttp2Stream,
    rawHeaders: readonly string[],
    connection: Connection,
    isWhole: boolean,
  ) => void
  /** A connection was ended because of what its client sent. */
  readonly onFault: (code: 'http2_flood' | 'http2_protocol', connection: Connection) => void
}

/** Frames that cost their sender nothing and are answered: of one connection, for each of its requests. */
const mostIdleChatter = 1_000

/** Without an error Node says that all is well, whatever the code. */
const flooded = new Error('a flood of frames that ask for nothing')

/** By the codes of Node's errors: what the client has done. Others say that the connection broke. */
const faults: ReadonlySet<unknown> = new Set(['ERR_HTTP2_ERROR', 'ERR_HTTP2_TOO_MANY_INVALID_FRAMES'])

export class Http2Sessions {
  readonly #parts: Http2Parts
  readonly #open = new Set<ServerHttp2Session>()
  #isClosing = false

  constructor(parts: Http2Parts) {
    this.#parts = parts
  }

  /** `socket`: nothing of it is read yet, or what was is put back. It is the session's from here on. */
  open(socket: Socket, connection: Connection): void {
    // Who has said his last word reads no answer either; nothing else would notice that he has.
    socket.allowHalfOpen = false
    const session = performServerHandshake(socket, sessionOptions(this.#parts.limits))
    this.#open.add(session)
    session.once('close', () => this.#open.delete(session))
    session.on('error', (error: Error & { readonly code?: string }) => {
      if (faults.has(error.code)) this.#parts.onFault('http2_protocol', connection)
    })
    this.#endWhenIdle(session)
    this.#endWhenChatty(session, connection)
    session.on('stream', (stream, _headers, flags, rawHeaders) => {
      // 'close' follows, and is acted on.
      stream.on('error', () => undefined)
      this.#parts.onStream(stream, rawHeaders, connection, (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0)
    })
    if (this.#isClosing) session.close()
  }

  /** Clients are told to ask elsewhere for what they have not asked for yet (GOAWAY); what they have comes to its end. */
  close(): void {
    this.#isClosing = true
    for (const session of this.#open) session.close()
  }

  destroy(): void {
    for (const session of this.#open) session.destroy()
  }

  /** A client says its first word at once, and after that it may be silent for as long as on any connection. */
  #endWhenIdle(session: ServerHttp2Session): void {
    const { clock, limits } = this.#parts
    let streams = 0
    let timer: Disposable
    const arm = (after: Milliseconds, end: () => void) => {
      timer = clock.after(after, end)
    }
    const rest = () => arm(limits.keepAlive, () => session.close())
    arm(limits.headerTimeout, () => session.destroy())
    session.once('remoteSettings', () => {
      timer[Symbol.dispose]()
      if (streams === 0) rest()
    })
    session.on('stream', (stream) => {
      streams += 1
      timer[Symbol.dispose]()
      stream.once('close', () => {
        streams -= 1
        if (streams === 0 && !session.closed) rest()
      })
    })
    session.once('close', () => timer[Symbol.dispose]())
  }

  /** CVE-2019-9512 and CVE-2019-9515: pings and settings, each of which is answered. */
  #endWhenChatty(session: ServerHttp2Session, connection: Connection): void {
    let chatter = 0
    const count = () => {
      chatter += 1
      if (chatter !== mostIdleChatter) return
      this.#parts.onFault('http2_flood', connection)
      session.destroy(flooded, constants.NGHTTP2_ENHANCE_YOUR_CALM)
    }
    session.on('ping', count)
    session.on('remoteSettings', count)
    session.on('stream', () => {
      chatter = 0
    })
  }
}
