/** The chunked transfer coding (RFC 9112 section 7.1), taken apart strictly, and without copying data but small pieces of it. */
import { broken } from './response-head.ts'

export interface ChunkedSink {
  /** A piece of the body, of any size but empty: the whole of a chunk that came together, or of small ones that did. */
  onBody(piece: Buffer): void
  /** The trailer section, a line each; nothing follows. */
  onTrailers(lines: readonly string[]): void
}

/** Bytes. Up to here chunks that came together are joined: each piece costs whoever sends it on far more than to copy it. */
const longestSmall = 2_048
const longestSizeLine = 256
const longestTrailers = 16_384
/**
 * 13 hexadecimal digits are 52 bits: exact as a number. Extensions (RFC 9112 section 7.1.1, without the blanks that only bad senders write)
 * are read over; nobody uses them, and Gatehouse does not pass them on.
 */
const sizeLine =
  /^([0-9A-Fa-f]{1,13})(?:;[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?:=(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+|"(?:[\t\x20!#-[\]-~\x80-\xff]|\\[\t\x20-~\x80-\xff])*"))?)*$/

const lineFeed = 0x0a

export class ChunkedBody {
  readonly #sink: ChunkedSink
  #expecting: 'size' | 'data' | 'data-end' | 'trailers' | 'nothing' = 'size'
  #left = 0
  /** Of the bytes that are being taken. */
  #small: Buffer[] = []
  /** Of a line, what came in chunks before. */
  #line = ''
  readonly #trailers: string[] = []
  #trailerLength = 0

  constructor(sink: ChunkedSink) {
    this.#sink = sink
  }

  get isComplete(): boolean {
    return this.#expecting === 'nothing'
  }

  /** Takes bytes from `start` on, and returns the offset behind what belongs to the body. Throws `upstream_protocol`. */
  push(bytes: Buffer, start: number): number {
    let offset = start
    while (offset < bytes.length && this.#expecting !== 'nothing') {
      offset = this.#expecting === 'data' ? this.#data(bytes, offset) : this.#lineOf(bytes, offset)
    }
    this.#giveSmall()
    return offset
  }

  #data(bytes: Buffer, offset: number): number {
    const end = Math.min(offset + this.#left, bytes.length)
    this.#left -= end - offset
    if (this.#left === 0) this.#expecting = 'data-end'
    const piece = offset === 0 && end === bytes.length ? bytes : bytes.subarray(offset, end)
    if (piece.length <= longestSmall) this.#small.push(piece)
    else {
      this.#giveSmall()
      this.#sink.onBody(piece)
    }
    return end
  }

  #giveSmall(): void {
    const [first, ...others] = this.#small
    if (first === undefined) return
    const piece = others.length === 0 ? first : Buffer.concat(this.#small)
    this.#small = []
    this.#sink.onBody(piece)
  }

  #lineOf(bytes: Buffer, offset: number): number {
    const end = bytes.indexOf(lineFeed, offset)
    this.#line += bytes.toString('latin1', offset, end === -1 ? bytes.length : end)
    if (this.#line.length > (this.#expecting === 'trailers' ? longestTrailers : longestSizeLine)) {
      throw broken('a chunk line that is too long')
    }
    if (end === -1) return bytes.length
    const line = this.#line
    this.#line = ''
    if (!line.endsWith('\r')) throw broken('a chunk line without its line end')
    this.#take(line.slice(0, -1))
    return end + 1
  }

  #take(line: string): void {
    if (this.#expecting === 'size') this.#size(line)
    else if (this.#expecting === 'data-end') {
      if (line !== '') throw broken('a chunk longer than its size')
      this.#expecting = 'size'
    } else this.#trailer(line)
  }

  #size(line: string): void {
    const [, digits] = sizeLine.exec(line) ?? []
    if (digits === undefined) throw broken('a malformed chunk size')
    this.#left = Number.parseInt(digits, 16)
    this.#expecting = this.#left === 0 ? 'trailers' : 'data'
  }

  #trailer(line: string): void {
    if (line === '') {
      this.#expecting = 'nothing'
      this.#giveSmall()
      this.#sink.onTrailers(this.#trailers)
      return
    }
    this.#trailerLength += line.length
    if (this.#trailerLength > longestTrailers) throw broken('a trailer section that is too long')
    this.#trailers.push(line)
  }
}
