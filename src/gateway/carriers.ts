/** Carries an admitted request out: hands it to the proxy with what the upstream is told, and writes down what was live. */
import type { Duplex } from 'node:stream'
import type { SocketActivity } from '#activity/socket-activity.ts'
import type { GatewayError } from '#errors.ts'
import { RequestHeads } from '#http/end-to-end.ts'
import type { ClientResponse } from '#http/messages.ts'
import { type OwnFields, ownFields } from '#http/own-fields.ts'
import { ResponseHeads } from '#http/response-fields.ts'
import type { Assertions } from '#identity/assertion.ts'
import type { Clock } from '#lib/clock.ts'
import type { Audit, StreamKind } from '#observe/audit.ts'
import type { Duration, Metrics, StreamEnd } from '#observe/metrics.ts'
import { forwardRequest } from '#proxy/forward.ts'
import { Outbox } from '#proxy/outbox.ts'
import type { ForwardParts, Outcome } from '#proxy/passage.ts'
import { rawAnswer } from '#proxy/raw-answer.ts'
import type { BodyLimits } from '#proxy/stall.ts'
import { forwardUpgrade } from '#proxy/upgrade.ts'
import type { UpstreamClient } from '#proxy/upstream-client.ts'
import { refKey } from '#surface/workspace-ref.ts'
import { sayGrant } from '#workspace/access.ts'
import { Carried, type Carrier } from './carried.ts'
import { upstreamTarget } from './forwarding.ts'
import type { Pass } from './passes.ts'
import type { Reply } from './reply.ts'
import type { Sightings } from './sightings.ts'
import type { Turnstile } from './turnstile.ts'
import type { Visit } from './visit.ts'
import { actorOf } from './witness.ts'

export interface CarriersParts {
  readonly client: UpstreamClient
  readonly isOwnCookie: (name: string) => boolean
  readonly assertions: Assertions
  readonly audit: Audit
  readonly metrics: Metrics
  readonly turnstile: Pick<Turnstile, 'open'>
  readonly clock: Clock
  readonly bodies: BodyLimits
  /** A connection to this port could not be made: it may have gone. */
  readonly suspect: (pass: Pass, fault: GatewayError) => void
  /** Absent: nobody wants to know who is working. */
  readonly sightings?: Sightings
}

type Fail = (fault: GatewayError) => void

export class Carriers implements Carrier {
  readonly sightings: Sightings | undefined
  readonly #parts: CarriersParts
  /** Made once, as is all that requests have in common. */
  readonly #forwarding: ForwardParts
  /** Resolved once: every request is timed. */
  readonly #answerTimes: { readonly plain: Duration; readonly upgrade: Duration }

  constructor(parts: CarriersParts) {
    this.#parts = parts
    this.sightings = parts.sightings
    const { client, clock, bodies, isOwnCookie, metrics } = parts
    this.#answerTimes = { plain: metrics.answerTime('workspace'), upgrade: metrics.answerTime('upgrade') }
    const heads = { requestHeads: new RequestHeads(isOwnCookie), responseHeads: new ResponseHeads() }
    this.#forwarding = { client, clock, bodies, ...heads, outbox: new Outbox() }
  }

  forward(visit: Visit, pass: Pass, response: ClientResponse, fail: Fail): void {
    const { clock, turnstile } = this.#parts
    const own = this.#ownFields(visit, pass)
    const open = turnstile.open(pass.session.identity.username)
    const { plain: answerTime } = this.#answerTimes
    const handedOver = clock.now()
    const carried = new Carried({ visit, pass, response, own, answerTime, carrier: this, open, handedOver, fail })
    forwardRequest(this.#forwarding, carried)
  }

  upgrade(visit: Visit, pass: Pass, socket: Duplex, head: Buffer, fail: Fail): void {
    const { clock, turnstile } = this.#parts
    const own = this.#ownFields(visit, pass)
    const open = turnstile.open(pass.session.identity.username)
    const handedOver = clock.now()
    let watched: SocketActivity | undefined
    forwardUpgrade(this.#forwarding, {
      ...{ request: visit.request, socket, head, own },
      ...{ upstream: pass.upstream, policy: pass.policy, group: pass.group },
      target: upstreamTarget(pass.port, visit.place),
      isAuthorizationOurs: visit.isBearer,
      began: visit.began,
      answerTime: this.#answerTimes.upgrade,
      onSwitched: () => this.streamOpened(visit, pass, 'websocket'),
      observerOf: (headers) => {
        watched = this.sightings?.opened(visit, pass, headers)
        return watched
      },
      onFailure: (fault) => {
        open.leave()
        this.failed(pass, fault)
        fail(fault)
      },
      onDone: (outcome) => {
        open.leave()
        if (watched) this.sightings?.closed(watched)
        if (outcome.status === 101) this.streamClosed(visit, pass, 'websocket', handedOver, outcome)
      },
    })
  }

  refuseUpgrade(socket: Duplex, reply: Reply): void {
    rawAnswer(socket, reply)
  }

  failed(pass: Pass, fault: GatewayError): void {
    if (fault.code === 'upstream_unreachable') this.#parts.suspect(pass, fault)
  }

  /** The same text for as long as the assertion is, and whoever uses the pass comes from one address. */
  #ownFields({ client }: Visit, pass: Pass): OwnFields {
    const { entry, port, session, told } = pass
    const { assertions } = this.#parts
    if (told?.client === client && assertions.isCurrent(told.assertion, session)) return told.own
    const audience = { workspaceKey: refKey(entry.ref), workspaceUid: entry.uid, port: port.port }
    const assertion = assertions.assertionFor(session, audience)
    const own = ownFields(['X-Forwarded-For', client, 'X-Gatehouse-Assertion', assertion.token, ...pass.fixedHeaders])
    pass.told = { assertion, client, own }
    return own
  }

  streamOpened(visit: Visit, pass: Pass, kind: StreamKind): void {
    this.#parts.metrics.streamsOpened(kind).add()
    this.#parts.audit.record({ event: 'stream-opened', ...about(visit, pass), kind })
  }

  streamClosed(visit: Visit, pass: Pass, kind: StreamKind, began: number, outcome: Outcome): void {
    const { metrics, audit, clock } = this.#parts
    const { bytesIn, bytesOut, cut } = outcome
    metrics.streamsClosed(kind, endOf(cut, pass)).add()
    metrics.streamBytes(kind, 'in').add(bytesIn)
    metrics.streamBytes(kind, 'out').add(bytesOut)
    const duration = clock.now() - began
    audit.record({
      event: 'stream-closed',
      ...about(visit, pass),
      kind,
      reason: cut ?? 'closed',
      duration,
      bytesIn,
      bytesOut,
    })
  }
}

function endOf(cut: Outcome['cut'], pass: Pass): StreamEnd {
  if (cut !== 'ended') return cut ?? 'client'
  switch (pass.group.endedBy?.code) {
    case 1001:
      return 'workspace-stopped'
    case 1012:
      return 'drained'
    case 1008:
    case 1011:
    case undefined:
      return 'revoked'
  }
}

/** Who has which port of which workspace open, for the audit trail. */
export function about(visit: Visit, pass: Pass) {
  return {
    ...actorOf(visit, pass.session),
    workspace: refKey(pass.entry.ref),
    port: pass.port.port,
    grant: sayGrant(pass.grant),
  }
}
