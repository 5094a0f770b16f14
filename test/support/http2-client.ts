/** HTTP/2 by Node's own client: several requests on one connection, each answer with all that was said. */
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type SecureClientSessionOptions,
} from 'node:http2'

export interface Http2Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
  readonly trailers: IncomingHttpHeaders
  /** Interim answers before it. */
  readonly interim: readonly IncomingHttpHeaders[]
}

export interface Http2Client extends Disposable {
  readonly session: ClientHttp2Session
  /** Throws where the stream is reset, with its code. */
  ask(fields: OutgoingHttpHeaders, body?: string | Buffer): Promise<Http2Answer>
  /** Its errors are nobody's. `hasBody`: it is still to be written. */
  open(fields: OutgoingHttpHeaders, hasBody?: boolean): ClientHttp2Stream
}

export class StreamReset extends Error {
  readonly code: number

  constructor(code: number) {
    super(`the stream was reset with ${code}`)
    this.code = code
  }
}

/** `origin`: where to connect, whatever host is asked for. */
export async function openHttp2Client(origin: string, options: SecureClientSessionOptions = {}): Promise<Http2Client> {
  const session = connect(origin, options)
  session.on('error', () => undefined)
  await new Promise((resolve, reject) => {
    session.once('connect', resolve)
    session.once('error', reject)
  })
  const open: Http2Client['open'] = (fields, hasBody = false) => {
    const stream = session.request(fields, { endStream: !hasBody })
    stream.on('error', () => undefined).on('response', () => undefined)
    return stream
  }
  return {
    session,
    open,
    ask: (fields, body) => answerTo(open(fields, body !== undefined), body),
    [Symbol.dispose]: () => session.destroy(),
  }
}

export function answerTo(stream: ClientHttp2Stream, body?: string | Buffer): Promise<Http2Answer> {
  return new Promise((resolve, reject) => {
    let headers: IncomingHttpHeaders = {}
    let trailers: IncomingHttpHeaders = {}
    const interim: IncomingHttpHeaders[] = []
    const pieces: Buffer[] = []
    stream.on('headers', (fields) => interim.push(fields))
    stream.on('response', (fields) => {
      headers = fields
    })
    stream.on('trailers', (fields) => {
      trailers = fields
    })
    stream.on('data', (piece: Buffer) => pieces.push(piece))
    stream.on('close', () => {
      const status = Number(headers[':status'])
      if (stream.rstCode !== constants.NGHTTP2_NO_ERROR || !(status > 0)) reject(new StreamReset(stream.rstCode ?? -1))
      else resolve({ status, headers, body: Buffer.concat(pieces).toString('latin1'), trailers, interim })
    })
    if (body !== undefined) stream.end(body)
  })
}
