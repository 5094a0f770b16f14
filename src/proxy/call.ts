/** What the client knows of one request, for as long as it is under way. */
import { GatewayError } from '#errors.ts'
import type { EndToEndFields } from '#http/end-to-end.ts'
import { carriesBody, requestText } from './request-text.ts'
import type { Upstream } from './upstream.ts'
import type { ResponseListener, UpstreamCall, UpstreamRequest } from './upstream-client.ts'
import type { ConnectionUser, UpstreamConnection } from './upstream-connection.ts'

export interface Dialling {
  /** For a call that is new, or has lost a connection that was kept too long. */
  dial(call: Call): void
}

/** RFC 9110 section 9.2.2: these may be sent again when nobody knows whether the first arrived. */
const idempotent: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])

/** One request, on one connection, or on a second one when the first had been closed by the time it was used. */
export class Call implements UpstreamCall, ConnectionUser {
  readonly upstream: Upstream
  readonly listener: ResponseListener
  dialing: AbortController | undefined
  readonly #dialling: Dialling
  readonly #request: UpstreamRequest
  readonly #text: string
  #connection: UpstreamConnection | undefined
  #isOver = false

  constructor(dialling: Dialling, upstream: Upstream, request: UpstreamRequest, listener: ResponseListener) {
    this.#dialling = dialling
    this.upstream = upstream
    this.#request = request
    this.#text = requestText(request)
    this.listener = listener
  }

  /** Others get a connection of their own, which no server can be closing just now. */
  get isReplayable(): boolean {
    const { method, isUpgrade } = this.#request
    return idempotent.has(method) && !isUpgrade && !carriesBody(this.#request)
  }

  get isUpgrade(): boolean {
    return this.#request.isUpgrade
  }

  run(connection: UpstreamConnection): void {
    if (this.#isOver) {
      connection.destroy()
      return
    }
    this.#connection = connection
    connection.send(this.#text, this.#request, this)
    this.listener.onReady(this)
  }

  write(piece: Buffer): boolean {
    return this.#connection?.write(piece) ?? true
  }

  end(trailers: EndToEndFields): void {
    this.#connection?.endBody(trailers)
  }

  pause(): void {
    this.#connection?.pause()
  }

  resume(): void {
    this.#connection?.resume()
  }

  abort(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.dialing?.abort(new GatewayError('upstream_unreachable', 'nobody waits for the answer any more'))
    this.#connection?.destroy()
    this.#connection = undefined
  }

  onDone(): void {
    this.#isOver = true
    this.#connection = undefined
  }

  onLost(error: GatewayError, isUntouched: boolean): void {
    if (this.#isOver) return
    const isStale = isUntouched && this.isReplayable && this.#connection?.isReused === true
    this.#connection = undefined
    if (isStale) {
      this.#dialling.dial(this)
      return
    }
    this.#isOver = true
    this.listener.onFailure(error)
  }
}
