/**
 * One WebSocket handshake carried out: on a connection of its own, up to the 101 that makes it a splice, or up to the upstream's refusal, which
 * is the client's to read. Whatever happens, both sockets have an owner who closes them.
 */
import type { Duplex } from 'node:stream'
import { GatewayError } from '#errors.ts'
import { hasAccepted, valuesOf } from '#http/accept-key.ts'
import { noBody } from '#http/end-to-end.ts'
import { FrameTracker } from '#http/frames.ts'
import type { Written } from '#http/messages.ts'
import { reset } from '#http/reset.ts'
import { type CloseReason, type Splice, type StreamObserver, splice } from '#http/splice.ts'
import type { Milliseconds } from '#lib/clock.ts'
import type { LiveStream } from '#live/streams.ts'
import type { ForwardParts, Outcome, Passage } from './passage.ts'
import { endAnswered, rawHead } from './raw-answer.ts'
import { chunkStart, lastChunk } from './request-text.ts'
import type { ResponseHead } from './response-head.ts'
import type { ResponseListener, UpstreamCall } from './upstream-client.ts'

/** `readHandshake` has accepted the request. After a failure the socket is the caller's, to answer on. */
export interface UpgradeExchange extends Passage {
  readonly socket: Duplex
  /** What came behind the request. */
  readonly head: Buffer
  /** Both sides have switched; from now on it is a stream. */
  onSwitched(): void
  /** Who is to see what passes from then on. `headers`: of the 101. */
  observerOf?(headers: readonly string[]): StreamObserver | undefined
}

/** For the handshake, and for a refusal to be passed on. */
const longestHandshake: Milliseconds = 30_000
/** Bytes a client may send before it knows the answer; it is read no further meanwhile. */
const mostHeld = 65_536

export function forwardUpgrade(parts: ForwardParts, exchange: UpgradeExchange): void {
  new Upgrading(parts, exchange).start()
}

class Upgrading implements ResponseListener, LiveStream {
  readonly kind = 'websocket'
  readonly isLasting = true
  readonly #parts: ForwardParts
  readonly #exchange: UpgradeExchange
  readonly #held: Buffer[] = []
  #heldLength = 0
  #call: UpstreamCall | undefined
  #timer: Disposable | undefined
  #refusal: { readonly status: number; readonly isChunked: boolean } | undefined
  #bytesOut = 0
  /** The client has yet to take what was written. */
  #isHeldBack = false
  #isOver = false

  constructor(parts: ForwardParts, exchange: UpgradeExchange) {
    this.#parts = parts
    this.#exchange = exchange
  }

