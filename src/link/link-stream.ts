/**
 * One connection on a link, as a socket of its own: what is written waits for credit of the other side and for room on the link, what comes waits to be
 * read, and never more of it than there was credit for.
 */
import { Duplex } from 'node:stream'
import { Inbox } from '#lib/inbox.ts'
import type { Finishing } from '#lib/read-memory.ts'
import { LinkFault, longestData, streamWindow } from './frames.ts'

/** What a stream says by its link. */
export interface StreamWire {
  /** Nothing more should be said for now; {@link LinkStream.onRoom} follows. */
  readonly isFull: boolean
  data(id: number, bytes: Buffer): void
  credit(id: number, bytes: number): void
  end(id: number): void
  /** It is over, and `isCut` where the other side has to be told so. */
  over(id: number, isCut: boolean): void
}

interface Waiting {
  readonly bytes: Buffer
  at: number
  readonly done: (error?: Error | null) => void
}

const nothing = Buffer.alloc(0)

/** Whoever it is passed to counts its own bytes alone: a few of them are not to keep alive all that they were received with. */
function apart(piece: Buffer): Buffer {
  if (piece.length * 2 >= piece.buffer.byteLength) return piece
  const own = Buffer.allocUnsafeSlow(piece.length)
  piece.copy(own)
  return own
}

/** As a socket says it. */
export function brokenLink(message: string): Error {
  return Object.assign(new Error(message), { code: 'ECONNRESET' })
}

export class LinkStream extends Duplex implements Finishing {
  readonly id: number
  /** It is copied into frames. */
  readonly isDoneWithWritten = true
  readonly #wire: StreamWire
  readonly #inbox = new Inbox()
  /** Bytes that may still be sent, and that may still come. */
  #room = streamWindow
  #allowance = streamWindow
  /** Bytes that were read, for which no credit was given yet. */
  #owed = 0
  #waiting: Waiting | undefined
  #isAskedFor = false
  #otherHasEnded = false
  #hasToldEnd = false
  #ownHasEnded = false
  #isOver = false
  /** Nobody hears any more what is written. */
  #isDeaf = false

  constructor(id: number, wire: StreamWire) {
    super({ allowHalfOpen: true })
    this.id = id
    this.#wire = wire
    // A link may break before anybody listens; 'close' follows, and is acted on.
    this.on('error', () => undefined)
  }

  /** Throws {@link LinkFault} where there was no credit for it. */
  onData(bytes: Buffer): void {
    this.#allowance -= bytes.length
    if (this.#otherHasEnded || this.#allowance < 0) throw new LinkFault('more bytes than there was credit for')
    // Only what somebody reads at once is passed on as it is: whatever waits is bounded by being copied together.
    if (this.#isAskedFor && this.#inbox.isEmpty && this.readableLength === 0) {
      this.#pass(bytes)
      return
    }
    this.#inbox.add(bytes)
    if (!this.#isAskedFor) return
    // It was asked for once, and would never be again: saying nothing makes the stream ask anew, a turn later, when more has come together.
    this.#isAskedFor = false
    this.push(nothing)
  }

  onCredit(bytes: number): void {
    this.#room += bytes
    if (this.#room > streamWindow) throw new LinkFault('more credit than bytes were sent')
    this.#send()
  }

  onEnd(): void {
    if (this.#otherHasEnded) throw new LinkFault('an end behind an end')
    this.#otherHasEnded = true
    this.#deliver()
  }

  /** The other side has cut it, or the link is gone: nobody is to be told. What was said to its end before is read first, end and all. */
  onCut(message: string): void {
    this.#isOver = true
    const error = brokenLink(message)
    if (!this.#otherHasEnded || this.readableEnded) {
      this.destroy(error)
      return
    }
    this.#isDeaf = true
    this.once('end', () => this.destroy(this.writableFinished ? undefined : error))
    this.#waiting?.done()
    this.#waiting = undefined
  }

  onRoom(): void {
    this.#send()
  }

  override _read(): void {
    this.#isAskedFor = true
    this.#deliver()
  }

  override _write(bytes: Buffer, _encoding: BufferEncoding, done: Waiting['done']): void {
    if (this.#isDeaf) {
      done()
      return
    }
    this.#waiting = { bytes, at: 0, done }
    this.#send()
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#ownHasEnded = true
    if (!this.#isOver) this.#wire.end(this.id)
    this.#settle()
    done()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#inbox.clear()
    const { done: written } = this.#waiting ?? {}
    this.#waiting = undefined
    if (!this.#isOver) {
      this.#isOver = true
      this.#wire.over(this.id, true)
    }
    written?.(error ?? brokenLink('the connection was closed'))
    done(error)
  }

  #deliver(): void {
    while (this.#isAskedFor && !this.destroyed) {
      const piece = this.#inbox.take()
      if (piece === undefined) break
      this.#pass(piece)
    }
    if (!this.#otherHasEnded || !this.#inbox.isEmpty || this.#hasToldEnd || this.destroyed) return
    this.#hasToldEnd = true
    this.push(null)
    this.#settle()
  }

  #pass(piece: Buffer): void {
    this.#owed += piece.length
    // Whoever is told of it may ask for more before this returns.
    this.#isAskedFor = false
    if (this.push(apart(piece))) this.#isAskedFor = true
    if (this.#owed < streamWindow / 2 || this.#otherHasEnded || this.#isOver) return
    this.#allowance += this.#owed
    this.#wire.credit(this.id, this.#owed)
    this.#owed = 0
  }

  #send(): void {
    const { id } = this
    while (this.#waiting && this.#room > 0 && !this.#wire.isFull) {
      const waiting = this.#waiting
      const length = Math.min(this.#room, longestData, waiting.bytes.length - waiting.at)
      this.#wire.data(id, waiting.bytes.subarray(waiting.at, waiting.at + length))
      this.#room -= length
      waiting.at += length
      if (waiting.at < waiting.bytes.length) continue
      this.#waiting = undefined
      waiting.done()
    }
  }

  /** Both have said all they had to say: its number is nobody's any more. */
  #settle(): void {
    if (!this.#ownHasEnded || !this.#hasToldEnd || this.#isOver) return
    this.#isOver = true
    this.#wire.over(this.id, false)
  }
}
