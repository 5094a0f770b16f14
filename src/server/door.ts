/** Where a listener's events come in: each goes to its handler with what is known of its connection, or is answered here. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import type { Connection } from '#http/connection.ts'
import { hasMember } from '#http/end-to-end.ts'
import type { ClientRequest, ClientResponse } from '#http/messages.ts'
import type { Clock, Milliseconds } from '#lib/clock.ts'
import { TurnShare } from '#lib/turn-share.ts'
import type { Log } from '#observe/log.ts'
import { type Problem, problemBody, problemMediaType } from '#surface/problem.ts'
import { type Connections, isAnswerable, isClosing, isIdle } from './connections.ts'
import { lingeringEnd } from './lingering.ts'
import { refusalBytes, refusalFor, refusals, sendRefusal } from './refusal.ts'

/** None may throw; one that does costs its own request a 500, or where its answer has begun the connection, and nobody else anything. */
export interface ListenerHandlers {
  request(request: ClientRequest, response: ClientResponse, connection: Connection): void
  /** The client waits for `100 Continue` before it sends the body (RFC 9110 section 10.1.1); nothing was answered yet. */
  checkContinue(request: ClientRequest, response: ClientResponse, connection: Connection): void
  /**
   * Anything with `Connection: upgrade` and an Upgrade field, WebSocket or not. No answer is due on the socket, which is the handler's from
   * here on; it is destroyed when the signal ends the listener. `head`: what came behind the request.
   */
  upgrade(request: IncomingMessage, socket: Socket, head: Buffer, connection: Connection): void
  /** The listener refused something by itself. For counting and the audit trail. */
  refused?(refusal: ListenerRefusal): void
}

export interface ListenerRefusal {
  readonly code: string
  /** `undefined`: the connection was closed without an answer. */
  readonly status: number | undefined
  readonly requestId: string | undefined
  readonly peer: string | undefined
}

/** A handshake or two. Amid 5,000 at once somebody else waits 2.5 times as long as without them, at the median; it would be 4.4 times with 0.5 ms. */
const crowdShare: Milliseconds = 0.2
/** Each of them is a connection, and what was read of its request. */
const mostWaiting = 8_192
/** Seconds; thousands are through by then. */
const comeBack = '5'

export interface DoorParts {
  /** What comes by the thousand in one moment; of its own where absent. */
  readonly turns?: TurnShare
  readonly clock: Clock
  readonly log: Pick<Log, 'error'>
  readonly newRequestId: () => string
}

export class Door {
  readonly #server: Server
  readonly #connections: Connections
  readonly #handlers: ListenerHandlers
  readonly #parts: DoorParts
  /** What comes by the thousand in one moment: handshakes of those who come back, and the ends of those who never said what they want. */
  readonly #crowd: TurnShare
  readonly #endSoon: (this: Socket) => void

