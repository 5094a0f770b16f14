/** One connection to an upstream: a request at a time, its body out, its response in. Whatever is doubtful about it makes it the last. */
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { GatewayError, messageOf } from '#errors.ts'
import type { EndToEndFields } from '#http/end-to-end.ts'
import type { Milliseconds, Timestamp } from '#lib/clock.ts'
import { passOn } from '#lib/read-memory.ts'
import type { TurnShare } from '#lib/turn-share.ts'
import type { Intake, IntakeUser } from './intake.ts'
import { hearLastWords } from './last-words.ts'
import type { Outbox } from './outbox.ts'
import { carriesBody, chunkStart, lastChunk } from './request-text.ts'
import { broken, type ResponseHead, type ResponseHeadParser } from './response-head.ts'
import { ResponseReader, type ResponseSink } from './response-reader.ts'
import type { ResponseListener, UpstreamRequest } from './upstream-client.ts'

/** Whose turn it is on a connection. */
export interface ConnectionUser {
  readonly listener: ResponseListener
  /** The response is complete, or the socket was handed over: the connection is no longer this user's. */
  onDone(): void
  /** `isUntouched`: not a byte of an answer came. */
  onLost(error: GatewayError, isUntouched: boolean): void
}

export interface ConnectionOwner {
  /** Silence after which TCP looks whether the server is still there. */
  readonly peerProbe: Milliseconds
  readonly parser: ResponseHeadParser
  /** For requests without a body. */
  readonly outbox: Outbox
  /** Where thousands switch at once, each in its turn. */
  readonly handshakes: Pick<TurnShare, 'add'>
  onIdle(connection: UpstreamConnection): void
  /** It is closed, or no longer a connection of HTTP. */
  onGone(connection: UpstreamConnection): void
}

export class UpstreamConnection implements ResponseSink, IntakeUser {
  readonly key: string
  isReused = false
  /** No other request may follow. */
  isLast = false
  idleSince: Timestamp = 0
  /** What the server said about keeping it. */
  keepsFor: number | undefined
  readonly #socket: Duplex
  readonly #owner: ConnectionOwner
  readonly #reader: ResponseReader
  readonly #intake: Intake
  #user: ConnectionUser | undefined
  #isUpgrade = false
  #isSwitching = false
  #isChunked = false
  #isUntouched = true
  /** Its request waits to be written: nothing can be an answer to it. */
  #isUnsent = false
  /** It takes nothing any more, and may have answered before. */
  #isDeaf = false
  /** Its user can take no more for now. */
  #isPaused = false
  readonly #onClose = () => this.#closed()
  readonly #onFin = () => this.#ended()
  readonly #onDrain = () => this.#user?.listener.onDrain()
  readonly #onData = (bytes: Buffer) => this.onBytes(bytes)

