/**
 * One plain request carried out: its head and body to the upstream, the answer back, both streaming with back-pressure. What goes wrong before
 * a byte was answered is the caller's to tell; afterwards the client's connection is reset, so that a part is never taken for the whole.
 */
import { GatewayError } from '#errors.ts'
import type { OutgoingHead } from '#http/end-to-end.ts'
import type { ClientResponse, Written } from '#http/messages.ts'
import { reset } from '#http/reset.ts'
import type { Milliseconds, Timestamp } from '#lib/clock.ts'
import type { LiveStream } from '#live/streams.ts'
import type { StreamKind } from '#observe/audit.ts'
import { relayInterim } from './interim.ts'
import { isEventStream, longestPlain, tellOfLasting } from './lasting.ts'
import { readOver } from './linger.ts'
import type { Exchange, ForwardParts, Outcome } from './passage.ts'
import { carriesBody } from './request-text.ts'
import type { ResponseHead } from './response-head.ts'
import { type Movement, watchForStall } from './stall.ts'
import { addTrailers } from './trailers.ts'
import type { ResponseListener, UpstreamCall, UpstreamRequest } from './upstream-client.ts'

/** Bytes of a body that are cheaper to copy behind their head than to send apart. */
const mostJoined = 16_384

export function forwardRequest(parts: ForwardParts, exchange: Exchange): void {
  new Forwarding(parts, exchange).start()
}

class Forwarding implements ResponseListener, LiveStream {
  readonly #parts: ForwardParts
  readonly #exchange: Exchange
  #call: UpstreamCall | undefined
  #head: ResponseHead | undefined
  #bytesIn = 0
  #bytesOut = 0
  #hasBody = false
  #isContinued = false
  #isHeadSent = false
  /** The client has yet to take what was written. */
  #isHeldBack = false
  /** The upstream has answered in full. */
  #isAnswered = false
  #isOver = false
  #cut: Outcome['cut']
  /** Present from when the answer turned out not to come at once. */
  #lasting: Disposable | undefined
  /** Present where a body takes more than one moment. */
  #stall: Disposable | undefined

  constructor(parts: ForwardParts, exchange: Exchange) {
    this.#parts = parts
    this.#exchange = exchange
  }

