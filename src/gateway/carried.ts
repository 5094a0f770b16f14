/**
 * One plain request that is being carried: what the proxy is told of it, and what it tells afterwards. An object with methods and no closures,
 * because every request makes one.
 */
import type { GatewayError } from '#errors.ts'
import type { ClientRequest, ClientResponse } from '#http/messages.ts'
import type { OwnFields } from '#http/own-fields.ts'
import type { RequestMemory } from '#http/request-memory.ts'
import type { ResponsePolicy } from '#http/response-fields.ts'
import type { Timestamp } from '#lib/clock.ts'
import type { Counted } from '#lib/tallies.ts'
import type { StreamGroup } from '#live/streams.ts'
import type { StreamKind } from '#observe/audit.ts'
import type { Duration } from '#observe/metrics.ts'
import type { Lasting } from '#proxy/lasting.ts'
import type { Exchange, Outcome } from '#proxy/passage.ts'
import type { Upstream } from '#proxy/upstream.ts'
import { upstreamTarget } from './forwarding.ts'
import type { Pass } from './passes.ts'
import type { Presence, Sightings } from './sightings.ts'
import type { Visit } from './visit.ts'

/** Who carries it, and writes down what becomes of it. */
export interface Carrier {
  streamOpened(visit: Visit, pass: Pass, kind: StreamKind): void
  streamClosed(visit: Visit, pass: Pass, kind: StreamKind, began: Timestamp, outcome: Outcome): void
  failed(pass: Pass, fault: GatewayError): void
  /** Absent: nobody wants to know who is working. */
  readonly sightings: Sightings | undefined
}

export interface CarriedParts {
  readonly visit: Visit
  readonly pass: Pass
  readonly response: ClientResponse
  readonly own: OwnFields
  readonly answerTime: Duration
  readonly carrier: Carrier
  /** Among what its identity has open. */
  readonly open: Counted
  /** When it was handed to the proxy. */
  readonly handedOver: Timestamp
  /** Answers in the upstream's place. */
  readonly fail: (fault: GatewayError) => void
}

export class Carried implements Exchange {
  readonly request: ClientRequest
  readonly response: ClientResponse
  readonly memory: RequestMemory | undefined
  readonly upstream: Upstream
  readonly target: string
  readonly own: OwnFields
  readonly isAuthorizationOurs: boolean
  readonly policy: ResponsePolicy
  readonly group: StreamGroup
  readonly began: Timestamp
  readonly answerTime: Duration
  readonly expectsContinue: boolean
  readonly #parts: CarriedParts
  /** Set once it turned out to be one. */
  #stream: StreamKind | undefined
  /** Of a stream of events. */
  #presence: Presence | undefined

  constructor(parts: CarriedParts) {
    const { visit, pass } = parts
    this.request = visit.request
    this.response = parts.response
    this.memory = visit.memory
    this.upstream = pass.upstream
    this.target = upstreamTarget(pass.port, visit.place)
    this.own = parts.own
    this.isAuthorizationOurs = visit.isBearer
    this.policy = pass.policy
    this.group = pass.group
    this.began = visit.began
    this.answerTime = parts.answerTime
    this.expectsContinue = visit.expectsContinue
    this.#parts = parts
  }

  onLasting(lasting: Lasting): void {
    const { carrier, visit, pass } = this.#parts
    this.#stream = lasting === 'events' ? 'event-stream' : 'http'
    carrier.streamOpened(visit, pass, this.#stream)
    if (lasting === 'events') this.#presence = carrier.sightings?.entered(pass)
  }

  onWaiting(): void {
    const { carrier, visit, pass } = this.#parts
    carrier.sightings?.waiting(visit, pass)
  }

  onMoved(direction: 'upload' | 'download', bytes: number): void {
    const { carrier, pass } = this.#parts
    carrier.sightings?.moved(pass, direction, bytes)
  }

  onFailure(fault: GatewayError): void {
    const { carrier, open, pass, fail } = this.#parts
    open.leave()
    carrier.failed(pass, fault)
    fail(fault)
  }

  onDone(outcome: Outcome): void {
    const { carrier, open, visit, pass, handedOver } = this.#parts
    open.leave()
    carrier.sightings?.answered(visit, pass, outcome.status)
    this.#presence?.end()
    if (this.#stream !== undefined) carrier.streamClosed(visit, pass, this.#stream, handedOver, outcome)
  }
}
