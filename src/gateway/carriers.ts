/** Carries an admitted request out: hands it to the proxy with what the upstream is told, and writes down what was live. */
import type { Duplex } from 'node:stream'
import type { GatewayError } from '#errors.ts'
import { RequestHeads } from '#http/end-to-end.ts'
import type { ClientResponse } from '#http/messages.ts'
import { ResponseHeads } from '#http/response-fields.ts'
import type { Assertions } from '#identity/assertion.ts'
import type { Clock } from '#lib/clock.ts'
import type { Audit, StreamKind } from '#observe/audit.ts'
import type { Duration, Metrics, StreamEnd } from '#observe/metrics.ts'
import { forwardRequest } from '#proxy/forward.ts'
import type { Lasting } from '#proxy/lasting.ts'
import type { Outcome, Passage } from '#proxy/passage.ts'
import { rawAnswer } from '#proxy/raw-answer.ts'
import type { BodyLimits } from '#proxy/stall.ts'
import { forwardUpgrade } from '#proxy/upgrade.ts'
import type { UpstreamClient } from '#proxy/upstream-client.ts'
import { refKey } from '#surface/workspace-ref.ts'
import { sayGrant } from '#workspace/access.ts'
import { upstreamTarget } from './forwarding.ts'
import type { Pass } from './passes.ts'
import type { Reply } from './reply.ts'
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
}

type Fail = (fault: GatewayError) => void

export class Carriers {
  readonly #parts: CarriersParts
  readonly #heads: { readonly requestHeads: RequestHeads; readonly responseHeads: ResponseHeads }
  /** Resolved once: every request is timed. */
  readonly #answerTimes: { readonly plain: Duration; readonly upgrade: Duration }

  constructor(parts: CarriersParts) {
    this.#parts = parts
    const { metrics } = parts
    this.#answerTimes = { plain: metrics.answerTime('workspace'), upgrade: metrics.answerTime('upgrade') }
    this.#heads = { requestHeads: new RequestHeads(parts.isOwnCookie), responseHeads: new ResponseHeads() }
  }

  forward(visit: Visit, pass: Pass, response: ClientResponse, fail: Fail): void {
    const began = this.#parts.clock.now()
    let stream: StreamKind | undefined
    const onLasting = (lasting: Lasting) => {
      stream = lasting === 'events' ? 'event-stream' : 'http'
      this.#streamOpened(visit, pass, stream)
    }
    const onDone = (outcome: Outcome) => {
      if (stream !== undefined) this.#streamClosed(visit, pass, stream, began, outcome)
    }
    const passage = this.#passage(visit, pass, fail, onDone)
    const { expectsContinue } = visit
    forwardRequest({ ...this.#parts, ...this.#heads }, { ...passage, response, expectsContinue, onLasting })
  }

  upgrade(visit: Visit, pass: Pass, socket: Duplex, head: Buffer, fail: Fail): void {
    const began = this.#parts.clock.now()
    const onDone = (outcome: Outcome) => {
      if (outcome.status === 101) this.#streamClosed(visit, pass, 'websocket', began, outcome)
    }
    const passage = this.#passage(visit, pass, fail, onDone)
    const onSwitched = () => this.#streamOpened(visit, pass, 'websocket')
    forwardUpgrade({ ...this.#parts, ...this.#heads }, { ...passage, socket, head, onSwitched })
  }

  refuseUpgrade(socket: Duplex, reply: Reply): void {
    rawAnswer(socket, reply)
  }

  #passage(visit: Visit, pass: Pass, fail: Fail, onDone: (outcome: Outcome) => void): Passage {
    const { assertions, turnstile } = this.#parts
    const { entry, port, session } = pass
    const open = turnstile.open(session.identity.username)
    const audience = { workspaceKey: refKey(entry.ref), workspaceUid: entry.uid, port: port.port }
    const assertion = assertions.headerFor(session, audience)
    return {
      request: visit.request,
      upstream: pass.upstream,
      target: upstreamTarget(port, visit.place),
      added: ['X-Forwarded-For', visit.client, 'X-Gatehouse-Assertion', assertion, ...pass.fixedHeaders],
      isAuthorizationOurs: visit.isBearer,
      policy: pass.policy,
      group: pass.group,
      began: visit.began,
      answerTime: visit.isUpgrade ? this.#answerTimes.upgrade : this.#answerTimes.plain,
      onFailure: (fault) => {
        open.leave()
        if (fault.code === 'upstream_unreachable') this.#parts.suspect(pass, fault)
        fail(fault)
      },
      onDone: (outcome) => {
        open.leave()
        onDone(outcome)
      },
    }
  }

  #streamOpened(visit: Visit, pass: Pass, kind: StreamKind): void {
    this.#parts.metrics.streamsOpened(kind).add()
    this.#parts.audit.record({ event: 'stream-opened', ...about(visit, pass), kind })
  }

  #streamClosed(visit: Visit, pass: Pass, kind: StreamKind, began: number, outcome: Outcome): void {
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

function about(visit: Visit, pass: Pass) {
  return {
    ...actorOf(visit, pass.session),
    workspace: refKey(pass.entry.ref),
    port: pass.port.port,
    grant: sayGrant(pass.grant),
  }
}
