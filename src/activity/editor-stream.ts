/**
 * The stream of messages between VS Code's workbench and its server, within whatever carries it: each a header of 13 bytes (kind, number, number of the
 * last one received, length; big-endian) and a body. Read in passing and split at any byte; of a body no more is held than its head, and nothing between
 * messages.
 */

/** Kinds of messages. Others are sent by no version of the protocol. */
export const editorKinds = {
  regular: 1,
  control: 2,
  acknowledgement: 3,
  disconnect: 5,
  replayRequest: 6,
  pause: 7,
  resume: 8,
  keepAlive: 9,
} as const

const known: ReadonlySet<number> = new Set(Object.values(editorKinds))

const headerSize = 13
const lengthAt = 9
const none = Buffer.alloc(0)

/** `head`: the beginning of the body; good until the call returns. */
export type OnEditorMessage = (kind: number, head: Buffer) => void

export class EditorStream {
  readonly #limit: number
  readonly #onMessage: OnEditorMessage
  /** Bytes of the header that are here. */
  #at = 0
  #kind = 0
  #bodyLeft = 0
  #held = none
  #isTold = true
  #isLost = false

  /** `limit`: bytes of a head. */
  constructor(limit: number, onMessage: OnEditorMessage) {
    this.#limit = limit
    this.#onMessage = onMessage
  }

  get isAtRest(): boolean {
    return this.#at === 0
  }

  /** There was something that is no such message; nothing more is told. */
  get isLost(): boolean {
    return this.#isLost
  }

  advance(chunk: Buffer): void {
    for (let at = 0; at < chunk.length && !this.#isLost; ) at = this.#step(chunk, at)
  }

  #step(chunk: Buffer, at: number): number {
    if (this.#at < headerSize) {
      this.#header(chunk[at] ?? 0)
      return at + 1
    }
    const taken = Math.min(this.#bodyLeft, chunk.length - at)
    this.#bodyLeft -= taken
    if (!this.#isTold) this.#hold(chunk.subarray(at, at + taken))
    if (this.#bodyLeft === 0) this.#at = 0
    return at + taken
  }

  #header(byte: number): void {
    if (this.#at === 0) {
      this.#kind = byte
      this.#bodyLeft = 0
      this.#isLost = !known.has(byte)
    }
    if (this.#at >= lengthAt) this.#bodyLeft = this.#bodyLeft * 256 + byte
    this.#at += 1
    if (this.#at < headerSize) return
    this.#isTold = false
    if (this.#bodyLeft > 0 && this.#kind === editorKinds.regular) return
    // Nobody looks into the other kinds.
    this.#tell(none)
    if (this.#bodyLeft === 0) this.#at = 0
  }

  #hold(piece: Buffer): void {
    const head = piece.subarray(0, this.#limit - this.#held.length)
    const isEnough = this.#held.length + head.length === this.#limit || this.#bodyLeft === 0
    // All of it at once is the usual case, and needs no copy.
    const whole = this.#held.length === 0 ? head : Buffer.concat([this.#held, head])
    if (isEnough) this.#tell(whole)
    else this.#held = Buffer.from(whole)
  }

  #tell(head: Buffer): void {
    this.#isTold = true
    this.#held = none
    this.#onMessage(this.#kind, head)
  }
}
