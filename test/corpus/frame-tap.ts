/** Whole messages of a WebSocket from the bytes that pass, for who records them: nothing of {@link file://../../src/activity} has a part in it. */
import { constants, createInflateRaw } from 'node:zlib'

export interface HeardMessage {
  readonly opcode: number
  readonly isCompressed: boolean
  /** As it was sent, unmasked. */
  readonly payload: Buffer
}

interface Frame extends HeardMessage {
  readonly isFinal: boolean
  /** Bytes of it with its header. */
  readonly length: number
}

export class FrameTap {
  readonly #onMessage: (message: HeardMessage) => void
  #held: Buffer = Buffer.alloc(0)
  #begun: Frame[] = []

  constructor(onMessage: (message: HeardMessage) => void) {
    this.#onMessage = onMessage
  }

  write(chunk: Buffer): void {
    this.#held = Buffer.concat([this.#held, chunk])
    for (let frame = frameIn(this.#held); frame; frame = frameIn(this.#held)) {
      this.#held = this.#held.subarray(frame.length)
      this.#came(frame)
    }
  }

  #came(frame: Frame): void {
    if (frame.opcode >= 8) {
      this.#onMessage(frame)
      return
    }
    this.#begun.push(frame)
    if (!frame.isFinal) return
    const [first = frame] = this.#begun
    this.#onMessage({ ...first, payload: Buffer.concat(this.#begun.map(({ payload }) => payload)) })
    this.#begun = []
  }
}

function frameIn(bytes: Buffer): Frame | undefined {
  if (bytes.length < 2) return undefined
  const [first = 0, second = 0] = bytes
  const maskSize = second >= 0x80 ? 4 : 0
  const lengthSize = sizesOfLength.get(second & 0x7f) ?? 0
  const at = 2 + lengthSize + maskSize
  if (bytes.length < at) return undefined
  const size = lengthIn(bytes, lengthSize)
  if (bytes.length < at + size) return undefined
  const mask = bytes.subarray(at - maskSize, at)
  const payload = unmasked(bytes.subarray(at, at + size), mask)
  return {
    opcode: first & 0x0f,
    isFinal: first >= 0x80,
    isCompressed: (first & 0x40) !== 0,
    payload,
    length: at + size,
  }
}

const sizesOfLength: ReadonlyMap<number, number> = new Map([
  [126, 2],
  [127, 8],
])

function lengthIn(bytes: Buffer, size: number): number {
  if (size === 2) return bytes.readUInt16BE(2)
  return size === 8 ? Number(bytes.readBigUInt64BE(2)) : (bytes[1] ?? 0) & 0x7f
}

function unmasked(payload: Buffer, mask: Buffer): Buffer {
  return Buffer.from(payload.map((byte, index) => byte ^ (mask[index & 3] ?? 0)))
}

/** What the messages of one side were before they were compressed, in their order. */
export class WholeInflater {
  readonly #stream = createInflateRaw({ flush: constants.Z_SYNC_FLUSH })
  #pieces: Buffer[] = []

  constructor() {
    this.#stream.on('data', (piece: Buffer) => this.#pieces.push(piece))
  }

  /** One at a time. */
  async inflate(payload: Buffer): Promise<Buffer> {
    await new Promise<void>((resolve, reject) => {
      this.#stream.once('error', reject)
      this.#stream.write(Buffer.concat([payload, Buffer.from([0, 0, 0xff, 0xff])]), () => {
        this.#stream.off('error', reject)
        resolve()
      })
    })
    const whole = Buffer.concat(this.#pieces)
    this.#pieces = []
    return whole
  }
}
