/**
 * A WebSocket that carries a link: frames as its messages, pings both ways, and an end to one that nobody is at any more, or that takes nothing of what it
 * is sent.
 */
import type { RawData, WebSocket } from 'ws'
import { messageOf } from '#errors.ts'
import type { Clock, Milliseconds } from '#lib/clock.ts'
import { giveBack, isWhole } from '#lib/read-memory.ts'
import { LinkFault } from './frames.ts'
import type { LinkEnd } from './gateway-end.ts'
import type { LinkWire } from './stream-table.ts'

/** Whoever is cut off without a word is found out after three: until then half of what is opened goes there. */
const pingEvery: Milliseconds = 10_000
/** Pings in a row. */
const mostUnanswered = 2
/** What a socket that was told to close may take to do so. */
const longestClosing: Milliseconds = 1_000
/** Bytes that wait to be sent: streams say nothing more from the one on, and again from the other on. */
const highMark = 1_048_576
const lowMark = 262_144

/** RFC 6455 section 7.4.1. */
export const linkCodes = { done: 1000, away: 1001, fault: 1002, revoked: 1008, failed: 1011, restarting: 1012 } as const

export interface LinkClosing {
  readonly code: (typeof linkCodes)[keyof typeof linkCodes]
  readonly reason: string
}

export interface LinkSocketParts<End extends LinkEnd> {
  readonly socket: WebSocket
  readonly clock: Clock
  readonly endBy: (wire: LinkWire) => End
  /** Once. 1006 where nobody has said why. */
  readonly onClosed: (closedBy: { readonly code: number; readonly reason: string }) => void
}

export class LinkSocket<End extends LinkEnd> implements LinkWire {
  readonly end: End
  readonly #parts: LinkSocketParts<End>
  #timer: Disposable
  #hasHeard = true
  #unanswered = 0
  #sent = 0
  #sentBefore = 0
  #isHeldBack = false
  #closing: LinkClosing | undefined

  constructor(parts: LinkSocketParts<End>) {
    this.#parts = parts
    const { socket, clock } = parts
    this.end = parts.endBy(this)
    socket.binaryType = 'nodebuffer'
    socket.on('message', (data, isBinary) => this.#receive(data, isBinary))
    const hear = () => {
      this.#hasHeard = true
    }
    socket.on('pong', hear)
    socket.on('ping', (payload) => {
      hear()
      // Answers for whoever reads them.
      if (!this.isFull && socket.readyState === socket.OPEN) socket.pong(payload)
    })
    // 'close' follows, and is acted on.
    socket.on('error', () => undefined)
    socket.once('close', (code, reason) => this.#closed(code, reason.toString()))
    this.#timer = clock.after(pingEvery, () => this.#beat())
    if (socket.isPaused) socket.resume()
  }

  get isFull(): boolean {
    const isFull = this.#parts.socket.bufferedAmount >= highMark
    if (isFull) this.#isHeldBack = true
    return isFull
  }

  send(frame: Buffer): void {
    const { socket } = this.#parts
    if (socket.readyState !== socket.OPEN) return
    if (!isWhole(frame)) socket.send(frame, this.#onSent)
    else
      socket.send(frame, (error) => {
        if (!error) giveBack(frame)
        this.#onSent()
      })
  }

  /** Everything on it is cut at once. Later calls change nothing. */
  close(closing: LinkClosing): void {
    if (this.#closing) return
    this.#closing = closing
    const { socket, clock } = this.#parts
    this.end.onGone()
    socket.close(closing.code, closing.reason)
    this.#timer[Symbol.dispose]()
    this.#timer = clock.after(longestClosing, () => socket.terminate())
  }

  #receive(data: RawData, isBinary: boolean): void {
    this.#hasHeard = true
    if (this.#closing) return
    try {
      if (!isBinary) throw new LinkFault('text is not taken')
      this.end.receive(bytesOf(data))
    } catch (error) {
      // What a frame makes somebody else do may fail as well: the link is no longer known to be right.
      const isTheirs = error instanceof LinkFault
      this.close({ code: isTheirs ? linkCodes.fault : linkCodes.failed, reason: messageOf(error).slice(0, 100) })
    }
  }

  readonly #onSent = (): void => {
    this.#sent += 1
    if (!this.#isHeldBack || this.#parts.socket.bufferedAmount > lowMark) return
    this.#isHeldBack = false
    if (!this.#closing) this.end.onRoom()
  }

  /** One that takes nothing of what it is sent is no better than one that says nothing. */
  #beat(): void {
    const { socket, clock } = this.#parts
    const isStuck = socket.bufferedAmount > 0 && this.#sent === this.#sentBefore
    this.#unanswered = this.#hasHeard && !isStuck ? 0 : this.#unanswered + 1
    this.#hasHeard = false
    this.#sentBefore = this.#sent
    if (this.#unanswered > mostUnanswered) {
      socket.terminate()
      return
    }
    if (socket.readyState === socket.OPEN && socket.bufferedAmount === 0) socket.ping()
    this.#timer = clock.after(pingEvery, () => this.#beat())
  }

  #closed(code: number, reason: string): void {
    this.#timer[Symbol.dispose]()
    if (!this.#closing) this.end.onGone()
    this.#parts.onClosed(this.#closing ?? { code, reason })
    this.#closing ??= { code: linkCodes.done, reason }
  }
}

function bytesOf(data: RawData): Buffer {
  if (Array.isArray(data)) return Buffer.concat(data)
  return Buffer.isBuffer(data) ? data : Buffer.from(data)
}
