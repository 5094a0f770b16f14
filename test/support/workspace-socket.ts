/**
 * A WebSocket as a browser's page opens it, to a workspace: cookies of a scripted browser, `Origin` of the workspace's own page,
 * names resolved to this machine. What ended it is what the client saw.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { connect, type LookupFunction } from 'node:net'
import { type ClientOptions, WebSocket } from 'ws'
import type { ScriptedBrowser } from './browser-session.ts'

export interface SocketOptions {
  readonly protocols?: readonly string[]
  /** Beside the cookie and the origin, or instead of them. */
  readonly headers?: Readonly<Record<string, string>>
  readonly ws?: ClientOptions
  /** How its name is resolved; to this machine when absent. */
  readonly lookup?: LookupFunction
  /** Where to connect to, if not to the port of the URL: another replica. */
  readonly port?: number
}

export interface Closed {
  /** 1006: it ended without a close frame. */
  readonly code: number
  readonly reason: string
  /** By `performance.now()`. */
  readonly at: number
}

export interface WorkspaceSocket extends Disposable {
  readonly ws: WebSocket
  readonly closed: Promise<Closed>
  isOpen(): boolean
  /** Sends it, and resolves to the next message. */
  ask(data: string | Buffer): Promise<Buffer>
}

export interface Refused {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export type SocketAnswer =
  | { readonly kind: 'open'; readonly socket: WorkspaceSocket }
  | { readonly kind: 'refused'; readonly answer: Refused }

/** Throws when it is refused. `url` is an `http:` one, as pages have it. */
export async function openSocket(
  browser: ScriptedBrowser | undefined,
  url: string | URL,
  options: SocketOptions = {},
): Promise<WorkspaceSocket> {
  const answer = await trySocket(browser, url, options)
  if (answer.kind === 'open') return answer.socket
  throw new Error(`refused with ${answer.answer.status}: ${answer.answer.body}`)
}

/** What the handshake was answered with where it was refused. */
export async function refusedSocket(
  browser: ScriptedBrowser | undefined,
  url: string | URL,
  options: SocketOptions = {},
): Promise<Refused> {
  const answer = await trySocket(browser, url, options)
  if (answer.kind === 'refused') return answer.answer
  answer.socket[Symbol.dispose]()
  throw new Error('the socket was opened')
}

export function trySocket(
  browser: ScriptedBrowser | undefined,
  url: string | URL,
  options: SocketOptions = {},
): Promise<SocketAnswer> {
  const target = new URL(url)
  const cookie = browser?.cookies.header({ url: target, isSameSite: true, isSafeNavigation: false })
  const ws = new WebSocket(target.href.replace(/^http/, 'ws'), [...(options.protocols ?? [])], {
    perMessageDeflate: false,
    lookup: options.lookup ?? thisMachine,
    ...elsewhere(options.port),
    ...options.ws,
    headers: { Origin: target.origin, ...(cookie === undefined ? {} : { Cookie: cookie }), ...options.headers },
  })
  const closed = new Promise<Closed>((resolve) => {
    ws.once('close', (code, reason) => resolve({ code, reason: reason.toString(), at: performance.now() }))
  })
  return new Promise((resolve, reject) => {
    // Stays on: a reset after the handshake is told by its close code.
    ws.on('error', reject)
    ws.once('open', () => resolve({ kind: 'open', socket: workspaceSocket(ws, closed) }))
    ws.once('unexpected-response', (_request, response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.once('error', reject)
      response.once('end', () => {
        const { statusCode: status = 0, headers } = response
        resolve({ kind: 'refused', answer: { status, headers, body: Buffer.concat(chunks).toString() } })
      })
    })
  })
}

/** `ws` takes the port from the URL, whatever its options say. */
function elsewhere(port: number | undefined): ClientOptions {
  return port === undefined ? {} : { createConnection: () => connect({ port, host: '127.0.0.1' }) }
}

function workspaceSocket(ws: WebSocket, closed: Promise<Closed>): WorkspaceSocket {
  return {
    ws,
    closed,
    isOpen: () => ws.readyState === WebSocket.OPEN,
    ask: (data) =>
      new Promise((resolve, reject) => {
        const fail = (code: number) => reject(new Error(`closed with ${code} before an answer came`))
        ws.once('close', fail)
        ws.once('message', (message) => {
          ws.off('close', fail)
          resolve(bytesOf(message))
        })
        ws.send(data)
      }),
    [Symbol.dispose]: () => ws.terminate(),
  }
}

function bytesOf(message: Buffer | ArrayBuffer | Buffer[]): Buffer {
  if (Array.isArray(message)) return Buffer.concat(message)
  return Buffer.isBuffer(message) ? message : Buffer.from(message)
}

/** Every name is this machine, so that no test can leave it. */
const thisMachine: LookupFunction = (_hostname, options, callback) => {
  if (options.all) callback(null, [{ address: '127.0.0.1', family: 4 }])
  else callback(null, '127.0.0.1', 4)
}
