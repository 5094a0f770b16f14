/** A request that says no more than it is told to, as `curl` makes it: no fetch metadata, no origin, no cookies of its own. */
import http, { type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import https from 'node:https'
import type { Socket } from 'node:net'

export interface PlainRequest {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** Where to connect to, if not to the port of the URL: another replica. */
  readonly port?: number
  /** This machine when absent. */
  readonly address?: string
  /** PEM of the authorities that are trusted for `https:`. */
  readonly ca?: string
  /** What stands in the request line instead of the URL's path, byte by byte. */
  readonly target?: string
}

/** Its head is there, its body may go on for as long as it likes. */
export interface OpenAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly message: IncomingMessage
  readonly socket: Socket
}

export interface PlainAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export function openRequest(
  url: string | URL,
  { method = 'GET', headers = {}, body, port, address, ca, target: rawTarget }: PlainRequest = {},
): Promise<OpenAnswer> {
  const target = new URL(url)
  return new Promise((resolve, reject) => {
    const call = (target.protocol === 'https:' ? https : http).request({
      host: address ?? '127.0.0.1',
      ...(ca === undefined ? {} : { ca }),
      port: port ?? target.port,
      path: rawTarget ?? target.pathname + target.search,
      method,
      headers: { Host: target.host, ...headers },
      agent: false,
    })
    call.once('error', reject)
    call.once('response', (message) => {
      const { statusCode: status = 0, headers: answered, socket } = message
      resolve({ status, headers: answered, message, socket })
    })
    call.end(body)
  })
}

export async function plainRequest(url: string | URL, init: PlainRequest = {}): Promise<PlainAnswer> {
  const { status, headers, message } = await openRequest(url, init)
  const chunks: Buffer[] = []
  for await (const chunk of message) chunks.push(Buffer.from(chunk))
  return { status, headers, body: Buffer.concat(chunks).toString() }
}

/** A stream that goes on until somebody ends it, and what its client saw of that. */
export interface LiveAnswer extends Disposable {
  readonly status: number
  /** What has come so far. */
  text(): string
  /** The client's connection is over: `whole` when the answer came to its proper end. */
  readonly ended: Promise<{ readonly whole: boolean; readonly at: number }>
  isOpen(): boolean
}

export async function liveRequest(url: string | URL, init: PlainRequest = {}): Promise<LiveAnswer> {
  const { status, message, socket } = await openRequest(url, init)
  let text = ''
  let isOpen = true
  message.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1')
  })
  // 'close' follows.
  message.on('error', () => undefined)
  const ended = new Promise<{ whole: boolean; at: number }>((resolve) => {
    message.once('close', () => {
      isOpen = false
      resolve({ whole: message.complete, at: performance.now() })
    })
  })
  return { status, text: () => text, ended, isOpen: () => isOpen, [Symbol.dispose]: () => void socket.destroy() }
}
