/** Bytes of one direction that may have to be sent again: from the last that is known to have arrived to the last that there is, copied together. */
const pieceSize = 65_536

export class Kept {
  readonly #pieces: Buffer[] = []
  /** Positions: of the first byte of the first piece, the first that is kept, and the one behind the last. */
  #base = 0
  #from = 0
  #to = 0
  #spare: Buffer | undefined

  get size(): number {
    return this.#to - this.#from
  }

  get from(): number {
    return this.#from
  }

  get to(): number {
    return this.#to
  }

  add(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; ) {
      const filled = (this.#to - this.#base) % pieceSize
      const piece = filled === 0 ? this.#grow() : this.#pieces.at(-1)
      if (piece === undefined) throw new RangeError('bytes without a place')
      const copied = bytes.copy(piece, filled, at)
      at += copied
      this.#to += copied
    }
  }

  /** Fills `target` behind `at` with what is at that position. */
  copy(position: number, target: Buffer, at: number): void {
    for (let copied = at; copied < target.length; ) {
      const offset = position + copied - at - this.#base
      const piece = this.#pieces[Math.floor(offset / pieceSize)]
      if (piece === undefined) throw new RangeError('a position that is not kept')
      copied += piece.copy(target, copied, offset % pieceSize)
    }
  }

  /** What is before that position is not needed any more. */
  free(position: number): void {
    this.#from = Math.min(position, this.#to)
    while (this.#pieces.length > 0 && this.#from - this.#base >= pieceSize) {
      this.#spare = this.#pieces.shift()
      this.#base += pieceSize
    }
    if (this.size > 0 || this.#pieces.length === 0) return
    // Whoever says nothing for hours holds nothing.
    this.#pieces.length = 0
    this.#spare = undefined
    this.#base = this.#to
  }

  #grow(): Buffer {
    if (this.#pieces.length === 0) this.#base = this.#to
    const piece = this.#spare ?? Buffer.allocUnsafeSlow(pieceSize)
    this.#spare = undefined
    this.#pieces.push(piece)
    return piece
  }
}
