/**
 * The beginnings of the messages in a stream of WebSocket frames, read in passing: the bytes go on as they came, and of each message no more is
 * held than its head, and that only until there is enough of it. Between messages nothing is kept.
 */
import { FrameReader, type MaskedPiece, type MessageSink, unmaskInto } from './frame-reader.ts'

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

const none = Buffer.alloc(0)

export class MessageHeads implements MessageSink {
  readonly #limit: number
  readonly #onHead: (message: MessageHead) => void
  readonly #frames = new FrameReader(this)
  #isText = false
  #isCompressed = false
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
    return this.#frames.isAtRest
  }

  /** There was something that is no frame; nothing more is told. */
  get isLost(): boolean {
    return this.#frames.isLost
  }

  advance(chunk: Buffer): void {
    this.#frames.advance(chunk)
  }

  /** For the reader of frames alone. */
  begins(isText: boolean, isCompressed: boolean): void {
    this.#isText = isText
    this.#isCompressed = isCompressed
    this.#isTold = false
    this.#heldLength = 0
  }

  /** For the reader of frames alone. */
  piece(piece: MaskedPiece, isLast: boolean): void {
    if (this.#isTold) return
    if (this.#heldLength === 0 && piece.mask === 0 && (isLast || piece.length > this.#limit)) {
      this.#tellAsItStands(piece)
      return
    }
    const kept = Math.min(piece.length, this.#limit - this.#heldLength)
    this.#reserve(this.#heldLength + kept)
    unmaskInto(this.#held, this.#heldLength, piece, kept)
    this.#heldLength += kept
    if (kept < piece.length || (this.#heldLength === this.#limit && !isLast)) this.#tell(false)
    else if (isLast) this.#tell(true)
  }

  /** Most messages are short, and come at once. */
  #reserve(length: number): void {
    if (length <= this.#held.length) return
    const larger = Buffer.allocUnsafe(Math.min(this.#limit, Math.max(length, 2 * this.#held.length)))
    this.#held.copy(larger, 0, 0, this.#heldLength)
    this.#held = larger
  }

  /** All that is wanted is here, and needs no copy. */
  #tellAsItStands({ chunk, at, length }: MaskedPiece): void {
    const wanted = Math.min(length, this.#limit)
    this.#tellHead(chunk.subarray(at, at + wanted), wanted === length)
  }

  #tell(isWhole: boolean): void {
    this.#tellHead(this.#held.subarray(0, this.#heldLength), isWhole)
  }

  #tellHead(head: Buffer, isWhole: boolean): void {
    this.#held = none
    this.#isTold = true
    this.#onHead({ head, isWhole, isText: this.#isText, isCompressed: this.#isCompressed })
  }
}
