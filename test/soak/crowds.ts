/** The process of `crowd.ts`, and what it is asked for. */
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { asker, comesFromElsewhere, ended } from './child.ts'
import type { Handshake } from './sockets.ts'

export type CrowdOrder =
  /** So many handshakes at once; those that are answered with 101 stay. */
  | { readonly kind: 'storm'; readonly handshake: Handshake; readonly count: number }
  | { readonly kind: 'refused'; readonly handshake: Handshake; readonly count: number }
  /** So many connections whose header never ends, until they are told to leave. */
  | { readonly kind: 'slowloris'; readonly port: number; readonly count: number }
  /** So many connections that have had an answer to this, a request as text, and say nothing more until they are sent away. */
  | { readonly kind: 'idle'; readonly port: number; readonly request: string; readonly count: number }
  | { readonly kind: 'count' }
  | { readonly kind: 'leave' }

export interface CrowdAnswer {
  /** Statuses of handshakes or requests, and how often; `cut`: connections that the gateway has ended. */
  readonly statuses: Readonly<Record<string, number>>
  /** Milliseconds. */
  readonly took: number
  /** Connections that are open now. */
  readonly open: number
}

export interface Crowd extends AsyncDisposable {
  ask(order: CrowdOrder): Promise<CrowdAnswer>
}

export function openCrowd(): Crowd {
  const child = fork(fileURLToPath(new URL('./crowd.ts', import.meta.url)))
  comesFromElsewhere(child)
  const ask = asker(child)
  return {
    ask: (order) => ask<CrowdAnswer>(order),
    [Symbol.asyncDispose]: () => ended(child),
  }
}
