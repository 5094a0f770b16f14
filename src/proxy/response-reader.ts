/** One response after the other out of the bytes of a connection: its interim heads, its head, its body, its trailers. */
import { ChunkedBody } from './chunked-body.ts'
import { broken, type ResponseHead, type ResponseHeadParser } from './response-head.ts'

export interface ResponseSink {
  /** 1xx other than 101. */
  onInterim(head: ResponseHead): void
  onHead(head: ResponseHead): void
  /** 101: from `rest` on the bytes are of another protocol. */
  onSwitch(head: ResponseHead, rest: Buffer): void
  /** A piece of the body; `isLast` where it is known that no other follows. */
  onBody(piece: Buffer, isLast: boolean): void
  onEnd(trailers: readonly string[]): void
}

const longestHead = 65_536
/** Interim responses to one request; more are a flood. */
const mostInterim = 32
const endOfHead = Buffer.from('\r\n\r\n')
const noTrailers: readonly string[] = []

export class ResponseReader {
  readonly #parser: ResponseHeadParser
  readonly #sink: ResponseSink
  #expecting: 'head' | 'length' | 'chunked' | 'until-close' | 'nothing' = 'nothing'
  #toHead = false
  #held: Buffer | undefined
  #interims = 0
  #left = 0
  #chunked: ChunkedBody | undefined

  constructor(parser: ResponseHeadParser, sink: ResponseSink) {
    this.#parser = parser
    this.#sink = sink
  }

  /** Nothing is due: a byte that comes now belongs to no response. */
  get isComplete(): boolean {
    return this.#expecting === 'nothing'
  }

  /** Bytes of a body that are still to come, as far as is known. */
  get due(): number {
    if (this.#expecting === 'length') return this.#left
    return this.#expecting === 'chunked' || this.#expecting === 'until-close' ? Number.POSITIVE_INFINITY : 0
  }

  /** A request was sent, and its response is next. */
  begin(toHead: boolean): void {
    this.#expecting = 'head'
    this.#toHead = toHead
    this.#interims = 0
  }

  /** Throws `upstream_protocol`. Bytes behind the end of a response make the connection useless: they could only be read as the next one. */
  push(bytes: Buffer): void {
    let offset = 0
    while (offset < bytes.length) {
      if (this.#expecting === 'nothing') throw broken('bytes behind its response')
      offset = this.#expecting === 'head' ? this.#head(bytes, offset) : this.#body(bytes, offset)
    }
  }

  /** The connection has ended properly. Throws `upstream_protocol` when something was still to come. */
  finish(): void {
    if (this.#expecting === 'nothing') return
    if (this.#expecting !== 'until-close') throw broken('less than it announced')
    this.#expecting = 'nothing'
    this.#sink.onEnd(noTrailers)
  }

  #head(bytes: Buffer, offset: number): number {
    const held = this.#held
    const all = held === undefined ? bytes : Buffer.concat([held, bytes.subarray(offset)])
    const start = held === undefined ? offset : 0
    const from = held === undefined ? offset : Math.max(0, held.length - 3)
    const end = all.indexOf(endOfHead, from)
    if ((end === -1 ? all.length : end) - start > longestHead) throw broken('a head that is too long')
    if (end === -1) {
      this.#held = held === undefined ? Buffer.from(bytes.subarray(offset)) : all
      return bytes.length
    }
    this.#held = undefined
    // Whatever is behind the head came with the last of the bytes.
    const behind = bytes.length - (all.length - end - endOfHead.length)
    const head = this.#parser.parse(all.toString('latin1', start, end), this.#toHead)
    if (head.status !== 101) {
      this.#take(head)
      return behind
    }
    this.#sink.onSwitch(head, bytes.subarray(behind))
    this.#expecting = 'nothing'
    return bytes.length
  }

  #take(head: ResponseHead): void {
    if (head.status >= 200) {
      this.#sink.onHead(head)
      this.#expectBody(head)
      return
    }
    this.#interims += 1
    if (this.#interims > mostInterim) throw broken('too many interim responses')
    if (!head.isPersistent) throw broken('an interim response that says it is the last')
    this.#sink.onInterim(head)
  }

  #expectBody({ body }: ResponseHead): void {
    switch (body.kind) {
      case 'none':
        this.#expecting = 'nothing'
        this.#sink.onEnd(noTrailers)
        return
      case 'length':
        this.#left = body.length
        break
      case 'chunked':
        this.#chunked = new ChunkedBody({
          onBody: (piece) => this.#sink.onBody(piece, false),
          onTrailers: (lines) => this.#sink.onEnd(this.#parser.parseTrailers(lines)),
        })
        break
      case 'until-close':
        break
    }
    this.#expecting = body.kind
  }

  #body(bytes: Buffer, offset: number): number {
    if (this.#expecting === 'length') return this.#counted(bytes, offset)
    if (this.#chunked === undefined || this.#expecting === 'until-close') {
      this.#sink.onBody(offset === 0 ? bytes : bytes.subarray(offset), false)
      return bytes.length
    }
    const end = this.#chunked.push(bytes, offset)
    if (this.#chunked.isComplete) {
      this.#chunked = undefined
      this.#expecting = 'nothing'
    }
    return end
  }

  #counted(bytes: Buffer, offset: number): number {
    const end = Math.min(offset + this.#left, bytes.length)
    this.#left -= end - offset
    const piece = offset === 0 && end === bytes.length ? bytes : bytes.subarray(offset, end)
    if (this.#left > 0) {
      this.#sink.onBody(piece, false)
      return end
    }
    this.#expecting = 'nothing'
    this.#sink.onBody(piece, true)
    this.#sink.onEnd(noTrailers)
    return end
  }
}
