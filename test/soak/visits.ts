/** Plain requests of somebody who is logged in, over connections that are kept. */
import { Agent, request } from 'node:http'
import type { Visiting } from './orders.ts'

export interface Visit {
  readonly status: number
  readonly bytes: number
  /** Milliseconds until the last byte. */
  readonly took: number
}

export interface Visitor extends Disposable {
  /** Rejects when the connection breaks before the end. */
  ask(path: string, options?: { readonly method?: string; readonly body?: Buffer }): Promise<Visit>
}

export function visitor(port: number, { host, cookie }: Visiting, connections = 6): Visitor {
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  return {
    ask: (path, { method = 'GET', body } = {}) =>
      new Promise((resolve, reject) => {
        const began = performance.now()
        const headers = { Host: host, Cookie: cookie, Origin: `http://${host}` }
        const call = request({ port, host: '127.0.0.1', path, method, headers, agent }, (answer) => {
          let bytes = 0
          answer.on('data', (piece: Buffer) => {
            bytes += piece.length
          })
          answer.once('end', () => resolve({ status: answer.statusCode ?? 0, bytes, took: performance.now() - began }))
          answer.once('error', reject)
        })
        call.once('error', reject)
        call.end(body)
      }),
    [Symbol.dispose]: () => agent.destroy(),
  }
}
