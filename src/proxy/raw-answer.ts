/**
 * An HTTP answer on a bare socket, where Node's server has left it to us: refused upgrades. The status line comes from a table, never from
 * a message; no field goes out that could end its line.
 */
import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { GatewayError } from '#errors.ts'
import { fieldValue, token } from '#http/field-syntax.ts'
import { type Clock, type Milliseconds, systemClock } from '#lib/clock.ts'

export interface RawAnswer {
  readonly status: number
  /** Flat: name, value, name, value. */
  readonly headers: readonly string[]
  readonly body: string
}

/** How long a client may go on sending: closing at once would reset the connection and could cost it the answer (RFC 9112 section 9.6). */
const longestLinger: Milliseconds = 1_000

/** Answers and closes. Throws `internal` for a field that isn't one. */
export function rawAnswer(socket: Duplex, answer: RawAnswer, clock: Clock = systemClock): void {
  const length = ['Content-Length', String(Buffer.byteLength(answer.body)), 'Connection', 'close']
  const head = rawHead(answer.status, [...answer.headers, ...length])
  socket.on('error', ignore)
  socket.write(head, 'latin1')
  endAnswered(socket, answer.body, clock)
}

/** Status line and fields, to the empty line, to be written as Latin-1. Throws `internal` for a field that isn't one. */
export function rawHead(status: number, fields: readonly string[]): string {
  let text = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`
  for (let index = 0; index < fields.length; index += 2) {
    const [name = '', value = ''] = [fields[index], fields[index + 1]]
    if (!token.test(name) || !fieldValue.test(value)) throw new GatewayError('internal', 'a header that is no header')
    text += `${name}: ${value}\r\n`
  }
  return `${text}\r\n`
}

/** Sends the last of an answer, and closes when the client has, or after a second. */
export function endAnswered(socket: Duplex, last: string, clock: Clock): void {
  const timer = clock.after(longestLinger, () => socket.destroy())
  socket.once('close', () => timer[Symbol.dispose]())
  socket.end(last)
  // What still comes is thrown away; unread bytes would turn the close into a reset.
  socket.resume()
}

/** 'close' follows. */
function ignore(): void {}
