/**
 * Reads what comes in as frames of a WebSocket (RFC 6455 section 5), however it is cut. Of bytes of the stream nothing is put together or kept: each piece is
 * handed on as it comes, unmasked where it lies. Text and what controls the connection are small, and handed on whole. Whatever the RFC forbids, or is
 * larger than a tunnel's messages are, is a {@link FrameFault}.
 */
import { isUtf8 } from 'node:buffer'
import { applyMask } from './mask.ts'
import { longestMessage } from './protocol.ts'

/** Opcodes. */
export const frameKinds = { continuation: 0x0, text: 0x1, binary: 0x2, close: 0x8, ping: 0x9, pong: 0xa } as const

/** Who sends the frames: those of clients are masked, those of servers are not. */
export type Sender = 'client' | 'server'

export interface FrameHearing {
  /** Of a binary message, in order; never empty. Valid for as long as what was given to {@link FrameReader.read} is. */
  onBytes(piece: Buffer): void
  /** A binary message without a byte. */
  onEmpty(): void
  onText(text: string): void
  onPing(payload: Buffer): void
  onPong(): void
}

/** The other side's last word. 1005: it named no code. */
export interface HeardClose {
  readonly code: number
  readonly reason: string
}

/** `code`: what the other side is told, as section 7.4.1 has it. */
export class FrameFault extends Error {
  override readonly name = 'FrameFault'
  readonly code: 1002 | 1007 | 1008 | 1009

  constructor(code: FrameFault['code'], message: string) {
    super(message)
    this.code = code
  }
}

/** Of one message. Whoever needs more has something else in mind. */
const mostFragments = 16
const longestControl = 125

/** What the next byte is. */
type Expecting = 'first' | 'second' | 'length' | 'mask' | 'payload' | 'nothing'

export class FrameReader {
  readonly #sender: Sender
  #expecting: Expecting = 'first'
  #kind = 0
  #isLast = false
  /** Bytes of the field that is being read which are still to come. */
  #fieldLeft = 0
  #lengthSize = 0
  /** Of the frame's payload. */
  #length = 0
  #read = 0
  readonly #key = new Uint8Array(4)
  /** Of a message of several frames, or of one that has begun. */
  #message: 'text' | 'binary' | undefined
  #messageLength = 0
  #fragments = 0
  #text: Buffer | undefined
  #control: Buffer | undefined
  #close: HeardClose | undefined

  constructor(sender: Sender) {
    this.#sender = sender
  }