  start(): void {
    const { request, upstream, target, own, isAuthorizationOurs, group, socket, head } = this.#exchange
    group.add(this)
    socket.on('error', ignore)
    socket.on('close', this.#onClose)
    socket.on('end', this.#onFin)
    socket.on('data', this.#onEarly)
    if (head.length > 0) this.#onEarly(head)
    this.#timer = this.#parts.clock.after(longestHandshake, () => this.#tooSlow())
    try {
      const { rawHeaders } = request
      const { lines } = this.#parts.requestHeads.build({ rawHeaders, isAuthorizationOurs })
      const sent = { method: 'GET', target, lines, own, framing: noBody }
      const flags = { acceptsTrailers: false, expectsContinue: false, isUpgrade: true }
      this.#call = this.#parts.client.start(upstream, { ...sent, ...flags }, this)
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error
      this.onFailure(error)
    }
  }

  /** Before the switch there are no frames to say anything in. */
  end(): void {
    this.#abandon('ended')
  }

  onReady(call: UpstreamCall): void {
    this.#call = call
  }

  onDrain(): void {
    // A handshake has no body.
  }

  onInterim(): void {
    // No client waits for one amid a handshake.
  }

  onLull(): void {
    // The head of a refusal was written at once.
  }

  onSwitch(head: ResponseHead, upstream: Duplex): void {
    const { request, socket, policy } = this.#exchange
    const [key = ''] = valuesOf(request.rawHeaders, 'sec-websocket-key')
    if (!hasAccepted(head.headers, key)) {
      upstream.on('error', ignore)
      upstream.destroy()
      this.onFailure(
        new GatewayError('upstream_protocol', 'the upstream switched to something else than was asked for'),
      )
      return
    }
    const { status, headers } = head
    const { fields } = this.#parts.responseHeads.build({ status, headers, isChunked: false }, policy)
    this.#timeAnswer()
    this.#letGo()
    socket.write(rawHead(101, ['Upgrade', 'websocket', 'Connection', 'Upgrade', ...fields]), 'latin1')
    socket.pause()
    if (this.#heldLength > 0) socket.unshift(Buffer.concat(this.#held))
    join(socket, upstream, headers, this.#parts, this.#exchange)
  }

  /** A refusal: it is passed on as it is, and that's the end of both connections. */
  onHead(head: ResponseHead): void {
    const { socket, policy } = this.#exchange
    const { status, headers, body } = head
    const isChunked = body.kind === 'chunked' || body.kind === 'until-close'
    const { fields } = this.#parts.responseHeads.build({ status, headers, isChunked }, policy)
    const framing = isChunked ? ['Transfer-Encoding', 'chunked'] : []
    this.#refusal = { status, isChunked }
    this.#timeAnswer()
    socket.write(rawHead(status, [...fields, ...framing, 'Connection', 'close']), 'latin1')
  }

  onBody(piece: Buffer, _isLast: boolean, written: Written): void {
    const { socket } = this.#exchange
    this.#bytesOut += piece.length
    let hasRoom: boolean
    if (this.#refusal?.isChunked) {
      socket.write(chunkStart(piece.length), 'latin1')
      socket.write(piece, written)
      hasRoom = socket.write('\r\n', 'latin1')
    } else hasRoom = socket.write(piece, written)
    if (hasRoom || this.#isHeldBack) return
    this.#isHeldBack = true
    this.#call?.pause()
    socket.once('drain', () => {
      this.#isHeldBack = false
      this.#call?.resume()
    })
  }

  onEnd(): void {
    const { socket } = this.#exchange
    this.#letGo()
    endAnswered(socket, this.#refusal?.isChunked ? lastChunk([]) : '', this.#parts.clock)
    this.#done(undefined)
  }

  onFailure(error: GatewayError): void {
    if (this.#isOver) return
    if (this.#refusal) {
      this.#abandon('upstream')
      return
    }
    this.#letGo()
    this.#isOver = true
    this.#exchange.onFailure(error)
  }

  readonly #onClose = (): void => this.#abandon('client')
  /** A client that has nothing more to say before it knows the answer has left. */
  readonly #onFin = (): void => this.#abandon('client')

  /** Held back, because an upstream that refuses would read it as the next request (RFC 6455 section 4.1: the client waits). */
  readonly #onEarly = (bytes: Buffer): void => {
    this.#held.push(bytes)
    this.#heldLength += bytes.length
    if (this.#heldLength >= mostHeld) this.#exchange.socket.pause()
  }

  #timeAnswer(): void {
    const { answerTime, began } = this.#exchange
    answerTime.observe(this.#parts.clock.now() - began)
  }

  #tooSlow(): void {
    this.#call?.abort()
    this.onFailure(new GatewayError('upstream_unreachable', `no answer to the handshake in ${longestHandshake} ms`))
  }

  #abandon(cut: Outcome['cut']): void {
    if (this.#isOver) return
    this.#call?.abort()
    this.#letGo()
    reset(this.#exchange.socket)
    this.#done(cut)
  }

  /** From here on the socket is somebody else's. */
  #letGo(): void {
    const { socket, group } = this.#exchange
    this.#timer?.[Symbol.dispose]()
    group.delete(this)
    socket.off('close', this.#onClose).off('end', this.#onFin).off('data', this.#onEarly)
  }

  #done(cut: Outcome['cut']): void {
    this.#isOver = true
    this.#exchange.onDone({ status: this.#refusal?.status ?? 0, bytesIn: 0, bytesOut: this.#bytesOut, cut })
  }
}

/** Apart from the handshake, so that nothing of it is kept for as long as the stream lives. */
function join(
  socket: Duplex,
  upstream: Duplex,
  headers: readonly string[],
  { clock }: ForwardParts,
  exchange: UpgradeExchange,
): void {
  const { group, onDone } = exchange
  const stream: LiveStream = { kind: 'websocket', isLasting: true, end: (reason: CloseReason) => joined.end(reason) }
  const onClosed = ({ bytesFromClient, bytesFromUpstream, cut }: Splice) => {
    group.delete(stream)
    onDone({ status: 101, bytesIn: bytesFromClient, bytesOut: bytesFromUpstream, cut })
  }
  group.add(stream)
  const observer = exchange.observerOf?.(headers)
  const joined = splice(socket, upstream, { clock, tracker: new FrameTracker(), observer, onClosed })
  socket.off('error', ignore)
  exchange.onSwitched()
}

/** 'close' follows, and is acted on. */
function ignore(): void {}
