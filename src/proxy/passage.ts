/** What the proxy is given of one request that it carries, and what it tells of it afterwards. */
import type { GatewayError } from '#errors.ts'
import type { RequestHeads } from '#http/end-to-end.ts'
import type { ClientRequest, ClientResponse } from '#http/messages.ts'
import type { OwnFields } from '#http/own-fields.ts'
import type { RequestMemory } from '#http/request-memory.ts'
import type { ResponseHeads, ResponsePolicy } from '#http/response-fields.ts'
import type { Clock, Timestamp } from '#lib/clock.ts'
import type { StreamGroup } from '#live/streams.ts'
import type { Duration } from '#observe/metrics.ts'
import type { Lasting, longestPlain } from './lasting.ts'
import type { Outbox } from './outbox.ts'
import type { BodyLimits } from './stall.ts'
import type { Upstream } from './upstream.ts'
import type { UpstreamClient } from './upstream-client.ts'

/** What the proxy knows of any request it carries, plain or upgrade. */
export interface Passage {
  readonly request: ClientRequest
  readonly upstream: Upstream
  /** The request target that the upstream sees, raw. */
  readonly target: string
  /** What only the gateway says: forwarded headers, identity, assertion. */
  readonly own: OwnFields
  /** Is the Authorization field one of Gatehouse's own? */
  readonly isAuthorizationOurs: boolean
  readonly policy: ResponsePolicy
  /** The answer is live in it, and is ended with it. */
  readonly group: StreamGroup
  /** When the request's head was here. */
  readonly began: Timestamp
  /** Is told how long the answer's head took from then on; one that comes before the answer proper does not count. */
  readonly answerTime: Duration
  /** Nothing was answered, and the caller still can. The last call of this passage. */
  onFailure(error: GatewayError): void
  /** The answer is over, whole or not. The last call of this passage. */
  onDone(outcome: Outcome): void
}

export interface Outcome {
  readonly status: number
  /** Of bodies, or of what followed an upgrade: from the client, and to it. */
  readonly bytesIn: number
  readonly bytesOut: number
  /** Why it is less than the whole. */
  readonly cut: 'client' | 'upstream' | 'ended' | undefined
}

export interface Exchange extends Passage {
  readonly response: ClientResponse
  /** Of the request's connection. */
  readonly memory?: RequestMemory | undefined
  /** Came as `checkContinue`: the client waits for `100 Continue`, and Node has not sent it. */
  readonly expectsContinue: boolean
  /** The answer has begun, and turned out to be a stream. Called at most once, before {@link Passage.onDone}. */
  onLasting(lasting: Lasting): void
  /** Nothing was answered for {@link longestPlain} and more, and it is still waited for. Called now and then. */
  onWaiting?(): void
  /** A body that is under way for some time has moved on by so many bytes. Not of events. */
  onMoved?(direction: 'upload' | 'download', bytes: number): void
}

export interface ForwardParts {
  readonly client: UpstreamClient
  readonly requestHeads: RequestHeads
  readonly responseHeads: ResponseHeads
  readonly clock: Clock
  readonly bodies: BodyLimits
  /** For answers that are short and whole. */
  readonly outbox: Outbox
}
