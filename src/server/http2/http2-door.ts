/** Where the streams of HTTP/2 come in: each goes to its handler as the request it is, or is refused here. */
import { METHODS } from 'node:http'
import { constants, type ServerHttp2Stream } from 'node:http2'
import type { Connection } from '#http/connection.ts'
import { type Http2Head, readHttp2Head } from '#http/http2-head.ts'
import type { DoorParts, ListenerHandlers } from '#server/door.ts'
import { refusals } from '#server/refusal.ts'
import { type Problem, problemBody, problemMediaType } from '#surface/problem.ts'
import { HeldPieces } from './held-pieces.ts'
import { Http2Request } from './request.ts'
import { Http2Response } from './response.ts'

const methods: ReadonlySet<string> = new Set(METHODS)

export class Http2Door {
  readonly #handlers: ListenerHandlers
  readonly #parts: DoorParts
  readonly #headerBytes: number
  readonly #held = new HeldPieces()

  constructor(handlers: ListenerHandlers, parts: DoorParts, headerBytes: number) {
    this.#handlers = handlers
    this.#parts = parts
    this.#headerBytes = headerBytes
  }

  enter(stream: ServerHttp2Stream, rawHeaders: readonly string[], connection: Connection, isWhole: boolean): void {
    const { isEncrypted } = connection
    const isMethod = (name: string) => methods.has(name)
    const head = readHttp2Head(rawHeaders, { isEncrypted, isWhole, mostBytes: this.#headerBytes, isMethod })
    if (head.kind === 'problem' && head.fault !== 'too_large') {
      this.report(`http2_${head.fault}`, undefined, undefined, connection.peer)
      stream.close(constants.NGHTTP2_PROTOCOL_ERROR)
      return
    }
    const known = head.kind === 'head' ? head : unread
    const request = new Http2Request(stream, known, isWhole)
    const response = new Http2Response(stream, request, this.#held)
    // It is answered, and nothing is that comes after it.
    if (connection.isCrowded) stream.session?.close()
    if (head.kind === 'problem') this.#refuse(response, refusals.headerTooLarge, connection)
    else this.#run(request, response, connection)
  }

  report(code: string, status: number | undefined, requestId: string | undefined, peer: string | undefined): void {
    this.#handlers.refused?.({ code, status, requestId, peer })
  }

  #run(request: Http2Request, response: Http2Response, connection: Connection): void {
    const { expect } = request.headers
    try {
      if (expect === undefined) this.#handlers.request(request, response, connection)
      else if (String(expect).toLowerCase() === '100-continue') {
        this.#handlers.checkContinue(request, response, connection)
      } else this.#refuse(response, refusals.expectation, connection)
    } catch (error) {
      const requestId = this.#parts.newRequestId()
      this.#parts.log.error({ component: 'listener', requestId, error }, 'a handler threw')
      if (response.headersSent) response.destroy()
      else send(response, refusals.fault, requestId)
    }
  }

  #refuse(response: Http2Response, problem: Problem, connection: Connection): void {
    const requestId = this.#parts.newRequestId()
    send(response, problem, requestId)
    this.report(problem.code, problem.status, requestId, connection.peer)
  }
}

/** In place of a head that is not read any further. */
const unread: Http2Head = { kind: 'head', method: 'GET', target: '/', rawHeaders: [] }

function send(response: Http2Response, problem: Problem, requestId: string): void {
  response.writeHead(problem.status, ['content-type', problemMediaType, 'cache-control', 'no-store'])
  response.end(problemBody(problem, requestId))
}
