/**
 * What the gateway needs of a request and of its answer, whichever version of HTTP they came by: Node's `IncomingMessage` and `ServerResponse` are
 * such, and so is what the listener makes of a stream of HTTP/2. One meaning (RFC 9110), two ways over the wire.
 */
import type { IncomingHttpHeaders } from 'node:http'
import type { FieldLines } from './end-to-end.ts'

/** What carries one request: a connection of HTTP/1.1, a stream of HTTP/2. To destroy it ends that request's exchange, and says that it was cut off. */
export interface ClientSocket {
  readonly destroyed: boolean
  readonly readableEnded: boolean
  destroy(): unknown
}

export interface ClientRequest {
  /** `1.1` for HTTP/2 as well, whose messages mean the same. */
  readonly httpVersion: string
  readonly method?: string | undefined
  /** Raw, as it stood on the wire. */
  readonly url?: string | undefined
  /** Flat: name, value, name, value; as they stood on the wire. */
  readonly rawHeaders: string[]
  /** As {@link rawHeaders}, once the body is here. */
  readonly rawTrailers: string[]
  readonly headers: IncomingHttpHeaders
  readonly socket: ClientSocket
  /** Has all of it arrived? */
  readonly complete: boolean
  readonly readableEnded: boolean
  isPaused(): boolean
  pause(): unknown
  resume(): unknown
  on(event: 'data', listener: (piece: Buffer) => void): unknown
  /** `end`: the body was whole. Without it, `close` says that it was not. */
  once(event: 'end' | 'close', listener: () => void): unknown
  off(event: 'data', listener: (piece: Buffer) => void): unknown
  off(event: 'end', listener: () => void): unknown
}

/** Told of a piece that was written, or with the error for which it could not be. */
export type Written = (error?: Error | null) => void

export interface ClientResponse {
  readonly req: ClientRequest
  /** `null` where the answer to an earlier request of the connection is under way. */
  readonly socket: ClientSocket | null
  readonly statusCode: number
  /** Is the head decided? */
  readonly headersSent: boolean
  readonly writableFinished: boolean
  /** Bytes that wait for the client to take them. */
  readonly writableLength: number
  /** `false`: the connection ends with it. HTTP/2 has other ways to say what is to be read. */
  shouldKeepAlive: boolean
  writeContinue(): unknown
  /** Any 1xx but 101. */
  writeInformation(status: number, fields: string[]): unknown
  /** Throws for a head that cannot be sent. `fields`: flat. */
  writeHead(status: number, fields: string[]): unknown
  /**
   * As {@link writeHead} of these fields, which say the length of a body and a date. `false`, and nothing was done: this answer is not as most are.
   * Absent: there is no shorter way than that.
   */
  writeWhole?(status: number, lines: FieldLines): boolean
  flushHeaders(): void
  /** False: wait for `drain`. `written`: nobody needs the piece any more. */
  write(piece: Buffer | string): boolean
  write(piece: Buffer, written: Written): boolean
  end(): unknown
  end(piece: Buffer | string): unknown
  end(piece: Buffer, written: Written): unknown
  end(text: string, encoding: 'latin1'): unknown
  addTrailers(fields: readonly [string, string][]): void
  once(event: 'close' | 'drain', listener: () => void): unknown
  /** It comes once. */
  on(event: 'close', listener: () => void): unknown
}
