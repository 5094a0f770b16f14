/** Where bytes go. The proxy knows this and nothing of workspaces. */
import type { Duplex } from 'node:stream'

export interface Upstream {
  /** Connections are shared between requests of one key only: an instance and one of its ports. */
  readonly key: string
  /** Opens a fresh connection. Throws `GatewayError('upstream_unreachable')`. Aborted: the connection is torn down. */
  dial(signal: AbortSignal): Promise<Duplex>
}
