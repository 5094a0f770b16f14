/**
 * One end of a tunnel: a WebSocket and a byte stream made one, with back-pressure, half-close and pings. The same at the gateway, whose stream leads
 * to a workspace, and at the command line, whose stream is its standard input and output. Has no timer of its own while it is open: who owns it
 * calls {@link Bridge.beat}. There may be thousands that say nothing for hours, so one holds next to nothing.
 */
import type { Readable, Writable } from 'node:stream'
import type { Clock, Milliseconds } from '#lib/clock.ts'
import { Outlet } from './outlet.ts'
import { type Closing, closeCodes, type Dialect, highMark, longestMessage, lowMark, type Notice } from './protocol.ts'
import { Pulse } from './pulse.ts'
import type { TunnelSocket, TunnelSocketUser } from './tunnel-socket.ts'

/** A socket is both; standard input and output are one each. */
export interface ByteStream {
  readonly readable: Readable
  readonly writable: Writable
}

/** Where a stream's bytes come by another way than as 'data', and are to be looked at before the next ones are read. */
export interface StreamReading {
  /** What stays as it is until {@link StreamReading.written} was called. */
  kept(piece: Buffer): Buffer
  readonly written: (error?: Error | null) => void
  /** Must nothing be read, since what was read is still being written? */
  readonly isWaiting: boolean
}

export interface BridgeParts {
  readonly socket: TunnelSocket
  readonly stream: ByteStream
  /** Of the stream: calls {@link Bridge.onStreamBytes}, and {@link Bridge.readOn} when it waits no more. */
  readonly reading?: StreamReading
  readonly dialect: Dialect
  readonly clock: Clock
  /** Absent: this side takes no text. */
  readonly onText?: (text: string) => void
  /** Sees what passes, and must neither keep nor change it. */
  readonly observe?: (from: 'socket' | 'stream', bytes: Buffer) => void
  /** What the other side is told when the stream breaks. */
  readonly onBreak: Closing
  /** Once, when both are closed. */
  readonly onClosed: (bridge: Bridge) => void
}

/** Who ended it otherwise than by saying all there was: a side that broke or left, or {@link Bridge.end}. */
export type BridgeCut = 'socket' | 'stream' | 'ended' | undefined

/** What a socket that was told to close may take to do so. */
const longestClosing: Milliseconds = 1_000
/** What the stream may take to send on what it has, when nobody is left to answer it. */
const longestFlush: Milliseconds = 10_000

const nothing = Buffer.alloc(0)
const done: Closing = { code: closeCodes.done, reason: 'done' }
const noText: Closing = { code: closeCodes.notTaken, reason: 'text is not taken' }

export class Bridge implements TunnelSocketUser {
  bytesFromSocket = 0
  bytesFromStream = 0
  cut: BridgeCut
  /** As the other side gave them, or this one; 1006 where nobody did. */
  closedBy: { readonly code: number; readonly reason: string } = { code: 1006, reason: '' }
  readonly #parts: BridgeParts
  readonly #pulse: Pulse
  #socketHasEnded = false
  #streamHasEnded = false
  #isClosing = false
  #isHeldBack = false
  readonly #outlet: Outlet
  #timer: Disposable | undefined
  #openSides = 2

