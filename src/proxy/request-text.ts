/** The head of a request as it goes over the wire. The last place where a second request could be written into the first; so it is checked here too. */
import { GatewayError } from '#errors.ts'
import type { UpstreamRequest } from './upstream-client.ts'

/** Does it have a body of at least a byte? */
export function carriesBody({ framing }: UpstreamRequest): boolean {
  return framing.kind === 'chunked' || (framing.kind === 'length' && framing.length > 0)
}

/**
 * Latin-1, to the empty line. A connection carries a body at most once, as the last thing: a server that overlooks the body of one request
 * would read it as the next one, another visitor's (CL.0 desynchronisation). Throws `internal`.
 */
export function requestText(request: UpstreamRequest): string {
  const { method, target, lines, own, framing } = request
  if (!/^[\x21-\x7e]+$/.test(target) || !/^[A-Z-]+$/.test(method)) {
    throw new GatewayError('internal', 'a request line that cannot be written')
  }
  let text = `${method} ${target} HTTP/1.1\r\n${lines}${own}`
  if (framing.kind === 'length') text += `Content-Length: ${framing.length}\r\n`
  else if (framing.kind === 'chunked') text += 'Transfer-Encoding: chunked\r\n'
  if (request.expectsContinue) text += 'Expect: 100-continue\r\n'
  return `${text}${hopFields(request)}\r\n`
}

function hopFields(request: UpstreamRequest): string {
  if (request.isUpgrade) return 'Connection: Upgrade\r\nUpgrade: websocket\r\n'
  const trailers = request.acceptsTrailers ? 'TE: trailers\r\n' : ''
  if (carriesBody(request)) return `${trailers}Connection: close${request.acceptsTrailers ? ', TE' : ''}\r\n`
  return request.acceptsTrailers ? `${trailers}Connection: TE\r\n` : ''
}

/** One chunk of a chunked body; its data is written between the two. */
export function chunkStart(length: number): string {
  return `${length.toString(16)}\r\n`
}

export function lastChunk(trailers: readonly string[]): string {
  let text = '0\r\n'
  for (let index = 0; index < trailers.length; index += 2) text += `${trailers[index]}: ${trailers[index + 1]}\r\n`
  return `${text}\r\n`
}
