/** What a workbench of VS Code says through one WebSocket, compressed or not. Where that can't be read any more, it is judged by its size. */
import { editorHead, editorSight } from './editor-message.ts'
import { EditorStream } from './editor-stream.ts'
import { FrameReader, type MaskedPiece, type MessageSink, unmaskInto } from './frame-reader.ts'
import type { Inflater, InflaterPool } from './inflater.ts'
import { type Sight, sight } from './sight.ts'

/** An open workbench says every 5 s that it is there, in a header of 13 bytes; what it has received it acknowledges likewise, at times in one go. */
const mostOfProtocol = 40

export class EditorSocket implements MessageSink {
  readonly #onSight: (seen: Sight) => void
  readonly #inflaters: InflaterPool
  readonly #frames: FrameReader | undefined
  readonly #stream: EditorStream
  #inflater: Inflater | undefined
  #isCompressed = false
  /** From now on by size alone. */
  #isBlind = false
  #size = 0

  /** `isFramed`: the bytes are frames of a WebSocket, else what would be in them. */
  constructor(isFramed: boolean, inflaters: InflaterPool, onSight: (seen: Sight) => void) {
    this.#onSight = onSight
    this.#inflaters = inflaters
    this.#frames = isFramed ? new FrameReader(this) : undefined
    this.#stream = new EditorStream(editorHead, (kind, head) => this.#onSight(editorSight(kind, head)))
  }

  get isAtRest(): boolean {
    return !this.#inflater && !this.#isBlind && this.#stream.isAtRest && this.#frames?.isAtRest !== false
  }

  get isLost(): boolean {
    return this.#frames ? this.#frames.isLost : this.#stream.isLost
  }

  advance(chunk: Buffer): void {
    if (this.#frames) this.#frames.advance(chunk)
    else this.#stream.advance(chunk)
  }

  end(): void {
    this.#inflater?.end()
    this.#inflater = undefined
    this.#isBlind = true
  }

  /** For the reader of frames alone. */
  begins(_isText: boolean, isCompressed: boolean): void {
    this.#isCompressed = isCompressed
    this.#size = 0
    if (!isCompressed || this.#inflater || this.#isBlind) return
    this.#inflater = this.#inflaters.take(
      (bytes) => this.#read(bytes),
      () => this.#goBlind('editor:lost'),
    )
    // What was compressed before can't be known later, so there is no second try.
    if (!this.#inflater) this.#isBlind = true
  }

  /** For the reader of frames alone. */
  piece(piece: MaskedPiece, isLast: boolean): void {
    this.#size += piece.length
    if (this.#isBlind) {
      if (isLast) this.#onSight(bySize(this.#size))
      return
    }
    const bytes = Buffer.allocUnsafe(piece.length)
    unmaskInto(bytes, 0, piece, piece.length)
    if (this.#isCompressed) this.#inflater?.write(bytes, isLast)
    else if (this.#inflater?.isIdle === false) this.#goBlind('editor:order')
    else this.#read(bytes)
  }

  #read(bytes: Buffer): void {
    this.#stream.advance(bytes)
    if (this.#stream.isLost) this.#goBlind('editor:bytes')
  }

  #goBlind(why: string): void {
    this.end()
    this.#onSight(sight('unknown', why))
  }
}

function bySize(size: number): Sight {
  return size <= mostOfProtocol ? sight('background', 'editor:small') : sight('unknown', 'editor:size')
}
