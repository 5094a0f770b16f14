/**
 * A connection that has become a WebSocket (RFC 6455), at either end of a tunnel: frames out, frames in, and the way in which both are closed. Made for bytes that
 * pass through: nothing is put together, copied or compressed, and one that says nothing holds next to nothing. Whatever comes waits until somebody
 * {@link TunnelSocket.use | uses} it.
 */
import { randomFillSync } from 'node:crypto'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Clock, Milliseconds } from '#lib/clock.ts'
import { frameHead } from './frame-head.ts'
import { FrameFault, type FrameHearing, FrameReader, frameKinds, type HeardClose } from './frame-reader.ts'
import { applyMask } from './mask.ts'
import { queuedCost } from './protocol.ts'

export interface TunnelSocketParts {
  readonly socket: Duplex
  /** What came behind the handshake. */
  readonly head: Buffer
  /** What this end is. */
  readonly end: 'client' | 'server'
  readonly clock: Clock
}

/** Hears what comes. */
export interface TunnelSocketUser extends FrameHearing {
  /** All of `read` was handed on. It is the user's from now on, as all pieces of it are. */
  onReadEnd(read: Buffer): void
  /** Once, when the connection is closed. As the other side gave them; 1005 where it gave no code, 1006 where it did not say that it closes. */
  onClosed(code: number, reason: string): void
}

type Sent = (error?: Error | null) => void

/** What it may take to be closed once both know, or should, as it waits behind what was sent before. */
const longestClosing: Milliseconds = 30_000
/** Bytes: so few are copied behind their head, since two things that wait cost more. */
const mostCopied = 1_024

export class TunnelSocket {
  readonly #socket: Duplex
  readonly #end: TunnelSocketParts['end']
  readonly #clock: Clock
  readonly #reader: FrameReader
  #user: TunnelSocketUser | undefined
  #hasSaidClose = false
  #hasHeardClose = false
  #closedBy: HeardClose = unsaid
  /** Frames that have yet to get away. */
  #queued = 0
  #timer: Disposable | undefined

  constructor({ socket, head, end, clock }: TunnelSocketParts) {
    this.#socket = socket
    this.#end = end
    this.#clock = clock
    this.#reader = new FrameReader(end === 'client' ? 'server' : 'client')
    // 'close' follows, and is acted on.
    socket.on('error', ignore)
    socket.pause()
    if (socket instanceof Socket) socket.setNoDelay(true)
    if (head.length > 0) socket.unshift(head)
  }

  /** From now on it is read. */
  use(user: TunnelSocketUser): void {
    const socket = this.#socket
    this.#user = user
    socket.on('data', (bytes: Buffer) => this.#read(bytes))
    // Without having said that it closes: nobody reads what would be said yet.
    socket.once('end', () => {
      this.#hasSaidClose = true
      this.#finish()
    })
    socket.once('close', () => {
      this.#timer?.[Symbol.dispose]()
      user.onClosed(this.#closedBy.code, this.#closedBy.reason)
    })
    // It may have been closed before anybody was there to hear it.
    if (socket.closed) user.onClosed(this.#closedBy.code, this.#closedBy.reason)
    else socket.resume()
  }

  /** May anything be sent? */
  get isOpen(): boolean {
    return !this.#hasSaidClose && this.#socket.writable
  }

  get isPaused(): boolean {
    return this.#socket.isPaused()
  }

  /** Bytes that wait to be sent, and what it takes to have them wait. */
  get bufferedAmount(): number {
    return this.#socket.writableLength + this.#queued * queuedCost
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  /** One message. Bytes are this side's to change from here on, until `sent` was called; with an error where they never got away. */
  send(message: Buffer | string, sent?: Sent): void {
    if (typeof message === 'string') this.#write(frameKinds.text, Buffer.from(message), sent)
    else this.#write(frameKinds.binary, message, sent)
  }

  /** What is sent meanwhile goes to the system at once. */
  together(send: () => void): void {
    this.#socket.cork()
    try {
      send()
    } finally {
      this.#socket.uncork()
    }
  }

  ping(sent?: Sent): void {
    this.#write(frameKinds.ping, nothing, sent)
  }

  pong(payload: Buffer, sent?: Sent): void {
    this.#write(frameKinds.pong, payload, sent)
  }

  /** Says so, behind all that was sent; the connection ends when the other side has said so too. `reason`: at most 123 bytes. */
  close(code: number, reason: string): void {
    if (this.#hasSaidClose) return
    const text = Buffer.from(reason)
    const payload = Buffer.alloc(2 + text.length)
    payload.writeUInt16BE(code)
    text.copy(payload, 2)
    this.#sayClose(payload)
  }

  /** At once. */
  terminate(): void {
    this.#hasSaidClose = true
    this.#socket.destroy()
  }

  #sayClose(payload: Buffer): void {
    this.#write(frameKinds.close, payload)
    this.#hasSaidClose = true
    if (this.#hasHeardClose) this.#finish()
    else this.#arm()
  }

  #read(bytes: Buffer): void {
    const user = this.#user
    // After the other side's own there is nothing that it may say; what it said that it should not have is followed by nothing that counts.
    if (!user || this.#hasHeardClose) return
    try {
      const close = this.#hear(bytes, user)
      if (close) this.#closeHeard(close)
    } catch (error) {
      if (!(error instanceof FrameFault)) throw error
      this.#closedBy = { code: error.code, reason: error.message }
      this.#hasHeardClose = true
      this.close(error.code, error.message)
      this.#finish()
    }
  }

  #hear(bytes: Buffer, user: TunnelSocketUser): HeardClose | undefined {
    try {
      return this.#reader.read(bytes, user)
    } finally {
      user.onReadEnd(bytes)
    }
  }

  #closeHeard(close: HeardClose): void {
    this.#hasHeardClose = true
    this.#closedBy = close
    if (this.#hasSaidClose) this.#finish()
    else if (close.code === unnamed) this.#sayClose(nothing)
    else this.close(close.code, '')
  }

  /** All is said. Whatever still comes is read and thrown away, so that its end is seen. */
  #finish(): void {
    this.#arm()
    this.#socket.end()
    this.#socket.resume()
  }

  #arm(): void {
    this.#timer ??= this.#clock.after(longestClosing, () => this.#socket.destroy())
  }

  #write(kind: number, payload: Buffer, sent?: Sent): void {
    const socket = this.#socket
    if (!this.isOpen) {
      sent?.(new Error('it is closed'))
      return
    }
    const { length } = payload
    const isMasked = this.#end === 'client'
    const head = frameHead(kind, length, isMasked ? 4 : 0)
    if (isMasked) applyMask(payload, randomFillSync(head.subarray(-4)), 0)
    const onWritten: Sent = (error) => {
      this.#queued -= 1
      sent?.(error)
    }
    this.#queued += 1
    if (length <= mostCopied) {
      socket.write(Buffer.concat([head, payload]), onWritten)
      return
    }
    socket.cork()
    socket.write(head)
    socket.write(payload, onWritten)
    socket.uncork()
  }
}

/** RFC 6455 section 7.4.1: never sent, but what is reported in place of a code. */
const unnamed = 1005
const unsaid = { code: 1006, reason: '' }
const nothing = Buffer.alloc(0)

function ignore(): void {}
