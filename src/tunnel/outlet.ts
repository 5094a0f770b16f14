/**
 * What a tunnel's other side has said, on its way into the stream. Large pieces pass as they are, and those of one turn to the system at once, whom each write
 * costs as much as many bytes do; small ones of one read are copied together, so that a few bytes neither keep all alive that they were received with, nor are
 * written one by one. What waits is counted with what it takes to have it wait.
 */
import type { Writable } from 'node:stream'
import { queuedCost } from './protocol.ts'

/** A piece that is a smaller part of its buffer is copied out of it. */
const smallest = 1 / 4
/** Bytes: fewer are somebody's keystrokes, and wait for nothing. */
const fewestTogether = 4_096
/** Bytes that wait for no more: a read. */
const enoughTogether = 65_536
/** Bytes that wait: two reads. */
const mostWaiting = 131_072

export interface OutletParts {
  readonly writable: Writable
  /** More waits than should: nothing is to be added until {@link OutletParts.onFree}. */
  readonly onFull: () => void
  readonly onFree: () => void
}

export class Outlet {
  readonly #parts: OutletParts
  /** Small pieces of the read that is under way. */
  #small: Buffer[] = []
  /** Writes that are not done. */
  #queued = 0
  #isFull = false
  #isGathering = false

  constructor(parts: OutletParts) {
    this.#parts = parts
  }

  /** Written by {@link flush} at the latest, to be called before what it is a part of is read into again. */
  add(piece: Buffer): void {
    if (piece.length < piece.buffer.byteLength * smallest) {
      this.#small.push(piece)
      return
    }
    this.flush()
    this.#write(piece)
  }

  flush(): void {
    if (this.#small.length === 0) return
    const small = this.#small
    this.#small = []
    this.#write(Buffer.concat(small))
  }

  #write(bytes: Buffer): void {
    const { writable, onFull } = this.#parts
    this.#queued += 1
    if (bytes.length >= fewestTogether) this.#gather()
    writable.write(bytes, this.#onWritten)
    if (writable.writableLength >= enoughTogether) this.#letGo()
    const waiting = writable.writableLength + this.#queued * queuedCost
    if (this.#isFull || waiting < mostWaiting) return
    this.#isFull = true
    onFull()
  }

  /** Up to the end of this turn: a read is cut where its frames are, and by TLS where its records are. */
  #gather(): void {
    if (this.#isGathering) return
    this.#isGathering = true
    this.#parts.writable.cork()
    setImmediate(this.#letGo)
  }

  readonly #letGo = (): void => {
    if (!this.#isGathering) return
    this.#isGathering = false
    this.#parts.writable.uncork()
  }

  /** With an error, too, that the stream tells its owner. */
  readonly #onWritten = (): void => {
    this.#queued -= 1
    if (this.#queued > 0 || !this.#isFull) return
    this.#isFull = false
    this.#parts.onFree()
  }
}
