/**
 * In front of the real API server, to break what a real network and a real server break when they like: latency, refusals, cut and hung
 * connections, watches that bring nothing. Passes a bearer token on; whoever has none speaks as the administrator.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, request as sendRequest } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { systemClock } from '#lib/clock.ts'
import { type ApiAccess, type ApiConnection, kubeconfigAccess } from '#resources/kubernetes/api-access.ts'
import { kubeconfigPath } from './cluster-api.ts'
import { ServerTime } from './server-time.ts'
import { createTestCa } from './test-ca.ts'

export interface SeenRequest {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly isWatch: boolean
  readonly token: string | undefined
  /** What the server answered; `undefined` until it has. */
  status: number | undefined
}

/** Only requests that it is true for. */
export type Which = (request: SeenRequest) => boolean

export interface FaultProxy extends AsyncDisposable {
  readonly port: number
  /** PEM file of the authority that it is to be believed by. */
  readonly caFile: string
  /** How a gateway reaches it. */
  readonly access: ApiAccess
  /** Past it, as the administrator. */
  readonly directAccess: ApiAccess
  readonly seen: readonly SeenRequest[]
  /** Of the server, as those behind the proxy see it. */
  readonly time: ServerTime
  /** Milliseconds before each request is sent on. */
  latency: number
  /** Answers instead of the server, until it is disposed. */
  refuse(status: number, options?: { readonly which?: Which; readonly retryAfter?: number }): Disposable
  /**
   * Watches are open and end as they should, and bring nothing. Those that have left something out by then are reset when it is disposed, since no server
   * goes on behind what it never sent.
   */
  mute(): Disposable
  /** Not a byte passes any more, in either direction, over what is open and what is opened. */
  blackHole(): Disposable
  /** Nobody listens, and what was open is reset. */
  outage(): Disposable
  /** Resets the connections of all open watches. How many there were. */
  cutWatches(): number
  /** Watches that are open now stay open, bring nothing and never end; later ones are as they should be. What was asked for by them. */
  hangWatches(): readonly SeenRequest[]
}

interface Exchange {
  readonly request: SeenRequest
  hangs: boolean
  /** It has left something out, and brings nothing any more. */
  isTorn: boolean
  readonly incoming: IncomingMessage
  stop(): void
}

interface Refusal {
  readonly status: number
  readonly which: Which
  readonly retryAfter: number | undefined
}

const answers: Readonly<Record<number, string>> = { 410: 'Expired', 429: 'TooManyRequests', 403: 'Forbidden' }

