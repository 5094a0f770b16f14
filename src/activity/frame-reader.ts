/**
 * WebSocket frames (RFC 6455) read in passing, split at any byte: tells what belongs to messages, and where these begin and end. Holds a few numbers
 * and none of the bytes.
 */

/** The payload of messages, as it stands in a chunk that passes by. */
export interface MessageSink {
  begins(isText: boolean, isCompressed: boolean): void
  /** Good until the call returns. `isLast`: the message ends with it; it may be empty then. */
  piece(piece: MaskedPiece, isLast: boolean): void
}

export interface MaskedPiece {
  readonly chunk: Buffer
  readonly at: number
  readonly length: number
  /** Four bytes, the first one highest; 0 for frames that aren't masked. */
  readonly mask: number
  /** Which byte of the mask is the first one's. */
  readonly maskAt: number
}

/** Copies the first `length` bytes of a piece to `target`, unmasked. */
export function unmaskInto(target: Buffer, to: number, { chunk, at, mask, maskAt }: MaskedPiece, length: number): void {
  if (mask === 0) {
    chunk.copy(target, to, at, at + length)
    return
  }
  for (let index = 0; index < length; index++) {
    const shift = 24 - 8 * ((maskAt + index) & 3)
    target[to + index] = (chunk[at + index] ?? 0) ^ ((mask >>> shift) & 0xff)
  }
}

/** What the next byte is. `lost`: these are no frames. */
type Expecting = 'first' | 'second' | 'length' | 'mask' | 'payload' | 'lost'

const continuation = 0x0
const text = 0x1
const binary = 0x2
const firstControl = 0x8

export class FrameReader {
  readonly #sink: MessageSink
  #expecting: Expecting = 'first'
  /** The first byte of the present frame. */
  #frame = 0
  #isWithinMessage = false
  #fieldLeft = 0
  #payloadLeft = 0
  #mask = 0
  #maskAt = 0

  constructor(sink: MessageSink) {
    this.#sink = sink
  }

  /** Between messages: another one that begins with the next byte would see the same. */
  get isAtRest(): boolean {
    return this.#expecting === 'first' && !this.#isWithinMessage
  }

  /** There was something that is no frame; nothing more is told. */
  get isLost(): boolean {
    return this.#expecting === 'lost'
  }

  advance(chunk: Buffer): void {
    for (let at = 0; at < chunk.length && this.#expecting !== 'lost'; ) at = this.#step(chunk, at)
  }

  #step(chunk: Buffer, at: number): number {
    if (this.#expecting === 'payload') return this.#payload(chunk, at)
    const byte = chunk[at] ?? 0
    if (this.#expecting === 'first') this.#first(byte)
    else if (this.#expecting === 'second') this.#second(byte)
    else this.#field(byte)
    return at + 1
  }

  #first(byte: number): void {
    const opcode = byte & 0x0f
    const isData = opcode === text || opcode === binary
    const isNext = opcode === continuation ? this.#isWithinMessage : !isData || !this.#isWithinMessage
    const isKnown = opcode <= binary || (opcode >= firstControl && opcode <= 0xa)
    this.#expecting = isNext && isKnown && (byte & 0x30) === 0 ? 'second' : 'lost'
    this.#frame = byte
    if (!isData || this.#expecting === 'lost') return
    this.#isWithinMessage = true
    this.#sink.begins(opcode === text, (byte & 0x40) !== 0)
  }

  #second(byte: number): void {
    const length = byte & 0x7f
    this.#mask = 0
    this.#maskAt = (byte & 0x80) === 0 ? 0 : 4
    this.#fieldLeft = length === 126 ? 2 : length === 127 ? 8 : 0
    this.#payloadLeft = this.#fieldLeft === 0 ? length : 0
    this.#expecting = 'length'
    if (this.#fieldLeft === 0) this.#lengthIsKnown()
  }

  /** A byte of the length or of the mask. */
  #field(byte: number): void {
    this.#fieldLeft -= 1
    if (this.#expecting === 'mask') {
      this.#mask = (this.#mask << 8) | byte
      if (this.#fieldLeft === 0) this.#payloadBegins()
      return
    }
    this.#payloadLeft = this.#payloadLeft * 256 + byte
    if (this.#payloadLeft > Number.MAX_SAFE_INTEGER) this.#expecting = 'lost'
    else if (this.#fieldLeft === 0) this.#lengthIsKnown()
  }

  #lengthIsKnown(): void {
    this.#fieldLeft = this.#maskAt
    this.#maskAt = 0
    if (this.#fieldLeft > 0) this.#expecting = 'mask'
    else this.#payloadBegins()
  }

  #payloadBegins(): void {
    this.#expecting = 'payload'
    if (this.#payloadLeft > 0) return
    if (!this.#isControl && this.#isFinal) this.#sink.piece(emptyPiece, true)
    this.#frameEnds()
  }

  #payload(chunk: Buffer, at: number): number {
    const length = Math.min(this.#payloadLeft, chunk.length - at)
    this.#payloadLeft -= length
    if (!this.#isControl) {
      const isLast = this.#payloadLeft === 0 && this.#isFinal
      this.#sink.piece({ chunk, at, length, mask: this.#mask, maskAt: this.#maskAt }, isLast)
    }
    this.#maskAt = (this.#maskAt + length) & 3
    if (this.#payloadLeft === 0) this.#frameEnds()
    return at + length
  }

  get #isControl(): boolean {
    return (this.#frame & 0x0f) >= firstControl
  }

  get #isFinal(): boolean {
    return (this.#frame & 0x80) !== 0
  }

  #frameEnds(): void {
    this.#expecting = 'first'
    if (!this.#isControl && this.#isFinal) this.#isWithinMessage = false
  }
}

const emptyPiece: MaskedPiece = { chunk: Buffer.alloc(0), at: 0, length: 0, mask: 0, maskAt: 0 }