  start(): void {
    const { request, response, upstream, target, own, group, expectsContinue } = this.#exchange
    const head = this.#buildHead()
    if (head === undefined) return
    group.add(this)
    response.on('close', () => this.#closed())
    const sent: UpstreamRequest = {
      method: request.method ?? '',
      target,
      lines: head.lines,
      own,
      framing: head.framing,
      acceptsTrailers: head.acceptsTrailers,
      expectsContinue,
      isUpgrade: false,
    }
    this.#hasBody = carriesBody(sent)
    this.#call = this.#parts.client.start(upstream, sent, this)
  }

  get kind(): StreamKind {
    return this.isLasting ? 'event-stream' : 'http'
  }

  /** Event streams go on until somebody ends them. */
  get isLasting(): boolean {
    return this.#head !== undefined && isEventStream(this.#head)
  }

  look(now: Timestamp): void {
    if (this.#head === undefined && now - this.#exchange.began >= longestPlain) this.#exchange.onWaiting?.()
  }

  /** Ends it now: nobody may read on. */
  end(): void {
    this.#cut ??= 'ended'
    this.#call?.abort()
    reset(this.#exchange.request.socket)
  }

  onReady(call: UpstreamCall): void {
    this.#call = call
    if (!this.#hasBody) return
    const { request } = this.#exchange
    request.on('data', this.#onPiece)
    request.once('end', this.#onBodyEnd)
    this.#watch()
  }

  onDrain(): void {
    this.#exchange.request.resume()
  }

  onInterim(head: ResponseHead): void {
    const { request, response, expectsContinue } = this.#exchange
    if (request.httpVersion === '1.0' || response.headersSent) return
    if (head.status === 100) {
      // Node has sent its own to clients that did not wait for this one.
      if (expectsContinue && !this.#isContinued) response.writeContinue()
      this.#isContinued = true
    } else relayInterim(response, head, this.#parts.responseHeads, this.#exchange.policy)
  }

  onHead(head: ResponseHead): void {
    const { response, policy, answerTime, began } = this.#exchange
    this.#head = head
    answerTime.observe(this.#parts.clock.now() - began)
    const { status, headers, body } = head
    const isChunked = body.kind === 'chunked'
    const { fields, lines } = this.#parts.responseHeads.build({ status, headers, isChunked }, policy)
    if (lines !== undefined && response.writeWhole?.(status, lines) === true) return
    try {
      response.writeHead(status, fields)
    } catch (cause) {
      this.#call?.abort()
      this.onFailure(new GatewayError('upstream_protocol', 'the upstream sent a head that cannot be sent', { cause }))
    }
  }

  onSwitch(): void {
    // Never: this request was no upgrade, and the client has refused a 101 to it.
  }

  onBody(piece: Buffer, isLast: boolean, written: Written): void {
    const { response } = this.#exchange
    this.#bytesOut += piece.length
    const isFirst = !this.#isHeadSent
    this.#isHeadSent = true
    if (isLast) this.#answerWith(piece, isFirst, written)
    else if (!response.write(piece, written)) this.#holdBack()
  }

  #answerWith(last: Buffer, isWhole: boolean, written: Written): void {
    this.#isAnswered = true
    if (isWhole && last.length <= mostJoined) {
      // Node joins a head and a text to one write, a head and a buffer to two. Latin-1 is every byte as it is.
      const text = last.toString('latin1')
      written()
      this.#parts.outbox.add(() => this.#end((response) => response.end(text, 'latin1')))
    } else this.#end((response) => response.end(last, written))
  }

  /** A client that takes nothing of it is not waited for longer than for any other body. */
  #end(write: (response: ClientResponse) => void): void {
    write(this.#exchange.response)
    if (!this.#isOver && this.#exchange.response.writableLength > 0) this.#watch()
  }

  /** Pieces of what was read already may still come. */
  #holdBack(): void {
    if (this.#isHeldBack) return
    this.#isHeldBack = true
    this.#watch()
    this.#call?.pause()
    this.#exchange.response.once('drain', () => {
      this.#isHeldBack = false
      this.#call?.resume()
    })
  }

  /** An event stream may be silent for long behind its head, which the client waits for. */
  onLull(): void {
    if (this.#head === undefined) return
    const { response } = this.#exchange
    this.#lasting ??= tellOfLasting(this.#head, this.#parts.clock, (lasting) => this.#exchange.onLasting(lasting))
    this.#watch()
    if (this.#isHeadSent) return
    this.#isHeadSent = true
    response.flushHeaders()
  }

  onEnd(trailers: readonly string[]): void {
    const { response } = this.#exchange
    if (this.#isAnswered) return
    this.#isAnswered = true
    if (trailers.length > 0) addTrailers(response, this.#parts.responseHeads.trailers(trailers))
    response.end()
  }

  onFailure(error: GatewayError): void {
    const { request, response, group } = this.#exchange
    if (this.#isOver) return
    if (response.headersSent) {
      this.#cut ??= 'upstream'
      reset(request.socket)
      return
    }
    this.#isOver = true
    this.#stall?.[Symbol.dispose]()
    this.#stopReading()
    group.delete(this)
    this.#exchange.onFailure(error)
  }

  #buildHead(): OutgoingHead | undefined {
    const { request, memory, isAuthorizationOurs } = this.#exchange
    const incoming = { rawHeaders: request.rawHeaders, isAuthorizationOurs }
    try {
      return memory ? memory.outgoing(this.#parts.requestHeads, incoming) : this.#parts.requestHeads.build(incoming)
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error
      this.#exchange.onFailure(error)
      return undefined
    }
  }

  readonly #onPiece = (piece: Buffer): void => {
    this.#bytesIn += piece.length
    if (this.#call?.write(piece) === false) this.#exchange.request.pause()
  }

  readonly #onBodyEnd = (): void => {
    this.#call?.end(this.#parts.requestHeads.trailers(this.#exchange.request.rawTrailers))
  }

  #watch(): void {
    this.#stall ??= watchForStall(
      this.#parts,
      () => this.#movement(),
      () => this.#stalled(),
      (bytes) => this.#moved(bytes),
    )
  }

  #moved(bytes: number): void {
    if (!this.isLasting) this.#exchange.onMoved?.(this.#isUploading ? 'upload' : 'download', bytes)
  }

  #movement(): Movement {
    const waiting = this.#exchange.response.writableLength
    return { moved: this.#bytesIn + this.#bytesOut - waiting, patience: this.#patience(waiting > 0) }
  }

  /** Nothing is due of who waits for its turn behind another request, for `100 Continue`, for the answer's head or for an event. */
  #patience(isClientSlow: boolean): Milliseconds | undefined {
    const { response, expectsContinue } = this.#exchange
    const { uploadIdle, downloadIdle } = this.#parts.bodies
    if (response.socket === null) return undefined
    if (this.#head !== undefined) return isClientSlow || !this.isLasting ? downloadIdle : undefined
    const isAwaited = expectsContinue && !this.#isContinued && this.#bytesIn === 0
    return this.#isUploading && !isAwaited ? uploadIdle : undefined
  }

  get #isUploading(): boolean {
    return this.#hasBody && !this.#exchange.request.readableEnded
  }

  #stalled(): void {
    const { request, response } = this.#exchange
    const isClient = this.#isUploading ? !request.isPaused() : response.writableLength > 0
    this.#cut ??= isClient ? 'client' : 'upstream'
    this.#call?.abort()
    this.onFailure(
      isClient
        ? new GatewayError('upload_stalled', 'the client sends no more of its body')
        : new GatewayError('upstream_stalled', 'the upstream takes or sends no more of a body'),
    )
  }

  /** The client has the answer, or is gone. */
  #closed(): void {
    if (this.#isOver) return
    this.#isOver = true
    const { response, group } = this.#exchange
    group.delete(this)
    this.#lasting?.[Symbol.dispose]()
    this.#stall?.[Symbol.dispose]()
    if (!this.#isAnswered || !response.writableFinished) this.#cut ??= 'client'
    if (!this.#isAnswered) this.#call?.abort()
    this.#stopReading()
    this.#exchange.onDone({
      status: this.#head?.status ?? 0,
      bytesIn: this.#bytesIn,
      bytesOut: this.#bytesOut,
      cut: this.#cut,
    })
  }

  #stopReading(): void {
    const { request } = this.#exchange
    if (!this.#hasBody || request.readableEnded || request.socket.destroyed) return
    request.off('data', this.#onPiece)
    request.off('end', this.#onBodyEnd)
    readOver(request, this.#parts.clock)
  }
}
