/**
 * Two connections made one: bytes both ways as they come, with back-pressure and half-close, until either side is gone. Knows that a stream may
 * consist of WebSocket frames (then it can be ended with a word), not what is in them. There are thousands of these that say nothing
 * for hours, so one holds next to nothing.
 */
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Clock, Milliseconds } from '#lib/clock.ts'
import { passOn } from '#lib/read-memory.ts'
import { closeFrame, type FrameTracker } from './frames.ts'
import { reset } from './reset.ts'

/** RFC 6455 section 7.4: a status code and a reason for people. */
export interface CloseReason {
  readonly code: number
  readonly reason: string
}

/** Sees what passes, and must neither keep nor change it. */
export interface StreamObserver {
  observe(from: 'client' | 'upstream', chunk: Buffer): void
}

export interface SpliceOptions {
  readonly clock: Clock
  /** Of the frames from upstream to client. Absent: the bytes are no frames. */
  readonly tracker?: FrameTracker
  readonly observer?: StreamObserver | undefined
  /** Once, when both connections are closed. */
  readonly onClosed?: (splice: Splice) => void
}

/** What a connection that is being ended may take to come to a boundary and close. */
export const longestEnding: Milliseconds = 1_000
/** What a WebSocket of which one side has closed may take to be closed by the other. */
export const longestHalfClosed: Milliseconds = 10_000

const upstreamBroke: CloseReason = { code: 1011, reason: 'The connection to the workspace broke' }

/**
 * `open`: bytes pass. `ending`: amid a frame, which is let through to its end. `closing`: the client has been told all there is to say.
 */
type State = 'open' | 'ending' | 'closing'

export class Splice {
  bytesFromClient = 0
  bytesFromUpstream = 0
  /** Who ended it without a proper end: a side that broke, or {@link end}. */
  cut: 'client' | 'upstream' | 'ended' | undefined
  readonly #client: Duplex
  readonly #upstream: Duplex
  readonly #options: SpliceOptions
  #state: State = 'open'
  #reason = upstreamBroke
  #timer: Disposable | undefined
  #closedSides = 0

  constructor(client: Duplex, upstream: Duplex, options: SpliceOptions) {
    this.#client = client
    this.#upstream = upstream
    this.#options = options
    for (const side of [client, upstream]) {
      prepare(side)
      side.once('close', () => this.#sideClosed(side))
    }
    client.on('drain', () => upstream.resume())
    upstream.on('drain', () => client.resume())
    client.on('end', () => this.#clientEnded())
    upstream.on('end', () => this.#upstreamEnded())
    client.on('data', (chunk: Buffer) => this.#fromClient(chunk))
    upstream.on('data', (chunk: Buffer) => this.#fromUpstream(chunk))
    client.resume()
    upstream.resume()
    // One that has ended, or is gone, says so no second time.
    if (client.readableEnded) this.#clientEnded()
    if (upstream.readableEnded) this.#upstreamEnded()
    for (const side of [client, upstream]) if (side.closed) this.#sideClosed(side)
  }

  /**
   * Ends both. From now on nothing reaches the upstream. The client gets a close frame at the next boundary, where there are frames and one comes within
   * a second; else a reset.
   */
  end(reason: CloseReason): void {
    if (this.#state !== 'open') return
    this.cut ??= 'ended'
    this.#reason = reason
    const { tracker } = this.#options
    if (!tracker?.isFramed) this.#abort()
    else if (tracker.isAtBoundary) this.#close()
    else {
      this.#state = 'ending'
      // What the client still sends is thrown away, but read: its own close must be seen.
      this.#client.resume()
      this.#arm(longestEnding)
    }
  }

  #fromClient(chunk: Buffer): void {
    this.bytesFromClient += chunk.length
    if (this.#state !== 'open') return
    this.#options.observer?.observe('client', chunk)
    if (!passOn(this.#upstream, chunk)) this.#client.pause()
  }

  #fromUpstream(chunk: Buffer): void {
    this.bytesFromUpstream += chunk.length
    if (this.#state === 'open') {
      this.#options.tracker?.advance(chunk)
      this.#options.observer?.observe('upstream', chunk)
      if (!passOn(this.#client, chunk)) this.#upstream.pause()
    } else if (this.#state === 'ending') this.#lastOfUpstream(chunk)
  }

  #lastOfUpstream(chunk: Buffer): void {
    const { tracker } = this.#options
    const boundary = tracker?.advanceToBoundary(chunk)
    if (boundary === undefined && !tracker?.isFramed) {
      this.#abort()
      return
    }
    if (!this.#client.write(chunk.subarray(0, boundary))) this.#upstream.pause()
    if (boundary !== undefined) this.#close()
  }

  #clientEnded(): void {
    if (this.#state === 'closing') {
      this.#client.destroy()
      return
    }
    this.#upstream.end()
    this.#awaitOtherSide()
  }

  /** Properly, or by breaking. A server of WebSockets says a last word first; one that does not has failed. */
  #upstreamEnded(): void {
    if (this.#state === 'closing') return
    const { tracker } = this.#options
    const isBroken = this.#upstream.readableAborted || this.#upstream.errored !== null
    const hasSaidIt = tracker?.isFramed ? tracker.isClosed : !isBroken
    if (!hasSaidIt) this.cut ??= this.#client.readableEnded ? undefined : 'upstream'
    if (hasSaidIt || tracker?.isClosed) {
      this.#client.end()
      this.#awaitOtherSide()
    } else if (tracker?.isAtBoundary) this.#close()
    else this.#abort()
  }

  /** Says the last word, where the server has not said it itself, and leaves. */
  #close(): void {
    this.#state = 'closing'
    if (this.#options.tracker?.isClosed === false)
      this.#client.write(closeFrame(this.#reason.code, this.#reason.reason))
    this.#client.end()
    this.#client.resume()
    this.#upstream.destroy()
    this.#arm(longestEnding)
  }

  #abort(): void {
    this.#state = 'closing'
    this.#upstream.destroy()
    reset(this.#client)
  }

  /** Only frames tell that nothing more is to come; another protocol may go on for hours in one direction. */
  #awaitOtherSide(): void {
    if (this.#options.tracker?.isFramed && !this.#timer) this.#arm(longestHalfClosed)
  }

  /** Whatever is open after `delay` is torn down. */
  #arm(delay: Milliseconds): void {
    this.#timer?.[Symbol.dispose]()
    this.#timer = this.#options.clock.after(delay, () => this.#abort())
  }

  #sideClosed(side: Duplex): void {
    this.#closedSides += 1
    if (side === this.#client) {
      if (this.#client.readableAborted) this.cut ??= 'client'
      this.#upstream.destroy()
    } else {
      if (!this.#client.writableEnded) this.#upstreamEnded()
      // Whatever the client still says, nobody is there any more.
      if (!this.#timer) this.#arm(longestHalfClosed)
    }
    if (this.#closedSides < 2) return
    this.#timer?.[Symbol.dispose]()
    this.#options.onClosed?.(this)
  }
}

/** Both may be paused. Bytes already read ahead (`head` of an upgrade) go back with `unshift` first. */
export function splice(client: Duplex, upstream: Duplex, options: SpliceOptions): Splice {
  return new Splice(client, upstream, options)
}

function prepare(side: Duplex): void {
  side.allowHalfOpen = true
  // 'close' follows, and is acted on.
  side.on('error', () => undefined)
  // TCP finds peers that vanished without a word: who opened or accepted the connection has seen to that.
  if (side instanceof Socket) side.setNoDelay(true)
}
