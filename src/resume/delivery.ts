/**
 * What has come for this side, on its way to whoever takes it: one write at a time, and what waits behind it is copied together. So no more waits than has
 * come, in however small frames it came and whatever came along with it.
 */
import type { Writable } from 'node:stream'
import { Inbox } from '#lib/inbox.ts'

export class Delivery {
  readonly #writable: Writable
  readonly #onTaken: (bytes: number) => void
  readonly #inbox = new Inbox()
  #size = 0
  #isWriting = false
  #hasEnded = false
  #onEmpty: (() => void) | undefined
  /** Nobody takes anything any more. */
  #isBroken = false

  /** `onTaken`: so many bytes are where they were to go. */
  constructor(writable: Writable, onTaken: (bytes: number) => void) {
    this.#writable = writable
    this.#onTaken = onTaken
  }

  /** Bytes that wait, with those that are being written. */
  get size(): number {
    return this.#size
  }

  add(bytes: Buffer): void {
    if (this.#isBroken) return
    this.#size += bytes.length
    if (this.#isWriting) this.#inbox.add(bytes)
    else this.#write(Buffer.from(bytes))
  }

  /** Behind what waits. */
  end(): void {
    this.#hasEnded = true
    if (!this.#isWriting) this.#next()
  }

  /** Once nothing waits any more. */
  whenEmpty(then: () => void): void {
    this.#onEmpty = then
    if (!this.#isWriting) this.#next()
  }

  /** What waits has nowhere to go. */
  drop(): void {
    this.#isBroken = true
    this.#size = 0
    this.#inbox.clear()
  }

  #next(): void {
    const piece = this.#inbox.take()
    if (piece !== undefined) this.#write(piece)
    else if (this.#hasEnded && !this.#writable.writableEnded) this.#writable.end()
    else this.#onEmpty?.()
  }

  #write(piece: Buffer): void {
    this.#isWriting = true
    this.#writable.write(piece, (error) => {
      this.#isWriting = false
      if (error || this.#isBroken) return
      this.#size -= piece.length
      this.#next()
      this.#onTaken(piece.length)
    })
  }
}
