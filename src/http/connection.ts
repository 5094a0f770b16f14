/** What is known of a client's connection itself, apart from anything a request on it claims. */
import type { RequestMemory } from './request-memory.ts'

export interface Connection {
  /** Who connected, as `canonicalAddress` writes it: the TCP peer, or the source in a PROXY header of a trusted balancer. */
  readonly peer: string
  /** The TCP port of ours that it came to. Not the port browsers use, which is a setting. */
  readonly localPort: number
  /** Is it TLS up to here? Not the scheme browsers use, which is a setting. */
  readonly isEncrypted: boolean
  /** What was asked on it last; without one, each request is read afresh. */
  readonly memory?: RequestMemory
  /** There are too many of its peer's address: whatever it asks for first is refused, and it ends with that. */
  readonly isCrowded?: true
}
