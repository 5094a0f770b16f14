/** A stream of HTTP/2 as what carries one request. */
import { constants, type ServerHttp2Stream } from 'node:http2'
import type { ClientSocket } from '#http/messages.ts'

export class StreamSocket implements ClientSocket {
  readonly #stream: ServerHttp2Stream

  constructor(stream: ServerHttp2Stream) {
    this.#stream = stream
  }

  get destroyed(): boolean {
    return this.#stream.destroyed || this.#stream.closed
  }

  get readableEnded(): boolean {
    return this.#stream.readableEnded
  }

  get remoteAddress(): string | undefined {
    return this.#stream.session?.socket.remoteAddress
  }

  /**
   * Resets the stream, and no other of its connection. A client that has the whole answer is told that the rest of its body is not wanted
   * (RFC 9113 section 8.1); every other one that this is no answer, since without an error browsers ask again by themselves.
   */
  destroy(): void {
    const stream = this.#stream
    if (stream.destroyed) return
    if (stream.writableFinished && !stream.aborted) stream.close(constants.NGHTTP2_NO_ERROR)
    // Not `close`, which would end the answer properly first, and then say that it is none.
    stream.destroy(cutOff)
  }
}

/** Becomes INTERNAL_ERROR on the wire. */
const cutOff = new Error('the stream was cut off')
