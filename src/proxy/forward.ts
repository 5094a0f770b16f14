/**
 * One plain request carried out: its head and body to the upstream, the answer back, both streaming with back-pressure. What goes wrong before
 * a byte was answered is the caller's to tell; afterwards the client's connection is reset, so that a part is never taken for the whole.
 */
import { GatewayError } from '#errors.ts'
import type { OutgoingHead, RequestHeads } from '#http/end-to-end.ts'
import type { ClientRequest, ClientResponse } from '#http/messages.ts'
import { reset } from '#http/reset.ts'
import type { ResponseHeads, ResponsePolicy } from '#http/response-fields.ts'
import type { Clock, Milliseconds, Timestamp } from '#lib/clock.ts'
import type { LiveStream, StreamGroup } from '#live/streams.ts'
import type { StreamKind } from '#observe/audit.ts'
import type { Duration } from '#observe/metrics.ts'
import { isEventStream, type Lasting, tellOfLasting } from './lasting.ts'
import { carriesBody } from './request-text.ts'
import type { ResponseHead } from './response-head.ts'
import type { Upstream } from './upstream.ts'
import type { ResponseListener, UpstreamCall, UpstreamClient, UpstreamRequest } from './upstream-client.ts'

/** What the proxy knows of any request it carries, plain or upgrade. */
export interface Passage {
  readonly request: ClientRequest
  readonly upstream: Upstream
  /** The request target that the upstream sees, raw. */
  readonly target: string
  /** Flat. What only the gateway says: forwarded headers, identity, assertion. */
  readonly added: readonly string[]
  /** Is the Authorization field one of Gatehouse's own? */
  readonly isAuthorizationOurs: boolean
  readonly policy: ResponsePolicy
  /** The answer is live in it, and is ended with it. */
  readonly group: StreamGroup
  /** When the request's head was here. */
  readonly began: Timestamp
  /** Is told how long the answer's head took from then on; one that comes before the answer proper does not count. */
  readonly answerTime: Duration
  /** Nothing was answered, and the caller still can. The last call of this passage. */
  onFailure(error: GatewayError): void
  /** The answer is over, whole or not. The last call of this passage. */
  onDone(outcome: Outcome): void
}

export interface Outcome {
  readonly status: number
  /** Of bodies, or of what followed an upgrade: from the client, and to it. */
  readonly bytesIn: number
  readonly bytesOut: number
  /** Why it is less than the whole. */
  readonly cut: 'client' | 'upstream' | 'ended' | undefined
}

export interface Exchange extends Passage {
  readonly response: ClientResponse
  /** Came as `checkContinue`: the client waits for `100 Continue`, and Node has not sent it. */
  readonly expectsContinue: boolean
  /** The answer has begun, and turned out to be a stream. Called at most once, before {@link Passage.onDone}. */
  onLasting(lasting: Lasting): void
}

export interface ForwardParts {
  readonly client: UpstreamClient
  readonly requestHeads: RequestHeads
  readonly responseHeads: ResponseHeads
  readonly clock: Clock
}

/** How long a client may go on with a body that nobody reads any more, so that it gets to read the answer it already has. */
const longestLinger: Milliseconds = 10_000

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
  /** The upstream has answered in full. */
  #isAnswered = false
  #isOver = false
  #cut: Outcome['cut']
  /** Present from when the answer turned out not to come at once. */
  #lasting: Disposable | undefined

  constructor(parts: ForwardParts, exchange: Exchange) {
    this.#parts = parts
    this.#exchange = exchange
  }

  start(): void {
    const { request, response, upstream, target, group, expectsContinue } = this.#exchange
    const head = this.#buildHead()
    if (head === undefined) return
    group.add(this)
    response.once('close', () => this.#closed())
    const sent: UpstreamRequest = {
      method: request.method ?? '',
      target,
      fields: head.fields,
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
    } else if (head.status === 102) response.writeProcessing()
    else if (head.status === 103) earlyHints(response, head)
  }

  onHead(head: ResponseHead): void {
    const { response, policy, answerTime, began } = this.#exchange
    this.#head = head
    answerTime.observe(this.#parts.clock.now() - began)
    const isChunked = head.body.kind === 'chunked'
    const fields = this.#parts.responseHeads.build({ status: head.status, headers: head.headers, isChunked }, policy)
    try {
      response.writeHead(head.status, fields)
    } catch (cause) {
      this.#call?.abort()
      this.onFailure(new GatewayError('upstream_protocol', 'the upstream sent a head that cannot be sent', { cause }))
    }
  }

  onSwitch(): void {
    // Never: this request was no upgrade, and the client has refused a 101 to it.
  }

  onBody(piece: Buffer, isLast: boolean): void {
    const { response } = this.#exchange
    this.#bytesOut += piece.length
    const isFirst = !this.#isHeadSent
    this.#isHeadSent = true
    if (isLast) {
      this.#isAnswered = true
      // Node joins a head and a text to one write, a head and a buffer to two. Latin-1 is every byte as it is.
      if (isFirst && piece.length <= mostJoined) response.end(piece.toString('latin1'), 'latin1')
      else response.end(piece)
    } else if (!response.write(piece)) {
      this.#call?.pause()
      response.once('drain', () => this.#call?.resume())
    }
  }

  /** An event stream may be silent for long behind its head, which the client waits for. */
  onLull(): void {
    if (this.#head === undefined) return
    const { onLasting, response } = this.#exchange
    this.#lasting ??= tellOfLasting(this.#head, this.#parts.clock, onLasting)
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
    this.#stopReading()
    group.delete(this)
    this.#exchange.onFailure(error)
  }

  #buildHead(): OutgoingHead | undefined {
    const { request, added, isAuthorizationOurs } = this.#exchange
    try {
      return this.#parts.requestHeads.build({ rawHeaders: request.rawHeaders, isAuthorizationOurs, added })
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

  /** The client has the answer, or is gone. */
  #closed(): void {
    if (this.#isOver) return
    this.#isOver = true
    const { response, group } = this.#exchange
    group.delete(this)
    this.#lasting?.[Symbol.dispose]()
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

  /** What is left of a body is read over, or the connection would never come to its next request. */
  #stopReading(): void {
    const { request } = this.#exchange
    if (!this.#hasBody || request.readableEnded || request.socket.destroyed) return
    request.off('data', this.#onPiece)
    request.off('end', this.#onBodyEnd)
    request.resume()
    const timer = this.#parts.clock.after(longestLinger, () => request.socket.destroy())
    request.once('close', () => timer[Symbol.dispose]())
  }
}

/** Browsers load ahead what `Link` names; Node refuses a list it can't read, and a hint is not worth the answer. */
function earlyHints(response: ClientResponse, head: ResponseHead): void {
  const link = head.headers.filter((_, index) => index % 2 === 1 && head.headers[index - 1]?.toLowerCase() === 'link')
  try {
    if (link.length > 0) response.writeEarlyHints({ link })
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
  }
}

function addTrailers(response: ClientResponse, fields: readonly string[]): void {
  const pairs: [string, string][] = []
  for (let index = 0; index < fields.length; index += 2) pairs.push([fields[index] ?? '', fields[index + 1] ?? ''])
  response.addTrailers(pairs)
}