  /** `intake`: what the socket was opened with, where it can be. */
  constructor(key: string, socket: Duplex, owner: ConnectionOwner, intake: Intake) {
    this.key = key
    this.#socket = socket
    this.#owner = owner
    this.#reader = new ResponseReader(owner.parser, this)
    this.#intake = intake
    intake.use(this)
    if (socket instanceof Socket) socket.setNoDelay(true).setKeepAlive(true, owner.peerProbe)
    socket.on('error', ignore)
    socket.on('close', this.#onClose)
    socket.on('end', this.#onFin)
    socket.on('drain', this.#onDrain)
    // Also where the intake takes the bytes: the end is told of to those alone who listen for what is before it.
    socket.on('data', this.#onData)
    if (intake.isSoiled) socket.destroy()
  }

  get due(): number {
    return this.#reader.due
  }

  get isOpen(): boolean {
    return !this.#socket.destroyed && !this.#socket.readableEnded
  }

  /** Sends a head, made of `request` by `requestText`. */
  send(text: string, request: UpstreamRequest, user: ConnectionUser): void {
    this.#user = user
    this.#isUpgrade = request.isUpgrade
    this.#isChunked = request.framing.kind === 'chunked'
    this.#isUntouched = true
    // Who refuses a handshake, or answers before it has read a body, may read what comes next as the rest of this.
    if (request.isUpgrade || carriesBody(request)) this.isLast = true
    if (carriesBody(request)) this.#hearOut()
    this.#reader.begin(request.method === 'HEAD')
    const write = () => {
      this.#isUnsent = false
      this.#socket.write(text, 'latin1')
    }
    this.#isUnsent = true
    // A body may follow at once, and behind its head.
    if (this.isLast) write()
    else this.#owner.outbox.add(write)
  }

  write(piece: Buffer): boolean {
    if (this.#isDeaf) return true
    if (!this.#isChunked) return passOn(this.#socket, piece)
    this.#socket.cork()
    this.#socket.write(chunkStart(piece.length), 'latin1')
    passOn(this.#socket, piece)
    const hasRoom = this.#socket.write('\r\n', 'latin1')
    this.#socket.uncork()
    return hasRoom
  }

  endBody(trailers: EndToEndFields): void {
    if (this.#isChunked && !this.#isDeaf) this.#socket.write(lastChunk(trailers), 'latin1')
  }

  #hearOut(): void {
    const onDeaf = () => {
      this.#isDeaf = true
    }
    hearLastWords(this.#socket, { onDeaf, isSilent: () => this.#isUntouched })
  }

  pause(): void {
    this.#isPaused = true
    this.#socket.pause()
  }

  resume(): void {
    this.#isPaused = false
    this.onFree()
  }

  onFree(): void {
    if (!this.#isPaused && !this.#intake.isWaiting) this.#socket.resume()
  }

  /** Without a word to its user. */
  destroy(): void {
    this.#user = undefined
    this.isLast = true
    this.#intake.end()
    this.#socket.destroy()
  }

  onInterim(head: ResponseHead): void {
    this.#user?.listener.onInterim(head)
  }

  onHead(head: ResponseHead): void {
    if (!head.isPersistent) this.isLast = true
    this.keepsFor = head.keepsFor
    this.#user?.listener.onHead(head)
  }

  onSwitch(head: ResponseHead, rest: Buffer): void {
    const user = this.#user
    if (!this.#isUpgrade || user === undefined) throw broken('101 to a request that asked for no other protocol')
    this.#isSwitching = true
    this.#socket.pause()
    // Before its turn: what is yet to be read holds back the end of the stream, behind which nothing can be put back.
    if (rest.length > 0) this.#socket.unshift(rest)
    this.#owner.handshakes.add(() => this.#switch(user, head))
  }

  #switch(user: ConnectionUser, head: ResponseHead): void {
    // Somebody has left while it waited for its turn.
    if (this.#user !== user) return
    this.#user = undefined
    this.#letGo()
    this.#owner.onGone(this)
    user.onDone()
    try {
      user.listener.onSwitch(head, this.#socket)
    } catch (error) {
      // It is nobody's any more, and whoever asked waits.
      this.#socket.on('error', ignore).destroy()
      user.listener.onFailure(faultOf(error))
    }
  }

  onBody(piece: Buffer, isLast: boolean): void {
    if (this.#user === undefined) return
    const kept = this.#intake.kept(piece)
    this.#user.listener.onBody(kept, isLast, this.#intake.written)
  }

  onEnd(trailers: readonly string[]): void {
    this.#user?.listener.onEnd(trailers)
  }

  /** So that whoever takes over the socket holds nothing of this. */
  #letGo(): void {
    const socket = this.#socket
    this.#intake.end()
    socket.off('error', ignore).off('close', this.#onClose).off('end', this.#onFin)
    socket.off('drain', this.#onDrain).off('data', this.#onData)
  }

  onBytes(bytes: Buffer): void {
    // Nobody asked: whatever it is, it would be taken for the answer to the next request.
    if (this.#user === undefined) {
      this.destroy()
      return
    }
    if (this.#isUnsent) {
      this.#fail(new GatewayError('upstream_protocol', 'an answer came before its request was sent'))
      return
    }
    this.#isUntouched = false
    try {
      this.#reader.push(bytes)
    } catch (error) {
      this.#fail(error)
      return
    }
    if (this.#isSwitching) return
    if (this.#reader.isComplete) this.#settle()
    else this.#user?.listener.onLull()
  }

  onFault(): void {
    this.isLast = true
    this.#intake.end()
    this.#socket.destroy()
  }

  #settle(): void {
    const user = this.#user
    if (user === undefined) return
    this.#user = undefined
    user.onDone()
    if (this.isLast || !this.isOpen) this.destroy()
    else {
      this.#isPaused = false
      this.#socket.resume()
      this.#owner.onIdle(this)
    }
  }

  #ended(): void {
    this.isLast = true
    // An end of the other protocol, which whoever takes over the socket finds.
    if (this.#isSwitching) return
    try {
      this.#reader.finish()
      this.#settle()
    } catch (error) {
      this.#fail(this.#isUntouched ? unanswered() : error)
    }
    this.#socket.destroy()
  }

  #closed(): void {
    this.isLast = true
    const { errored } = this.#socket
    const reason = errored === null ? '' : `: ${messageOf(errored)}`
    this.#fail(new GatewayError('upstream_unreachable', `the connection broke${reason}`, { cause: errored }))
    this.#owner.onGone(this)
  }

  #fail(error: unknown): void {
    const user = this.#user
    const isComplete = this.#reader.isComplete
    this.destroy()
    if (user === undefined) return
    // Bytes behind a whole response cost the connection, not the answer.
    if (isComplete && !this.#isSwitching) user.onDone()
    else user.onLost(faultOf(error), this.#isUntouched)
  }
}

/** Every error of a socket is followed by its 'close', which is acted on. */
function ignore(): void {}

function unanswered(): GatewayError {
  return new GatewayError('upstream_unreachable', 'the upstream closed the connection without an answer')
}

function faultOf(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error
  return new GatewayError('internal', 'a response could not be passed on', { cause: error })
}
