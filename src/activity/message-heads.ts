/**
 * The beginnings of the messages in a stream of WebSocket frames (RFC 6455), read in passing: the bytes go on as they came, and of each message no
 * more is held than its head, and that only until there is enough of it. Between messages nothing is kept.
 */

export interface MessageHead {
  /** Its first bytes, unmasked; good until the callback returns. */
  readonly head: Buffer
  /** `head` is all of it. */
  readonly isWhole: boolean
  /** Else binary. */
  readonly isText: boolean
  /** By permessage-deflate (RFC 7692): `head` is the beginning of the compressed form. */
  readonly isCompressed: boolean
}

/** What the next byte is. `lost`: these are no frames. */
type Expecting = 'first' | 'second' | 'length' | 'mask' | 'payload' | 'lost'

const continuation = 0x0
const text = 0x1
const binary = 0x2
const firstControl = 0x8
const none = Buffer.alloc(0)

export class MessageHeads {
  readonly #limit: number
  readonly #onHead: (message: MessageHead) => void
  #expecting: Expecting = 'first'
  /** The first byte of the present frame, and that of the first frame of the present message. */
  #frame = 0
  #message = 0
  #fieldLeft = 0
  #payloadLeft = 0
  /** All zero for frames that aren't masked. */
  #mask = 0
  #maskAt = 0
  #held = none
  #heldLength = 0
  /** The head of the present message has been told. */
  #isTold = true

  /** `limit`: bytes of a head. */
  constructor(limit: number, onHead: (message: MessageHead) => void) {
    this.#limit = limit
    this.#onHead = onHead
  }

  /** Nothing is held: another one that begins with the next byte would see the same. */
  get isAtRest(): boolean {
    return this.#expecting === 'first' && this.#message === 0
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
    const isNext = opcode === continuation ? this.#message !== 0 : !isData || this.#message === 0
    const isKnown = opcode <= binary || (opcode >= firstControl && opcode <= 0xa)
    this.#expecting = isNext && isKnown && (byte & 0x30) === 0 ? 'second' : 'lost'
    this.#frame = byte
    if (!isData) return
    this.#message = byte
    this.#isTold = false
    this.#heldLength = 0
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
    if (this.#payloadLeft === 0) this.#frameEnds()
  }

  #payload(chunk: Buffer, at: number): number {
    const taken = Math.min(this.#payloadLeft, chunk.length - at)
    if (!this.#isTold && !this.#isControl) this.#hold(chunk, at, taken)
    this.#maskAt = (this.#maskAt + taken) & 3
    this.#payloadLeft -= taken
    if (this.#payloadLeft === 0) this.#frameEnds()
    return at + taken
  }

  get #isControl(): boolean {
    return (this.#frame & 0x0f) >= firstControl
  }

  #hold(chunk: Buffer, at: number, taken: number): void {
    const kept = Math.min(taken, this.#limit - this.#heldLength)
    this.#reserve(this.#heldLength + kept)
    for (let index = 0; index < kept; index++) {
      const shift = 24 - 8 * ((this.#maskAt + index) & 3)
      this.#held[this.#heldLength + index] = (chunk[at + index] ?? 0) ^ ((this.#mask >>> shift) & 0xff)
    }
    this.#heldLength += kept
    if (this.#heldLength === this.#limit && (taken > kept || this.#payloadLeft > taken || !this.#isFinal)) {
      this.#tell(false)
    }
  }

  /** No more than there may come of this frame: most messages are short. */
  #reserve(length: number): void {
    if (length <= this.#held.length) return
    const room = Math.min(this.#limit, Math.max(length, this.#heldLength + this.#payloadLeft))
    const larger = Buffer.allocUnsafe(room)
    this.#held.copy(larger, 0, 0, this.#heldLength)
    this.#held = larger
  }

  get #isFinal(): boolean {
    return (this.#frame & 0x80) !== 0
  }

  #frameEnds(): void {
    this.#expecting = 'first'
    if (this.#isControl || !this.#isFinal) return
    if (!this.#isTold) this.#tell(true)
    this.#message = 0
  }

  #tell(isWhole: boolean): void {
    const head = this.#held.subarray(0, this.#heldLength)
    this.#held = none
    this.#isTold = true
    const isText = (this.#message & 0x0f) === text
    this.#onHead({ head, isWhole, isText, isCompressed: (this.#message & 0x40) !== 0 })
  }
}
