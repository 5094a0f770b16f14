/** What the proxy needs of an HTTP client, so that one may be replaced by another. */
import type { Duplex } from 'node:stream'
import type { GatewayError } from '#errors.ts'
import type { BodyFraming, EndToEndFields, FieldLines } from '#http/end-to-end.ts'
import type { Written } from '#http/messages.ts'
import type { OwnFields } from '#http/own-fields.ts'
import type { ResponseHead } from './response-head.ts'
import type { Upstream } from './upstream.ts'

export interface UpstreamRequest {
  readonly method: string
  /** Raw, as the upstream shall see it. */
  readonly target: string
  readonly lines: FieldLines
  /** Behind them, where nothing that a client sends takes their place. */
  readonly own: OwnFields
  readonly framing: BodyFraming
  readonly acceptsTrailers: boolean
  /** The client waits for `100 Continue` before it sends the body. */
  readonly expectsContinue: boolean
  /** A WebSocket is asked for: the connection is not shared, and may be switched. */
  readonly isUpgrade: boolean
}

/** Called in this order. Nothing is called after {@link onEnd}, {@link onSwitch}, {@link onFailure}, or once the call was aborted. */
export interface ResponseListener {
  /** The request's head is on its way: its body may be written. */
  onReady(call: UpstreamCall): void
  /** The upstream can take more of the body again. */
  onDrain(): void
  /** 1xx other than 101. */
  onInterim(head: ResponseHead): void
  onHead(head: ResponseHead): void
  /** 101, after a request that is an upgrade: the socket is the listener's, paused, with everything behind the head still to be read. */
  onSwitch(head: ResponseHead, socket: Duplex): void
  /**
   * `isLast` where it is known that no other piece follows. `written` is to be called when the piece is needed no more: its buffer is read into
   * again, and nothing may be read before. Where it never is, or is with an error, nothing else comes.
   */
  onBody(piece: Buffer, isLast: boolean, written: Written): void
  /** Everything that has arrived was passed on, and more is to come. */
  onLull(): void
  onEnd(trailers: readonly string[]): void
  /** `upstream_unreachable` or `upstream_protocol`. The answer, or what was passed of it, is not whole. */
  onFailure(error: GatewayError): void
}

export interface UpstreamCall {
  /** `piece` is nobody else's from here on. False: wait for {@link ResponseListener.onDrain}. */
  write(piece: Buffer): boolean
  end(trailers: EndToEndFields): void
  /** No further body until {@link resume}, except for what was read already. */
  pause(): void
  resume(): void
  /** Ends the connection that it has, or waits for. Without effect on a call that is over. */
  abort(): void
}

export interface UpstreamClient {
  /** Throws `internal` for a request that can't be written as one. */
  start(upstream: Upstream, request: UpstreamRequest, listener: ResponseListener): UpstreamCall
  /** What this key named is gone: no connection to it is used again. */
  forget(key: string): void
}
