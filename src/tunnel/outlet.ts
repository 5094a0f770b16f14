/**
 * What a tunnel's other side has said, on its way into the stream. Large pieces pass as they are, and those of one turn to the system at once, whom each write
 * costs as much as many bytes do; small ones of one read are copied together, so that a few bytes neither keep all alive that they were received with, nor are
 * written one by one. What waits is counted with what it takes to have it wait.
 */
import type { Writable } from 'node:stream'
import { giveBack, isFinishing, isWhole } from '#lib/read-memory.ts'
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
  /** Writes, and those of them that are done. */
  #written = 0
  #done = 0
  /** Those whose memory is given back, and how many writes are done by then. */
  readonly #reads: { readonly bytes: Buffer; readonly writes: number }[] = []
  #isFull = false
  #isGathering = false
  #isBroken = false

  constructor(parts: OutletParts) {
    this.#parts = parts
  }

  /** A piece of a read; written by {@link endRead} at the latest. */
  add(piece: Buffer): void {
    if (piece.length < piece.buffer.byteLength * smallest) {
      this.#small.push(piece)
      return
    }
    this.flush()
    this.#write(piece)
  }

  /** Of `read` nothing more is added; what was is its last use. */
  endRead(read: Buffer): void {
    this.flush()
    if (this.#isBroken || !isFinishing(this.#parts.writable) || !isWhole(read)) return
    this.#reads.push({ bytes: read, writes: this.#written })
    this.#giveBack()
  }

  flush(): void {
    if (this.#small.length === 0) return
    const small = this.#small
    this.#small = []
    this.#write(Buffer.concat(small))
  }

  #write(bytes: Buffer): void {
    const { writable, onFull } = this.#parts
    this.#written += 1
    if (bytes.length >= fewestTogether) this.#gather()
    writable.write(bytes, this.#onWritten)
    if (writable.writableLength >= enoughTogether) this.#letGo()
    const waiting = writable.writableLength + (this.#written - this.#done) * queuedCost
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

  /** With an error, too, that the stream tells its owner. What was not written may still be in the hands of the system. */
  readonly #onWritten = (error?: Error | null): void => {
    this.#done += 1
    if (error) this.#isBroken = true
    this.#giveBack()
    if (this.#done < this.#written || !this.#isFull) return
    this.#isFull = false
    this.#parts.onFree()
  }

  #giveBack(): void {
    for (let [first] = this.#reads; first !== undefined && first.writes <= this.#done; [first] = this.#reads) {
      this.#reads.shift()
      if (!this.#isBroken) giveBack(first.bytes)
    }
  }
}
