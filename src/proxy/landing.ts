/**
 * Where the bytes of upstreams come in. Node makes a buffer for each read of a socket: for a gigabyte, sixteen thousand of them, each of which is
 * to be found, filled and collected. Here all connections of a client have one in common, and what is to be kept of a read is copied out of it
 * at once; only a connection amid a large body has one to itself, which is larger, and is read into again when what was in it has been written.
 */
import { markAsUntransferable } from 'node:worker_threads'
import type { Written } from '#http/messages.ts'

/** Bytes. A read that fills as much is followed by more. */
export const landingSize = 65_536
/** Bytes: fewer, larger steps, and yet all of it in the cache of a processor. */
const berthSize = 262_144
/** Connections that have one at a time. The others go on as they do with small bodies, so that thousands of slow readers hold no more than that. */
const mostBerths = 64
/** Kept for the next ones. */
const mostFree = 8

export class Landing {
  /** Holds what was read last of anybody, for as long as that is being looked at. */
  readonly common = landingOf(landingSize)
  readonly #free: Buffer[] = []
  #lent = 0

  /** `onFree`: nobody needs what is in it any more, and it can be read into again. */
  lend(onFree: () => void): Berth | undefined {
    if (this.#lent >= mostBerths) return undefined
    this.#lent += 1
    const buffer = this.#free.pop() ?? landingOf(berthSize)
    const onLeft = () => {
      this.#lent -= 1
    }
    const onEmpty = () => {
      if (this.#free.length < mostFree) this.#free.push(buffer)
    }
    return new Berth(buffer, { onFree, onLeft, onEmpty })
  }
}

/** Nobody who is done with a piece of it may give it back: it is read into again. */
function landingOf(size: number): Buffer {
  const buffer = Buffer.allocUnsafeSlow(size)
  markAsUntransferable(buffer.buffer)
  return buffer
}

interface BerthEvents {
  readonly onFree: () => void
  readonly onLeft: () => void
  /** Left, and nothing of it is needed: never called where a piece is lost, whose buffer is then collected as any other. */
  readonly onEmpty: () => void
}

/** A buffer that one connection alone reads into. */
export class Berth {
  readonly buffer: Buffer
  readonly #events: BerthEvents
  /** Pieces of it that somebody has yet to write. */
  #pieces = 0
  #isLeft = false

  constructor(buffer: Buffer, events: BerthEvents) {
    this.buffer = buffer
    this.#events = events
  }

  /** May it be read into? */
  get isFree(): boolean {
    return this.#pieces === 0
  }

  /** A piece of it was given to somebody, who will call {@link written}. */
  give(): void {
    this.#pieces += 1
  }

  /**
   * With an error where the piece could not be written. What its stream has cancelled may still be in the hands of the system, on its way to a client
   * who would then be sent what somebody else was answered: such a buffer is never read into again, and is collected as any other.
   */
  readonly written: Written = (error) => {
    if (error) return
    this.#pieces -= 1
    if (this.#pieces > 0) return
    if (this.#isLeft) this.#events.onEmpty()
    else this.#events.onFree()
  }

  /** The connection reads into it no more. */
  leave(): void {
    if (this.#isLeft) return
    this.#isLeft = true
    this.#events.onLeft()
    if (this.#pieces === 0) this.#events.onEmpty()
  }
}
