/**
 * Node's own answer, to which a head can be given that is written out already. For most answers of apps that is all there is to do: their fields are
 * known to be fields, so that looking at each of them again, name by name, would only cost time. Whatever Node would add, leave out or decide beyond
 * that is left to Node.
 */
import { type IncomingMessage, ServerResponse, STATUS_CODES } from 'node:http'
import type { FieldLines } from '#http/end-to-end.ts'
import type { ClientResponse } from '#http/messages.ts'
import type { Milliseconds } from '#lib/clock.ts'

/** Answers of a server that keeps idle connections for so long, and says so. */
export function answersOf(keepAlive: Milliseconds): typeof ServerResponse {
  const seconds = Math.floor(keepAlive / 1000)
  const ending = `Connection: keep-alive\r\n${keepAlive > 0 ? `Keep-Alive: timeout=${seconds}\r\n` : ''}\r\n`

  return class Answer<Request extends IncomingMessage> extends ServerResponse<Request> implements ClientResponse {
    /** Node's: the head that is sent before the body, as soon as it is known. A test holds both of them to the same bytes. */
    declare _header: string | null

    writeWhole(status: number, lines: FieldLines): boolean {
      const reason = STATUS_CODES[status] ?? 'unknown'
      if (status < 200 || status === 204 || status === 304) return false
      const { method, httpVersion, headers } = this.req
      if (method === 'HEAD' || httpVersion !== '1.1' || headers.expect !== undefined) return false
      if (!this.shouldKeepAlive || this.headersSent || this.getHeaderNames().length > 0) return false
      this.statusCode = status
      this.statusMessage = reason
      this._header = `HTTP/1.1 ${status} ${reason}\r\n${lines}${ending}`
      return true
    }
  }
}