  /** A close, behind which nothing is read. Throws {@link FrameFault}, after which nothing more is to be read, and what `hearing` throws. */
  read(bytes: Buffer, hearing: FrameHearing): HeardClose | undefined {
    for (let at = 0; at < bytes.length && this.#expecting !== 'nothing'; ) {
      if (this.#expecting !== 'payload') {
        this.#head(bytes[at] ?? 0, hearing)
        at += 1
        continue
      }
      const piece = bytes.subarray(at, at + this.#length - this.#read)
      at += piece.length
      this.#payload(piece, hearing)
    }
    return this.#close
  }

  #head(byte: number, hearing: FrameHearing): void {
    switch (this.#expecting) {
      case 'first':
        this.#first(byte)
        break
      case 'second':
        this.#second(byte)
        break
      case 'length':
        this.#length = this.#length * 256 + byte
        this.#fieldLeft -= 1
        if (this.#fieldLeft === 0) this.#lengthEnds()
        break
      default:
        this.#key[4 - this.#fieldLeft] = byte
        this.#fieldLeft -= 1
        if (this.#fieldLeft === 0) this.#expecting = 'payload'
    }
    if (this.#expecting === 'payload' && this.#length === 0) this.#frameEnds(hearing)
  }

  #first(byte: number): void {
    this.#kind = byte & 0x0f
    this.#isLast = (byte & 0x80) !== 0
    // No extension was agreed on that would give these bits a meaning.
    if ((byte & 0x70) !== 0) throw new FrameFault(1002, 'a reserved bit is set')
    const { continuation, text, binary, close, ping, pong } = frameKinds
    switch (this.#kind) {
      case continuation:
        if (this.#message === undefined) throw new FrameFault(1002, 'a continuation of nothing')
        break
      case text:
      case binary:
        if (this.#message !== undefined) throw new FrameFault(1002, 'a message within another one')
        this.#message = this.#kind === text ? 'text' : 'binary'
        this.#messageLength = 0
        this.#fragments = 0
        break
      case close:
      case ping:
      case pong:
        if (!this.#isLast) throw new FrameFault(1002, 'a control frame in fragments')
        break
      default:
        throw new FrameFault(1002, 'a frame of no known kind')
    }
    this.#expecting = 'second'
  }

  #second(byte: number): void {
    if (((byte & 0x80) !== 0) !== (this.#sender === 'client'))
      throw new FrameFault(1002, 'masked by a server, or not by a client')
    const length = byte & 0x7f
    if (length > longestControl && this.#isControl) throw new FrameFault(1002, 'a control frame that is too long')
    this.#length = length
    if (length <= longestControl) {
      this.#lengthEnds()
      return
    }
    this.#lengthSize = length === 126 ? 2 : 8
    this.#fieldLeft = this.#lengthSize
    this.#length = 0
    this.#expecting = 'length'
  }

  #lengthEnds(): void {
    const length = this.#length
    // "The minimal number of bytes MUST be used."
    if (this.#expecting === 'length' && length < (this.#lengthSize === 2 ? 126 : 65_536))
      throw new FrameFault(1002, 'a length in more bytes than it takes')
    if (!this.#isControl) this.#admit(length)
    this.#read = 0
    this.#fieldLeft = 4
    this.#expecting = this.#sender === 'client' ? 'mask' : 'payload'
  }

  /** Before a byte of it is handed on. */
  #admit(length: number): void {
    this.#messageLength += length
    this.#fragments += 1
    if (this.#messageLength > longestMessage) throw new FrameFault(1009, 'a message that is too long')
    if (this.#fragments > mostFragments) throw new FrameFault(1008, 'a message in too many fragments')
    if (this.#message === 'text') this.#text = roomFor(this.#text, this.#messageLength)
  }

  get #isControl(): boolean {
    return this.#kind >= frameKinds.close
  }

  #payload(piece: Buffer, hearing: FrameHearing): void {
    if (this.#sender === 'client') applyMask(piece, this.#key, this.#read)
    const at = this.#read
    this.#read += piece.length
    if (this.#isControl) {
      this.#control ??= Buffer.alloc(this.#length)
      piece.copy(this.#control, at)
    } else if (this.#message === 'binary') hearing.onBytes(piece)
    else if (this.#text) piece.copy(this.#text, this.#messageLength - this.#length + at)
    if (this.#read === this.#length) this.#frameEnds(hearing)
  }

  #frameEnds(hearing: FrameHearing): void {
    this.#expecting = 'first'
    if (this.#isControl) this.#controlEnds(hearing)
    else if (this.#isLast) this.#messageEnds(hearing)
  }

  #messageEnds(hearing: FrameHearing): void {
    const message = this.#message
    const text = this.#text
    this.#message = undefined
    this.#text = undefined
    if (message === 'binary') {
      if (this.#messageLength === 0) hearing.onEmpty()
    } else hearing.onText(textOf(text ?? nothing))
  }

  #controlEnds(hearing: FrameHearing): void {
    const payload = this.#control ?? nothing
    this.#control = undefined
    if (this.#kind === frameKinds.ping) hearing.onPing(payload)
    else if (this.#kind === frameKinds.pong) hearing.onPong()
    else {
      this.#expecting = 'nothing'
      this.#close =
        payload.length === 0
          ? { code: 1005, reason: '' }
          : { code: closeCodeIn(payload), reason: textOf(payload.subarray(2)) }
    }
  }
}

const nothing = Buffer.alloc(0)

function roomFor(text: Buffer | undefined, length: number): Buffer {
  const larger = Buffer.alloc(length)
  text?.copy(larger)
  return larger
}

function textOf(bytes: Buffer): string {
  if (!isUtf8(bytes)) throw new FrameFault(1007, 'text that is no UTF-8')
  return bytes.toString()
}

/** Those that section 7.4 lets somebody send. */
function closeCodeIn(payload: Buffer): number {
  const code = payload.length === 1 ? 0 : payload.readUInt16BE(0)
  const isDefined = code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006
  if (isDefined || (code >= 3000 && code <= 4999)) return code
  throw new FrameFault(1002, 'a close without a code that there is')
}
