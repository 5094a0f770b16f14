/** A request that came by HTTP/2, to be read like one of HTTP/1.1. */
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import { Readable } from 'node:stream'
import type { Http2Head } from '#http/http2-head.ts'
import type { ClientRequest } from '#http/messages.ts'
import { StreamSocket } from './stream-socket.ts'

export class Http2Request extends Readable implements ClientRequest {
  readonly httpVersion = '1.1'
  readonly method: string
  /** The own surface cuts it down to what it routes by. */
  url: string
  readonly rawHeaders: string[]
  readonly rawTrailers: string[] = []
  readonly socket: StreamSocket
  readonly #stream: ServerHttp2Stream
  #isWhole: boolean
  #isReading = false
  #headers: IncomingHttpHeaders | undefined

  /** `isWhole`: no body follows. */
  constructor(stream: ServerHttp2Stream, head: Http2Head, isWhole: boolean) {
    super({ highWaterMark: readAhead })
    this.method = head.method
    this.url = head.target
    this.rawHeaders = head.rawHeaders
    this.socket = new StreamSocket(stream)
    this.#stream = stream
    this.#isWhole = isWhole
    stream.once('aborted', () => this.#closed())
    stream.once('close', () => this.#closed())
    if (isWhole) {
      this.push(null)
      stream.resume()
      return
    }
    stream.once('trailers', (_headers, _flags, rawHeaders) => void this.rawTrailers.push(...rawHeaders))
    stream.once('end', () => this.#ended())
  }

  get complete(): boolean {
    return this.#isWhole
  }

  /** By name in lower case; of several of one name, a list. */
  get headers(): IncomingHttpHeaders {
    this.#headers ??= byName(this.rawHeaders)
    return this.#headers
  }

  /** A body that nobody wants is not asked for: what a stream may send ahead is what its window holds. */
  override _read(): void {
    const stream = this.#stream
    if (!this.#isReading) {
      this.#isReading = true
      stream.on('data', (piece: Buffer) => {
        if (!this.push(piece)) stream.pause()
      })
    }
    stream.resume()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    // Whoever listens hears why it ended early; anybody else needs no more than its end.
    done(this.listenerCount('error') > 0 ? error : null)
  }

  /** Node ends the body of a stream that was reset as well; a part is not to be taken for the whole. */
  #ended(): void {
    if (this.#stream.aborted || this.#stream.rstCode !== 0) return
    this.#isWhole = true
    this.push(null)
  }

  #closed(): void {
    if (this.#isWhole) this.destroy()
    else this.destroy(new Error('the stream was reset amid the body'))
  }
}

/** Bytes. */
const readAhead = 65_536

function byName(rawHeaders: readonly string[]): IncomingHttpHeaders {
  const headers: Record<string, string> = Object.create(null)
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const [name = '', value = ''] = [rawHeaders[index], rawHeaders[index + 1]]
    const before = headers[name]
    headers[name] = before === undefined ? value : `${before}, ${value}`
  }
  return headers
}
