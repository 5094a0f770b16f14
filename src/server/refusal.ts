/**
 * What a listener answers itself, before there is a request or instead of one: bytes on a socket that no parser owns any more.
 * Nothing of what the client sent is in it.
 */
import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { Clock, Milliseconds } from '#lib/clock.ts'
import { type Problem, problemBody, problemMediaType } from '#surface/problem.ts'

/** How long a refused client may go on sending: closing at once would reset the connection and could cost it the answer (RFC 9112 section 9.6). */
const longestLinger: Milliseconds = 1_000

export const refusals = {
  malformed: { code: 'bad_request', status: 400, title: 'The request could not be understood.' },
  tooSlow: { code: 'request_timeout', status: 408, title: 'The header of the request took too long.' },
  targetTooLong: { code: 'target_too_long', status: 414, title: 'The address is too long.' },
  headerTooLarge: { code: 'header_too_large', status: 431, title: 'The header of the request is too large.' },
  chunkTooLarge: {
    code: 'chunk_extension_too_large',
    status: 413,
    title: 'A chunk of the body has too much besides its data.',
  },
  version: { code: 'http_version', status: 505, title: 'This is not a version of HTTP that is spoken here.' },
  connect: { code: 'method_not_allowed', status: 405, title: 'This is not a proxy for other hosts.' },
  fault: { code: 'internal', status: 500, title: 'Something went wrong on our side.' },
  crowded: {
    code: 'too_many_at_once',
    status: 503,
    title: 'Too many have come at once. Please try again in a moment.',
  },
  expectation: { code: 'expectation_failed', status: 417, title: 'Only 100-continue can be expected.' },
} as const satisfies Record<string, Problem>

/** By the codes of Node's parser. Another `HPE_…` is malformed; anything else says that the connection broke, and nobody is left to be told. */
const byParserCode: ReadonlyMap<string, Problem> = new Map<string, Problem>([
  ['HPE_HEADER_OVERFLOW', refusals.headerTooLarge],
  ['HPE_CHUNK_EXTENSIONS_OVERFLOW', refusals.chunkTooLarge],
  ['HPE_INVALID_VERSION', refusals.version],
  ['HPE_PAUSED_H2_UPGRADE', refusals.version],
  ['ERR_HTTP_REQUEST_TIMEOUT', refusals.tooSlow],
])

/** `undefined`: the connection itself failed. `bytesRead`: of the whole connection until now. */
export function refusalFor(error: Error, bytesRead: number): Problem | undefined {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  if (code === 'HPE_HEADER_OVERFLOW' && isWithinRequestLine(error, bytesRead)) return refusals.targetTooLong
  return byParserCode.get(code) ?? (code.startsWith('HPE_') ? refusals.malformed : undefined)
}

/** Did it end within the request line? Sure only of the first bytes of a connection: of later ones the parser does not say what they began with. */
function isWithinRequestLine(error: Error, bytesRead: number): boolean {
  if (!('rawPacket' in error && error.rawPacket instanceof Uint8Array)) return false
  const { rawPacket } = error
  const parsed = 'bytesParsed' in error && typeof error.bytesParsed === 'number' ? error.bytesParsed : rawPacket.length
  return rawPacket.length === bytesRead && !rawPacket.subarray(0, parsed).includes(lineFeed)
}

const lineFeed = 0x0a

/** A whole response, after which the connection closes. `more`: names and values in turns. */
export function refusalBytes(problem: Problem, requestId: string, more: readonly string[] = []): Buffer {
  const body = problemBody(problem, requestId)
  const head = [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`,
    `Content-Type: ${problemMediaType}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Cache-Control: no-store',
    'Connection: close',
    ...more.flatMap((name, at) => (at % 2 === 0 ? [`${name}: ${more[at + 1]}`] : [])),
  ]
  return Buffer.from(`${head.join('\r\n')}\r\n\r\n${body}`)
}

/** Answers and ends: the client gets the answer, and at most a second to stop sending. */
export function sendRefusal(socket: Socket, bytes: Buffer, clock: Clock): void {
  const timer = clock.after(longestLinger, () => socket.destroy())
  socket.once('close', () => timer[Symbol.dispose]())
  socket.end(bytes)
  // What still comes is thrown away; unread bytes would turn the close into a reset.
  socket.resume()
}
