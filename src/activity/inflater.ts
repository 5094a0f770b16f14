/**
 * Side inflaters for permessage-deflate (RFC 7692) with context take-over: they turn the payload that passes by into the bytes that were meant, without
 * holding back the one or keeping the other. Each has a window of 32 KiB, so there is a bounded number of them, and each gives up for good where it
 * would cost too much.
 */
import { constants, createInflateRaw, type InflateRaw } from 'node:zlib'

export interface InflaterLimits {
  /** Bytes that wait to be inflated. */
  readonly mostWaiting: number
  /** Bytes that come of one message. */
  readonly mostOfMessage: number
}

/** A file that is uploaded comes in messages of 256 KiB. */
const usualLimits: InflaterLimits = { mostWaiting: 1_048_576, mostOfMessage: 16_777_216 }
const mostInflaters = 256

/** What every message leaves out at its end (section 7.2.1). */
const tail = Buffer.from([0x00, 0x00, 0xff, 0xff])

export class InflaterPool {
  readonly #most: number
  readonly #limits: InflaterLimits
  #lent = 0

  constructor({ most = mostInflaters, limits = usualLimits } = {}) {
    this.#most = most
    this.#limits = limits
  }

  /** How many are in use. */
  get lent(): number {
    return this.#lent
  }

  /** `undefined`: all are in use. `onLost`: once, when it gives up, after which it says nothing. To be ended by who takes it. */
  take(onBytes: (bytes: Buffer) => void, onLost: () => void): Inflater | undefined {
    if (this.#lent >= this.#most) return undefined
    this.#lent += 1
    const onEnd = () => {
      this.#lent -= 1
    }
    return new Inflater({ ...this.#limits, onBytes, onLost, onEnd })
  }
}

interface InflaterParts extends InflaterLimits {
  readonly onBytes: (bytes: Buffer) => void
  readonly onLost: () => void
  readonly onEnd: () => void
}

export class Inflater {
  readonly #parts: InflaterParts
  readonly #stream: InflateRaw
  #waiting = 0
  #ofMessage = 0
  #isEnded = false

  constructor(parts: InflaterParts) {
    this.#parts = parts
    this.#stream = createInflateRaw({ flush: constants.Z_SYNC_FLUSH, chunkSize: 4096 })
    this.#stream.on('data', (bytes: Buffer) => this.#came(bytes))
    this.#stream.on('error', () => this.#giveUp())
    // By a last block, which nobody needs to send; what follows would begin anew.
    this.#stream.on('end', () => this.#giveUp())
  }

  /** All that was written has been told. */
  get isIdle(): boolean {
    return this.#waiting === 0
  }

  /** `payload` is the inflater's from now on. */
  write(payload: Buffer, isLast: boolean): void {
    if (this.#isEnded) return
    this.#waiting += payload.length
    if (this.#waiting > this.#parts.mostWaiting) {
      this.#giveUp()
      return
    }
    this.#stream.write(isLast ? Buffer.concat([payload, tail]) : payload, () => {
      this.#waiting -= payload.length
      if (isLast) this.#ofMessage = 0
    })
  }

  end(): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#stream.destroy()
    this.#parts.onEnd()
  }

  #came(bytes: Buffer): void {
    if (this.#isEnded) return
    this.#ofMessage += bytes.length
    if (this.#ofMessage > this.#parts.mostOfMessage) this.#giveUp()
    else this.#parts.onBytes(bytes)
  }

  #giveUp(): void {
    if (this.#isEnded) return
    this.end()
    this.#parts.onLost()
  }
}
