/** How the provider gets its logout tokens to the programs that log people in with it. */
import { type IncomingMessage, request } from 'node:http'
import type { LookupFunction } from 'node:net'
import type { Duplex } from 'node:stream'
import { Agent, fetch, Headers, type RequestInit, Response } from 'undici'

/**
 * `network`: by their addresses; `lookup` resolves their names, and `ca` is the PEM of the authorities that their certificates are checked
 * with, the system's when `undefined`. `here`: there is one alone, in this same process; HTTP is spoken over a stream to it, so that no name,
 * no certificate and no balancer can come between the two.
 */
export type Reach =
  | { readonly kind: 'network'; readonly lookup: LookupFunction; readonly ca: string | undefined }
  | { readonly kind: 'here'; connect(): Duplex }

export interface OpenReach {
  fetch(url: string, init: RequestInit): Promise<Response>
  close(): Promise<void>
}

export function openReach(reach: Reach): OpenReach {
  if (reach.kind === 'here') {
    return { fetch: (url, init) => send(new URL(url), init, reach.connect()), close: async () => undefined }
  }
  const { lookup, ca } = reach
  const dispatcher = new Agent({ connect: { lookup, ...(ca === undefined ? {} : { ca }) } })
  return { fetch: (url, init) => fetch(url, { ...init, dispatcher }), close: () => dispatcher.destroy() }
}

/** One exchange on a connection of its own. Only the status of the answer is of interest to the provider. */
async function send(url: URL, init: RequestInit, stream: Duplex): Promise<Response> {
  const { body, headers, method = 'GET', signal } = init
  try {
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const call = request({
        method,
        path: url.pathname + url.search,
        headers: { ...Object.fromEntries(new Headers(headers)), host: url.host, connection: 'close' },
        createConnection: () => stream,
        ...(signal ? { signal } : {}),
      })
      call.once('error', reject)
      call.once('response', resolve)
      call.end(body === undefined || body === null ? undefined : String(body))
    })
    answer.resume()
    return new Response(null, { status: answer.statusCode ?? 502 })
  } finally {
    stream.destroy()
  }
}