  constructor(parts: BridgeParts) {
    this.#parts = parts
    const { socket, stream } = parts
    const { readable, writable } = stream
    readable.on('data', (bytes: Buffer) => this.onStreamBytes(bytes))
    readable.once('end', () => this.#streamEnded())
    this.#pulse = new Pulse(socket, this.#onMoved)
    this.#outlet = new Outlet({ writable, onFull: () => socket.pause(), onFree: () => socket.resume() })
    for (const side of new Set([readable, writable])) side.on('error', () => this.#streamBroke())
    writable.once('close', () => this.#streamClosed())
    socket.use(this)
    // It may have waited for whoever is told of what it says.
    if (readable.isPaused()) readable.resume()
  }

  /** Both are closed, the socket with this, the stream at once. Later calls change nothing. */
  end(closing: Closing): void {
    if (this.#isClosing) return
    this.cut ??= 'ended'
    this.#close(closing)
  }

  /** Nothing where the other side knows no notices. */
  tell(notice: Notice): void {
    const { dialect, socket } = this.#parts
    if (dialect !== 'plain' && !this.#isClosing) socket.send(JSON.stringify(notice), this.#onMoved)
  }

  /** To be called every `pingEvery`: asks whether the other side is there, and gives up on one that has said nothing for so long. */
  beat(): void {
    const { socket } = this.#parts
    if (this.#isClosing || !socket.isOpen || this.#pulse.beat() === 'asked') return
    this.cut ??= 'socket'
    socket.terminate()
  }

  onBytes(bytes: Buffer): void {
    this.#pulse.heard()
    if (this.#isDeaf) return
    this.bytesFromSocket += bytes.length
    this.#parts.observe?.('socket', bytes)
    this.#outlet.add(bytes)
  }

  onReadEnd(read: Buffer): void {
    if (!this.#isDeaf) this.#outlet.endRead(read)
  }

  onEmpty(): void {
    this.#pulse.heard()
    if (!this.#isDeaf && this.#parts.dialect === 'tunnel') this.#socketEnded()
  }

  onText(text: string): void {
    this.#pulse.heard()
    if (this.#isDeaf) return
    const { onText } = this.#parts
    if (onText) onText(text)
    else this.end(noText)
  }

  onPing(payload: Buffer): void {
    this.#pulse.answer(payload)
  }

  onPong(): void {
    this.#pulse.heard()
  }

  get #isDeaf(): boolean {
    return this.#isClosing || this.#socketHasEnded
  }

  onStreamBytes(bytes: Buffer): void {
    if (this.#isClosing) return
    const { socket, stream, observe } = this.#parts
    this.bytesFromStream += bytes.length
    observe?.('stream', bytes)
    if (bytes.length <= longestMessage) this.#send(bytes)
    else socket.together(() => this.#sendEach(bytes))
    if (socket.bufferedAmount < highMark) return
    this.#isHeldBack = true
    stream.readable.pause()
  }

  #sendEach(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; at += longestMessage) this.#send(bytes.subarray(at, at + longestMessage))
  }

  #send(piece: Buffer): void {
    const { socket, reading } = this.#parts
    if (!reading) {
      socket.send(piece, this.#onSent)
      return
    }
    const kept = reading.kept(piece)
    const { written } = reading
    socket.send(kept, (error) => {
      written(error)
      this.#onSent()
    })
  }

  /** Unless something holds it back. */
  readOn(): void {
    const { stream, reading } = this.#parts
    if (!this.#isHeldBack && !reading?.isWaiting) stream.readable.resume()
  }

  readonly #onSent = (): void => {
    this.#pulse.sent()
    this.#onMoved()
  }

  /** Of whatever was sent the last one must be heard of, since what waits before it counts. */
  readonly #onMoved = (): void => {
    if (!this.#isHeldBack || this.#parts.socket.bufferedAmount > lowMark) return
    this.#isHeldBack = false
    this.readOn()
  }

  /** The other side has said all it had to say. */
  #socketEnded(): void {
    this.#outlet.flush()
    this.#socketHasEnded = true
    this.#parts.stream.writable.end()
    if (this.#streamHasEnded) this.#close(done)
  }

  #streamEnded(): void {
    if (this.#streamHasEnded || this.#isClosing) return
    this.#streamHasEnded = true
    const { socket, dialect } = this.#parts
    if (dialect !== 'tunnel' || this.#socketHasEnded) this.#close(done)
    else socket.send(nothing)
  }

  /** After its last word nothing of it is lost. */
  #streamBroke(): void {
    if (this.#isClosing) return
    if (!this.#streamHasEnded) this.cut ??= 'stream'
    this.#close(this.#streamHasEnded ? done : this.#parts.onBreak)
  }

  #close(closing: Closing): void {
    const { socket, stream, clock } = this.#parts
    this.#isClosing = true
    this.closedBy = closing
    socket.close(closing.code, closing.reason)
    // What it still says is thrown away, but read: its own close must be seen.
    socket.resume()
    this.#timer = clock.after(longestClosing, () => socket.terminate())
    // Where all was said, what is on its way to the workspace still gets there.
    if (closing === done) this.#flush()
    else destroy(stream)
  }

  onClosed(code: number, reason: string): void {
    this.#timer?.[Symbol.dispose]()
    if (!this.#isClosing) {
      this.#isClosing = true
      this.closedBy = { code, reason }
      // Some clients say nothing when they are done (1005), as browsers do.
      const isProper = code === closeCodes.done || code === 1005
      if (!isProper) this.cut ??= 'socket'
      if (isProper) this.#flush()
      else destroy(this.#parts.stream)
    }
    this.#sideClosed()
  }

  #flush(): void {
    const { stream, clock } = this.#parts
    const timer = clock.after(longestFlush, () => destroy(stream))
    stream.writable.end(() => {
      timer[Symbol.dispose]()
      destroy(stream)
    })
    this.#isHeldBack = false
    this.readOn()
  }

  #streamClosed(): void {
    this.#streamBroke()
    this.#sideClosed()
  }

  #sideClosed(): void {
    this.#openSides -= 1
    if (this.#openSides === 0) this.#parts.onClosed(this)
  }
}

function destroy({ readable, writable }: ByteStream): void {
  readable.destroy()
  writable.destroy()
}
