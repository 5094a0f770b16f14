/**
 * undici behind the interface that the proxy knows its client by. Not used to serve: it is the other implementation, so that the tests of
 * the proxy are about the interface, and the lean one could be replaced. What undici can't do is written where it is left out.
 */
import { Readable } from 'node:stream'
import { type Dispatcher, errors, Pool } from 'undici'
import { GatewayError, messageOf } from '#errors.ts'
import { carriesBody, requestText } from '#proxy/request-text.ts'
import type { ResponseBody, ResponseHead } from '#proxy/response-head.ts'
import type { Upstream } from '#proxy/upstream.ts'
import type { ResponseListener, UpstreamCall, UpstreamClient, UpstreamRequest } from '#proxy/upstream-client.ts'

export interface UndiciOptions {
  /** Ends every connection and every call. */
  readonly signal: AbortSignal
}

export class UndiciClient implements UpstreamClient {
  readonly #pools = new Map<string, Pool>()
  readonly #signal: AbortSignal

  constructor({ signal }: UndiciOptions) {
    this.#signal = signal
    signal.addEventListener('abort', () => this.#pools.forEach((pool) => void pool.destroy()), { once: true })
  }

  /** Connections that are open. */
  get size(): number {
    return [...this.#pools.values()].reduce((sum, { stats }) => sum + stats.connected, 0)
  }

  start(upstream: Upstream, request: UpstreamRequest, listener: ResponseListener): UpstreamCall {
    const call = new UndiciCall(request, listener)
    this.#poolOf(upstream).dispatch(optionsOf(request, call.body), call)
    return call
  }

  forget(key: string): void {
    void this.#pools.get(key)?.close()
    this.#pools.delete(key)
  }

  #poolOf(upstream: Upstream): Pool {
    const known = this.#pools.get(upstream.key)
    if (known) return known
    const pool = new Pool('http://upstream', {
      pipelining: 1,
      maxHeaderSize: 65_536,
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: (_options, done) => {
        upstream.dial(this.#signal).then(
          (socket) => Reflect.apply(done, undefined, [null, socket]),
          (error: unknown) => Reflect.apply(done, undefined, [error, null]),
        )
      },
    })
    this.#pools.set(upstream.key, pool)
    return pool
  }
}

/** Written by undici itself, or refused by it: it knows no `Expect`. */
const written = /^(?:content-length|transfer-encoding|connection|upgrade|expect|te)$/i

function optionsOf(request: UpstreamRequest, body: Readable | null): Dispatcher.DispatchOptions {
  const { method, target: path, framing, isUpgrade } = request
  const [, ...lines] = requestText(request).trimEnd().split('\r\n')
  const pairs = lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)] as const)
  const headers = pairs.filter(([name]) => !written.test(name)).flat()
  if (framing.kind === 'length' && framing.length > 0) headers.push('Content-Length', String(framing.length))
  return {
    method,
    path,
    headers,
    body,
    upgrade: isUpgrade ? 'websocket' : null,
    reset: isUpgrade || carriesBody(request),
  }
}

class UndiciCall implements UpstreamCall, Dispatcher.DispatchHandler {
  readonly body: Readable | null
  readonly #request: UpstreamRequest
  readonly #listener: ResponseListener
  #controller: Dispatcher.DispatchController | undefined
  #isOver = false

  constructor(request: UpstreamRequest, listener: ResponseListener) {
    this.#request = request
    this.#listener = listener
    this.body = carriesBody(request) ? new Readable({ read: () => listener.onDrain() }) : null
    this.body?.on('error', () => undefined)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#isOver) controller.abort(left())
    else this.#listener.onReady(this)
  }

  onRequestUpgrade(
    ...[controller, status, , socket]: Parameters<NonNullable<Dispatcher.DispatchHandler['onRequestUpgrade']>>
  ): void {
    this.#isOver = true
    socket.pause()
    this.#listener.onSwitch(this.#headOf(status, controller.rawHeaders), socket)
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number): void {
    const head = this.#headOf(status, controller.rawHeaders)
    if (status < 200) this.#listener.onInterim(head)
    else this.#listener.onHead(head)
    this.#lull()
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#listener.onBody(chunk, false, () => undefined)
    this.#lull()
  }

  onResponseEnd(controller: Dispatcher.DispatchController): void {
    this.#isOver = true
    this.#listener.onEnd(texts(controller.rawTrailers))
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#isOver) return
    this.#isOver = true
    this.body?.destroy()
    this.#listener.onFailure(faultOf(error))
  }

  write(piece: Buffer): boolean {
    return this.body?.push(piece) ?? true
  }

  /** undici sends no trailers. */
  end(): void {
    this.body?.push(null)
  }

  pause(): void {
    this.#controller?.pause()
  }

  resume(): void {
    this.#controller?.resume()
  }

  abort(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#controller?.abort(left())
  }

  /** undici does not say when everything that came was passed on. */
  #lull(): void {
    setImmediate(() => {
      if (!this.#isOver) this.#listener.onLull()
    })
  }

  #headOf(status: number, raw: Dispatcher.DispatchController['rawHeaders']): ResponseHead {
    const headers = texts(raw)
    const value = (name: string) => headers.find((_, at) => at % 2 === 1 && headers[at - 1]?.toLowerCase() === name)
    const body = bodyOf(this.#request.method, status, value('transfer-encoding'), value('content-length'))
    // Whether the connection goes on is undici's affair.
    return { status, headers, body, isPersistent: true, keepsFor: undefined }
  }
}

function bodyOf(method: string, status: number, coding: string | undefined, length: string | undefined): ResponseBody {
  if (method === 'HEAD' || status < 200 || status === 204 || status === 304) return { kind: 'none' }
  if (coding !== undefined) return { kind: 'chunked' }
  if (length === undefined) return { kind: 'until-close' }
  return length === '0' ? { kind: 'none' } : { kind: 'length', length: Number(length) }
}

function texts(raw: Dispatcher.DispatchController['rawHeaders']): readonly string[] {
  return Array.isArray(raw) ? raw.map((one) => (typeof one === 'string' ? one : one.toString('latin1'))) : []
}

function left(): Error {
  return new Error('nobody waits for the answer any more')
}

function faultOf(error: Error): GatewayError {
  if (error instanceof GatewayError) return error
  const isParser = error instanceof errors.HTTPParserError || error.name === 'HTTPParserError'
  const isOdd =
    isParser || error instanceof errors.ResponseContentLengthMismatchError || /bad upgrade/.test(error.message)
  return new GatewayError(isOdd ? 'upstream_protocol' : 'upstream_unreachable', messageOf(error), { cause: error })
}
