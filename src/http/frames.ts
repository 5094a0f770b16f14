/**
 * Where WebSocket frames end (RFC 6455 section 5.2), learnt from bytes that pass by on their way from a server to its client. Nothing is kept
 * or copied: a few numbers a connection. Some streams are no frames although they began as a WebSocket (VS Code with
 * `skipWebSocketFrames`); at the first thing no server would send the tracker gives up for good.
 */

/** What the next byte is. `lost`: these are not frames. */
type Expecting = 'first' | 'second' | 'length' | 'payload' | 'lost'

const close = 0x8
/** Continuation, text, binary, close, ping, pong; the others are reserved. */
const opcodes: ReadonlySet<number> = new Set([0x0, 0x1, 0x2, close, 0x9, 0xa])

export class FrameTracker {
  #expecting: Expecting = 'first'
  #opcode = 0
  /** Bytes of the length field still to come, and how many there are in all. */
  #lengthLeft = 0
  #lengthSize = 0
  /** Of the payload: the length while it is read, then what is still to come. */
  #payloadLeft = 0
  #isClosed = false

  /** False once something came that is no frame of a server. */
  get isFramed(): boolean {
    return this.#expecting !== 'lost'
  }

  /** Between two frames: here a control frame may be put in, also amid a fragmented message (section 5.4). */
  get isAtBoundary(): boolean {
    return this.#expecting === 'first'
  }

  /** The server has sent its close frame; nothing may follow it. */
  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Takes in a whole chunk. */
  advance(chunk: Buffer): void {
    for (let offset = 0; offset < chunk.length && this.#expecting !== 'lost'; ) offset = this.#step(chunk, offset)
  }

  /**
   * Takes in a chunk up to the first boundary, and says how many bytes that is: 0 when it begins at one. `undefined`: none is within the chunk,
   * all of which is taken in.
   */
  advanceToBoundary(chunk: Buffer): number | undefined {
    let offset = 0
    while (this.#expecting !== 'first') {
      if (this.#expecting === 'lost' || offset >= chunk.length) return undefined
      offset = this.#step(chunk, offset)
    }
    return offset
  }

  /** Returns the offset behind what it took. */
  #step(chunk: Buffer, offset: number): number {
    if (this.#expecting === 'payload') {
      const taken = Math.min(this.#payloadLeft, chunk.length - offset)
      this.#payloadLeft -= taken
      if (this.#payloadLeft === 0) this.#frameEnds()
      return offset + taken
    }
    const byte = chunk[offset] ?? 0
    if (this.#expecting === 'first') this.#first(byte)
    else if (this.#expecting === 'second') this.#second(byte)
    else this.#length(byte)
    return offset + 1
  }

  #first(byte: number): void {
    this.#opcode = byte & 0x0f
    const isControl = this.#opcode >= close
    // Of the three extension bits only the first is in use (RFC 7692), and never on control frames, which are never fragmented.
    const isLegal =
      !this.#isClosed &&
      opcodes.has(this.#opcode) &&
      (byte & 0x30) === 0 &&
      (!isControl || ((byte & 0x40) === 0 && (byte & 0x80) !== 0))
    this.#expecting = isLegal ? 'second' : 'lost'
  }

  #second(byte: number): void {
    const isMasked = (byte & 0x80) !== 0
    const length = byte & 0x7f
    if (isMasked || (length > 125 && this.#opcode >= close)) {
      this.#expecting = 'lost'
    } else if (length > 125) {
      this.#lengthSize = length === 126 ? 2 : 8
      this.#lengthLeft = this.#lengthSize
      this.#payloadLeft = 0
      this.#expecting = 'length'
    } else {
      this.#payloadBegins(length)
    }
  }

  #length(byte: number): void {
    this.#payloadLeft = this.#payloadLeft * 256 + byte
    this.#lengthLeft -= 1
    if (this.#lengthLeft > 0) return
    // "The minimal number of bytes MUST be used"; and nobody sends 8 PiB in one frame.
    const least = this.#lengthSize === 2 ? 126 : 65_536
    if (this.#payloadLeft < least || this.#payloadLeft > Number.MAX_SAFE_INTEGER) this.#expecting = 'lost'
    else this.#payloadBegins(this.#payloadLeft)
  }

  #payloadBegins(length: number): void {
    this.#payloadLeft = length
    this.#expecting = 'payload'
    if (length === 0) this.#frameEnds()
  }

  #frameEnds(): void {
    if (this.#opcode === close) this.#isClosed = true
    this.#expecting = 'first'
  }
}

/** Bytes of a close frame's reason, so that the whole payload stays within the 125 of a control frame. */
const longestReason = 123

/** A server's close frame (RFC 6455 section 5.5.1). A reason that is too long is cut off between two characters. */
export function closeFrame(code: number, reason: string): Buffer {
  let text = reason
  while (Buffer.byteLength(text) > longestReason) text = [...text].slice(0, -1).join('')
  const payload = Buffer.from(text)
  const frame = Buffer.allocUnsafe(4 + payload.length)
  frame[0] = 0x80 | close
  frame[1] = 2 + payload.length
  frame.writeUInt16BE(code, 2)
  payload.copy(frame, 4)
  return frame
}