export async function faultProxy(): Promise<FaultProxy> {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-fault-proxy-'))
  const ca = createTestCa(folder)
  const { certFile, keyFile } = ca.issue(['127.0.0.1'])
  const server = createServer({ cert: readFileSync(certFile), key: readFileSync(keyFile) })
  const directAccess = kubeconfigAccess({ file: kubeconfigPath(), clock: systemClock })
  const target = await directAccess.current()
  const seen: SeenRequest[] = []
  const refusals = new Set<Refusal>()
  const time = new ServerTime()
  const exchanges = new Set<Exchange>()
  const sockets = new Set<Socket>()
  const faults = { latency: 0, isMute: false, isBlackHole: false, isOut: false }

  const carry = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    const request = describe(incoming)
    seen.push(request)
    if (faults.latency > 0) await delay(faults.latency)
    if (faults.isBlackHole) return
    const refusal = [...refusals].find(({ which }) => which(request))
    if (refusal) return refuse(outgoing, refusal)
    forward(incoming, outgoing, request)
  }
  /** Where something was left out nothing follows. */
  const isPassing = (exchange: Exchange): boolean => {
    if (faults.isBlackHole) exchange.hangs = true
    if (faults.isMute && exchange.request.isWatch) exchange.isTorn = true
    return !exchange.hangs && !exchange.isTorn
  }
  const forward = (incoming: IncomingMessage, outgoing: ServerResponse, request: SeenRequest) => {
    const { token } = request
    const { cert, key, ...rest } = target.tls
    const identity = token === undefined ? { cert, key } : {}
    const headers = { ...incoming.headers, host: new URL(target.origin).host }
    const options = { ...rest, ...identity, method: incoming.method, headers }
    const far = sendRequest(target.origin + target.prefix + incoming.url, options)
    const exchange: Exchange = { request, hangs: false, isTorn: false, incoming, stop: () => far.destroy() }
    exchanges.add(exchange)
    outgoing.once('close', () => {
      exchanges.delete(exchange)
      far.destroy()
    })
    far.on('error', () => outgoing.destroy())
    far.on('response', (answer) => {
      request.status = answer.statusCode
      outgoing.writeHead(answer.statusCode ?? 502, { ...answer.headers, ...time.date(answer.headers.date) })
      outgoing.flushHeaders()
      answer.on('error', () => outgoing.destroy())
      const body = time.rewriter()
      answer.on('data', (chunk: Buffer) => {
        if (isPassing(exchange)) outgoing.write(body.take(chunk))
      })
      answer.on('end', () => faults.isBlackHole || exchange.hangs || outgoing.end(body.rest()))
    })
    incoming.pipe(far)
  }
  server.on('request', (incoming, outgoing) => void carry(incoming, outgoing).catch(() => outgoing.destroy()))
  server.on('connection', (socket: Socket) => {
    if (faults.isOut) socket.resetAndDestroy()
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.once('close', () => sockets.delete(socket))
  })
  // A connection that is reset in the middle of its handshake.
  server.on('tlsClientError', () => undefined)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo // It listens on TCP.

  const during = (flag: 'isMute' | 'isBlackHole' | 'isOut'): Disposable => {
    faults[flag] = true
    return {
      [Symbol.dispose]: () => {
        faults[flag] = false
      },
    }
  }
  const closeAll = () => {
    for (const { stop } of exchanges) stop()
    for (const socket of sockets) socket.destroy()
  }
  return {
    ...{ port, caFile: ca.caFile, directAccess, seen, time },
    access: fixedAccess({
      origin: `https://127.0.0.1:${port}`,
      prefix: '',
      tls: { ca: readFileSync(ca.caFile, 'utf8') },
      headers: () => ({}),
    }),
    get latency() {
      return faults.latency
    },
    set latency(milliseconds) {
      faults.latency = milliseconds
    },
    refuse(status, { which = () => true, retryAfter } = {}) {
      const refusal = { status, which, retryAfter }
      refusals.add(refusal)
      return { [Symbol.dispose]: () => void refusals.delete(refusal) }
    },
    mute() {
      const muting = during('isMute')
      return {
        [Symbol.dispose]: () => {
          muting[Symbol.dispose]()
          for (const { isTorn, incoming } of exchanges) if (isTorn) incoming.socket.destroy()
        },
      }
    },
    blackHole: () => during('isBlackHole'),
    outage() {
      const ending = during('isOut')
      closeAll()
      return ending
    },
    cutWatches() {
      const watches = [...exchanges].filter(({ request }) => request.isWatch)
      for (const { incoming } of watches) incoming.socket.destroy()
      return watches.length
    },
    hangWatches() {
      const watches = [...exchanges].filter(({ request }) => request.isWatch)
      for (const watch of watches) watch.hangs = true
      return watches.map(({ request }) => request)
    },
    async [Symbol.asyncDispose]() {
      closeAll()
      await new Promise((resolve) => server.close(resolve))
      rmSync(folder, { recursive: true })
    },
  }
}

function describe(incoming: IncomingMessage): SeenRequest {
  const url = new URL(incoming.url ?? '/', 'https://api')
  const token = incoming.headers.authorization?.replace(/^Bearer /, '')
  const isWatch = url.searchParams.get('watch') === 'true'
  const { method = '' } = incoming
  return { method, path: url.pathname, query: url.searchParams, isWatch, token, status: undefined }
}

/** As the API server writes a `Status`. */
function refuse(outgoing: ServerResponse, { status, retryAfter }: Refusal): void {
  const reason = answers[status] ?? 'InternalError'
  const wait = retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) }
  outgoing.writeHead(status, { 'content-type': 'application/json', ...wait })
  outgoing.end(
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Status',
      status: 'Failure',
      reason,
      message: 'a fault of a test',
      code: status,
    }),
  )
}

function fixedAccess(connection: ApiConnection): ApiAccess {
  return { current: async () => connection, renew: () => undefined }
}
