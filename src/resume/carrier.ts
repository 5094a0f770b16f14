/** One connection of a stream that outlives it: a byte stream that somebody joins with what leads to the other end. */
import { Duplex } from 'node:stream'
import type { ResumeEnd } from './resume-end.ts'

/** Bytes that wait in it at most, beyond one frame: what is sent again is not to be in memory twice. */
const mostWaiting = 131_072

export class Carrier extends Duplex {
  readonly #end: ResumeEnd
  readonly #onGone: (carrier: Carrier) => void
  #isAskedFor = false
  #isDue = false
  #hasSaidAll = false

  /** `onGone`: once, when nothing comes or goes by it any more. */
  constructor(end: ResumeEnd, onGone: (carrier: Carrier) => void) {
    super({ allowHalfOpen: true, readableHighWaterMark: mostWaiting })
    this.#end = end
    this.#onGone = onGone
    // It breaks as any connection does; 'close' follows, and is acted on.
    this.on('error', () => undefined)
  }

  /** There may be more to send. A turn later: what comes within one is sent in as few frames as it takes. */
  wake(): void {
    if (!this.#isAskedFor || this.#isDue) return
    this.#isDue = true
    setImmediate(() => {
      this.#isDue = false
      // Nobody is above to catch it: one stream breaks, and not the process.
      try {
        this.#pull()
      } catch (error) {
        this.destroy(asError(error))
      }
    })
  }

  override _read(): void {
    this.#isAskedFor = true
    this.#pull()
  }

  override _write(bytes: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    try {
      this.#end.receive(bytes)
    } catch (error) {
      done(asError(error))
      return
    }
    done()
  }

  /** Whoever has more to say says it with `bye` within: the end of a connection is no more than that. */
  override _final(done: (error?: Error | null) => void): void {
    done()
    if (this.#end.over === undefined) this.destroy()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#onGone(this)
    done(error)
  }

  #pull(): void {
    while (this.#isAskedFor && !this.destroyed && !this.#hasSaidAll) {
      const frame = this.#end.next()
      if (frame === undefined) break
      this.#isAskedFor = false
      if (this.push(frame)) this.#isAskedFor = true
    }
    if (this.#end.over === undefined || this.destroyed || this.#hasSaidAll) return
    this.#hasSaidAll = true
    this.push(null)
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}
