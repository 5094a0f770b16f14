/** Where bytes go. The proxy knows this and nothing of workspaces. */
import type { OnReadOpts } from 'node:net'
import type { Duplex } from 'node:stream'
import type { GatewayError } from '#errors.ts'
import { type HoldWish, StreamGone } from '#resume/hold.ts'

export interface Upstream {
  /** Connections are shared between requests of one key only: an instance and one of its ports. */
  readonly key: string
  /**
   * Opens a fresh connection. Throws `GatewayError('upstream_unreachable')`. Aborted: the connection is torn down. `reading`: what its bytes are
   * read into, where it is a socket; they come as 'data' otherwise. `hold`: of a tunnel that is to outlive its connection, which an agent alone can do.
   */
  dial(signal: AbortSignal, reading?: OnReadOpts, hold?: HoldWish): Promise<Duplex>
}

/** Errors of connecting alone: the port has no listener, the socket's file is not there, what leads there is away. */
const shut: ReadonlySet<unknown> = new Set(['ECONNREFUSED', 'ENOENT', 'ENOLINK'])

/** Is nobody there who would lead to it? */
export function isAway({ cause }: GatewayError): boolean {
  return cause instanceof Error && 'code' in cause && cause.code === 'ENOLINK'
}

/** Is it a stream that was to be taken up again, and is not held any more? */
export function isGone({ cause }: GatewayError): boolean {
  return cause instanceof StreamGone
}

/** Does nobody listen there? Then nothing was sent to anybody, and waiting helps if the app comes back. */
export function isShut({ cause }: GatewayError): boolean {
  return cause instanceof Error && 'code' in cause && shut.has(cause.code)
}
