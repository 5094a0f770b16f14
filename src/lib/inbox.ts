/**
 * Bytes that wait to be read, copied together: whoever sends them one by one makes us hold no more than whoever sends them at once, and nothing that was
 * received along with them is kept alive by them.
 */
const pieceSize = 32_768

export class Inbox {
  readonly #pieces: Buffer[] = []
  /** Bytes of the last piece that are in use. */
  #filled = 0

  get isEmpty(): boolean {
    return this.#pieces.length === 0
  }

  add(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; ) {
      const last = this.#last()
      const copied = bytes.copy(last, this.#filled, at)
      this.#filled += copied
      at += copied
    }
  }

  /** It may be a part of something larger. */
  take(): Buffer | undefined {
    const piece = this.#pieces.shift()
    if (piece === undefined || this.#pieces.length > 0) return piece
    return piece.subarray(0, this.#filled)
  }

  clear(): void {
    this.#pieces.length = 0
  }

  /** One with room in it. */
  #last(): Buffer {
    const last = this.#pieces.at(-1)
    if (last !== undefined && this.#filled < last.length) return last
    const piece = Buffer.allocUnsafeSlow(pieceSize)
    this.#pieces.push(piece)
    this.#filled = 0
    return piece
  }
}
