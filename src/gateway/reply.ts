/** An answer of the gateway's own as a value; the same for a plain request and for a refused upgrade. */
import type { ClientResponse } from '#http/messages.ts'
import { type Problem, problemBody, problemMediaType } from '#surface/problem.ts'

export interface Reply {
  readonly status: number
  /** Flat: name, value, name, value. */
  readonly headers: readonly string[]
  readonly body: string
  /** What comes instead of a body, until the client has left. */
  readonly news?: (left: AbortSignal) => AsyncIterable<string>
  /** The connection ends with it: what follows is not to be read as a request. */
  readonly isLast?: true
}

/** Makes a page of a refusal; the user interface knows how. */
export type RenderPage = (
  problem: Problem,
  requestId: string,
) => { readonly headers: readonly string[]; readonly body: string }

/** In the form its reader wants: a page for somebody who navigated, `application/problem+json` (RFC 9457) for everybody else. */
export function refusal(
  problem: Problem,
  reader: { readonly navigation: boolean; readonly requestId: string; readonly renderPage: RenderPage },
  extra: readonly string[] = [],
): Reply {
  const { requestId } = reader
  const common = ['X-Request-Id', requestId, 'Cache-Control', 'no-store', ...extra]
  if (reader.navigation) {
    const page = reader.renderPage(problem, requestId)
    return { status: problem.status, headers: [...page.headers, ...common], body: page.body }
  }
  return {
    status: problem.status,
    headers: ['Content-Type', problemMediaType, ...noPage, ...common],
    body: problemBody(problem, requestId),
  }
}

export function redirect(status: 302 | 303 | 307 | 308, location: string, extra: readonly string[] = []): Reply {
  return { status, headers: ['Location', location, 'Cache-Control', 'no-store', ...extra], body: '' }
}

/**
 * When to come again, in whole seconds (RFC 9110 section 10.2.3): by chance up to two more than `least`, so that those who wait for one thing
 * do not all come together.
 */
export function comeAgain(least: number): readonly string[] {
  return ['Retry-After', String(least + Math.floor(Math.random() * 3))]
}

export function json(status: number, value: unknown): Reply {
  return {
    status,
    headers: ['Content-Type', 'application/json', 'Cache-Control', 'no-store', ...noPage],
    body: JSON.stringify(value),
  }
}

/** For what is no page: a browser shows it in no frame, and takes it for nothing else than it is. */
const noPage = [
  ...['X-Content-Type-Options', 'nosniff'],
  ...['Content-Security-Policy', "default-src 'none'; frame-ancestors 'none'"],
]

/** On HTTPS, and only there (RFC 6797 section 7.2). */
export const hsts = ['Strict-Transport-Security', 'max-age=31536000'] as const

/** The request's body is not read: the connection ends where one may still be coming. */
export function sendReply(response: ClientResponse, reply: Reply): void {
  if (reply.news && response.req.method !== 'HEAD') {
    sendNews(response, reply, reply.news)
    return
  }
  const length = ['Content-Length', String(Buffer.byteLength(reply.body))]
  const isRead = response.req.complete || isBodyless(response.req.headers)
  if (reply.isLast || !isRead) response.shouldKeepAlive = false
  response.writeHead(reply.status, [...reply.headers, ...length])
  response.end(response.req.method === 'HEAD' ? '' : reply.body)
}

function sendNews(response: ClientResponse, { status, headers }: Reply, news: NonNullable<Reply['news']>): void {
  if (response.req.socket.destroyed) return
  const left = new AbortController()
  response.once('close', () => left.abort())
  response.writeHead(status, [...headers])
  // What fails on the way ends it, and its reader comes again.
  writeAll(response, news(left.signal), left.signal).catch(() => response.req.socket.destroy())
}

async function writeAll(response: ClientResponse, pieces: AsyncIterable<string>, left: AbortSignal): Promise<void> {
  for await (const piece of pieces) {
    if (left.aborted) return
    if (!response.write(piece)) await taken(response)
  }
  response.end()
}

/** By a client who reads, or has left. */
function taken(response: ClientResponse): Promise<void> {
  return new Promise((resolve) => {
    response.once('drain', resolve)
    response.once('close', resolve)
  })
}

function isBodyless(headers: {
  readonly 'content-length'?: string | undefined
  readonly 'transfer-encoding'?: string | undefined
}): boolean {
  return headers['transfer-encoding'] === undefined && (headers['content-length'] ?? '0') === '0'
}