  constructor(server: Server, connections: Connections, handlers: ListenerHandlers, parts: DoorParts) {
    this.#server = server
    this.#connections = connections
    this.#handlers = handlers
    this.#parts = parts
    this.#crowd = parts.turns ?? new TurnShare({ share: crowdShare, mostWaiting })
    this.#endSoon = lingeringEnd(parts.clock, (socket) => connections.get(socket)?.latest?.req.complete === false)
    // Node drops what is beyond this number without a word, and with it a second Host; counting is for who reads the header.
    server.maxHeadersCount = 0
    server.on('request', (request, response) => {
      this.#enter(request, response, (info) => handlers.request(request, response, info))
    })
    server.on('checkContinue', (request, response) => {
      this.#enter(request, response, (info) => handlers.checkContinue(request, response, info))
    })
    server.on('checkExpectation', (request, response) => {
      this.#enter(request, response, (info) => this.#answer(response, refusals.expectation, info))
    })
    server.on('upgrade', (request, _socket, head) => this.#upgrade(request, head))
    server.on('connect', (request) => this.#refuse(request.socket, refusals.connect))
    server.on('clientError', (error, socket) => {
      const refusal = refusalFor(error, socket instanceof Socket ? socket.bytesRead : 0)
      if (refusal === refusals.tooSlow && socket instanceof Socket) this.#refuseLater(socket, refusal)
      else if (refusal && socket instanceof Socket) this.#refuse(socket, refusal)
      else socket.destroy()
    })
  }

  report(code: string, status: number | undefined, requestId: string | undefined, peer: string | undefined): void {
    this.#handlers.refused?.({ code, status, requestId, peer })
  }

  #enter(request: IncomingMessage, response: ServerResponse, handle: (info: Connection) => void): void {
    const connection = this.#connections.get(request.socket)
    if (!connection) return void request.socket.destroy()
    // Node parses what was sent behind a request in one go, also when its answer closes the connection.
    if (isClosing(connection)) return
    connection.latest = response
    connection.requests += 1
    request.socket.destroySoon = this.#endSoon
    const fail = (requestId: string) => {
      if (response.headersSent) request.socket.destroy()
      else this.#send(response, refusals.fault, requestId)
    }
    const begin = () => {
      if (!this.#server.listening || isLastOf10(request)) response.shouldKeepAlive = false
      handle(connection.info)
    }
    this.#run(begin, fail)
  }

  #upgrade(request: IncomingMessage, head: Buffer): void {
    const { socket } = request
    const connection = this.#connections.get(socket)
    if (connection && isClosing(connection)) return
    // Sent behind a request that is not answered yet: the bytes of two protocols would mix.
    if (!connection || connection.isRefused || !isIdle(connection)) return void socket.destroy()
    connection.latest = undefined
    connection.requests += 1
    const fail = (requestId: string) => {
      connection.isRefused = true
      sendRefusal(socket, refusalBytes(refusals.fault, requestId), this.#parts.clock)
    }
    const begin = () => {
      // It left while it waited for its turn, which nobody else has heard.
      if (socket.readableEnded) socket.destroy()
      if (!socket.destroyed) this.#run(() => this.#handlers.upgrade(request, socket, head, connection.info), fail)
    }
    if (this.#crowd.add(begin)) return
    connection.isRefused = true
    const requestId = this.#parts.newRequestId()
    const bytes = refusalBytes(refusals.crowded, requestId, ['Retry-After', comeBack])
    sendRefusal(socket, bytes, this.#parts.clock)
    this.report(refusals.crowded.code, refusals.crowded.status, requestId, connection.info.peer)
  }

  /** Unless it becomes a request while this waits for its turn. */
  #refuseLater(socket: Socket, refusal: Problem): void {
    const connection = this.#connections.get(socket)
    const requests = connection?.requests
    const refuse = () => {
      if (connection?.requests === requests) this.#refuse(socket, refusal)
    }
    if (!this.#crowd.add(refuse)) socket.destroy()
  }

  #run(handle: () => void, fail: (requestId: string) => void): void {
    try {
      handle()
    } catch (error) {
      const requestId = this.#parts.newRequestId()
      this.#parts.log.error({ component: 'listener', requestId, error }, 'a handler threw')
      fail(requestId)
    }
  }

  #answer(response: ServerResponse, problem: Problem, info: Connection): void {
    const requestId = this.#parts.newRequestId()
    this.#send(response, problem, requestId)
    this.report(problem.code, problem.status, requestId, info.peer)
  }

  /** The last answer on its connection. */
  #send(response: ServerResponse, problem: Problem, requestId: string): void {
    // Not by the field alone: what was sent behind the request is here already, and nobody else would tell that it is not answered.
    response.shouldKeepAlive = false
    response.writeHead(problem.status, { 'content-type': problemMediaType, 'cache-control': 'no-store' })
    response.end(problemBody(problem, requestId))
  }

  /** Answers what never became a request; closes without a word where the answer would be taken for another one's. */
  #refuse(socket: Socket, problem: Problem): void {
    const connection = this.#connections.get(socket)
    if (connection?.isRefused) return
    // Browsers open connections ahead of need; nobody waits for an answer on one that never said anything.
    if (!connection || socket.bytesRead === 0 || !isAnswerable(connection, socket)) return void socket.destroy()
    connection.isRefused = true
    const requestId = this.#parts.newRequestId()
    sendRefusal(socket, refusalBytes(problem, requestId), this.#parts.clock)
    this.report(problem.code, problem.status, requestId, connection.info.peer)
  }
}

/** `close` counts (RFC 9112 section 9.3), but llhttp keeps an HTTP/1.0 connection that says `keep-alive` beside it. */
function isLastOf10({ httpVersion, headers }: IncomingMessage): boolean {
  return httpVersion === '1.0' && hasMember(headers.connection ?? '', 'close')
}
