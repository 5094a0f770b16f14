/** The answer to a request that came by HTTP/2, to be written like one of HTTP/1.1. Its stream is the client's alone, and so is what ends it. */
import type { OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import { Writable } from 'node:stream'
import type { ClientResponse } from '#http/messages.ts'
import { AnswerFields } from './answer-fields.ts'
import type { HeldPieces } from './held-pieces.ts'
import type { Http2Request } from './request.ts'
import type { StreamSocket } from './stream-socket.ts'

export class Http2Response extends Writable implements ClientResponse {
  readonly req: Http2Request
  statusCode = 200
  /** Said of connections alone: another stream is another request, whatever becomes of this one. */
  shouldKeepAlive = true
  readonly #stream: ServerHttp2Stream
  readonly #fields = new AnswerFields()
  #trailers: OutgoingHttpHeaders = {}
  /** Given to the stream, and not yet known to be sent. */
  #onItsWay: Buffer | undefined
  #isDecided = false
  #isHeadSent = false
  #hasBody = true

  constructor(stream: ServerHttp2Stream, request: Http2Request, held: HeldPieces) {
    super({ highWaterMark: mostWaiting })
    this.req = request
    this.#stream = stream
    const { session } = stream
    stream.once('close', () => {
      if (session && this.#onItsWay) held.hold(session, this.#onItsWay)
    })
    // The one comes at once when a client leaves, the other when all that it sent was read.
    stream.once('aborted', () => this.destroy())
    stream.once('close', () => this.destroy())
    // Who has left is seen by the end of the stream.
    this.on('error', () => undefined)
  }

  get socket(): StreamSocket {
    return this.req.socket
  }

  get headersSent(): boolean {
    return this.#isDecided
  }

  setHeader(name: string, value: string | number | readonly string[]): this {
    this.#fields.set(name, value)
    return this
  }

  getHeader(name: string): string | readonly string[] | undefined {
    return this.#fields.get(name)
  }

  hasHeader(name: string): boolean {
    return this.#fields.get(name) !== undefined
  }

  removeHeader(name: string): void {
    this.#fields.delete(name)
  }

  /** `fields`: flat, or by name, as Node's own takes them. */
  writeHead(
    status: number,
    fields: readonly string[] | Readonly<Record<string, string | number | string[]>> = [],
  ): this {
    this.statusCode = status
    if (isList(fields)) this.#fields.append(fields)
    else for (const [name, value] of Object.entries(fields)) this.#fields.set(name, value)
    this.#isDecided = true
    return this
  }

  flushHeaders(): void {
    if (!this.#isHeadSent) this.#sendHead(false)
  }

  writeContinue(): void {
    this.writeInformation(100, [])
  }

  /** Not after the head of the answer itself. */
  writeInformation(status: number, fields: readonly string[]): void {
    if (this.#isHeadSent || this.socket.destroyed) return
    const interim = new AnswerFields()
    interim.append(fields)
    this.#stream.additionalHeaders({ ':status': status, ...interim.byName() })
  }

  addTrailers(fields: readonly (readonly [string, string])[]): void {
    const trailers = new AnswerFields()
    trailers.append(fields.flat())
    this.#trailers = trailers.byName()
  }

  /** Later in this turn, when it is known whether more is to come: the last frame says so itself. */
  override _write(piece: Buffer, _encoding: BufferEncoding, done: () => void): void {
    queueMicrotask(() => this.#send(piece, done))
  }

  override _writev(pieces: readonly { readonly chunk: Buffer }[], done: () => void): void {
    const all = Buffer.concat(pieces.map(({ chunk }) => chunk))
    queueMicrotask(() => this.#send(all, done))
  }

  override _final(done: () => void): void {
    const stream = this.#stream
    if (!this.#isHeadSent) this.#sendHead(true)
    if (this.socket.destroyed && !stream.writableFinished) return
    if (stream.writableFinished) done()
    else stream.once('finish', done)
    if (!stream.writableEnded) stream.end()
  }

  override _destroy(_error: Error | null, done: () => void): void {
    if (!this.writableFinished) this.socket.destroy()
    done()
  }

  #send(piece: Buffer, done: () => void): void {
    const stream = this.#stream
    const isLast = this.writableEnded && this.writableLength <= piece.length
    if (!this.#isHeadSent) this.#sendHead(false)
    // Then its end follows, and nothing is waited for.
    if (this.socket.destroyed) return
    if (!this.#hasBody || piece.length === 0) {
      done()
      return
    }
    this.#onItsWay = piece
    const sent = (error?: Error | null) => {
      if (error) return
      this.#onItsWay = undefined
      done()
    }
    if (isLast) stream.end(piece, sent)
    else stream.write(piece, sent)
  }

  #sendHead(isAll: boolean): void {
    const stream = this.#stream
    this.#isDecided = true
    this.#isHeadSent = true
    if (this.socket.destroyed) return
    this.#hasBody = !isAll && this.req.method !== 'HEAD' && !bodyless.has(this.statusCode)
    const waitForTrailers = this.#hasBody && this.#fields.get('content-length') === undefined
    if (waitForTrailers) stream.once('wantTrailers', () => stream.sendTrailers(this.#trailers))
    const head = [':status', String(this.statusCode), ...this.#fields.flat()]
    stream.respond(head, { endStream: !this.#hasBody, waitForTrailers })
  }
}

/** Bytes of an answer that wait for their client before its source is asked to wait. */
const mostWaiting = 65_536
const bodyless: ReadonlySet<number> = new Set([204, 205, 304])

function isList(fields: object): fields is readonly string[] {
  return Array.isArray(fields)
}
