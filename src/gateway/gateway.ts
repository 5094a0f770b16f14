/**
 * The request path, top to bottom: read, aim, authenticate, admit, carry out. `request` and `upgrade` share everything up to the admission
 * and differ only in how it is carried out; what belongs to Gatehouse itself goes to its own surface.
 */
import type { Duplex } from 'node:stream'
import { GatewayError } from '#errors.ts'
import type { Connection } from '#http/connection.ts'
import type { TrustedNetworks } from '#http/forwarded.ts'
import type { ClientRequest, ClientResponse } from '#http/messages.ts'
import type { SessionAuthenticator } from '#identity/authenticate.ts'
import type { Authentication } from '#identity/authentication.ts'
import type { Renewals } from '#identity/renewals.ts'
import type { Log } from '#observe/log.ts'
import { isShut } from '#proxy/upstream.ts'
import type { ReviewQuestion } from '#resources/reviewer.ts'
import { type Problem, problem } from '#surface/problem.ts'
import { openPath } from '#surface/urls.ts'
import { consoleOrigin, originOf } from '#workspace/address.ts'
import { type AdmissionParts, admit, type Settled, undecided, waitedFor } from './admission.ts'
import type { Carriers } from './carriers.ts'
import { credentialsOf, ownBearerOf } from './credentials.ts'
import {
  loginNeeded,
  problemOfDenial,
  problemOfHandshake,
  problemOfUnreadable,
  startingNow,
  stoppedNow,
} from './denial.ts'
import { clearedFirst, type HandoverParts, leaveForLogin, type TenantCookies } from './handover.ts'
import type { Pass } from './passes.ts'
import { addressOf, type Received, type ReceiveLimits, receive } from './receive.ts'
import { hsts, type RenderPage, type Reply, redirect, refusal, sendReply } from './reply.ts'
import { hasLeft, type Origin, type OwnSurface, type Visit } from './visit.ts'
import type { Witness } from './witness.ts'
import type { WorkspaceHost } from './workspace-host.ts'

export interface GatewayParts extends AdmissionParts, HandoverParts {
  readonly authenticator: SessionAuthenticator
  readonly trustedProxies: TrustedNetworks
  readonly limits: ReceiveLimits
  readonly carriers: Carriers
  readonly tenants: TenantCookies
  readonly workspaceHost: WorkspaceHost
  readonly witness: Witness
  readonly renewals: Pick<Renewals, 'touch'>
  readonly renderPage: RenderPage
  readonly nextRequestId: () => string
  readonly log: Log
  /** Gatehouse's own pages and API on `<domain>`. */
  readonly ownSurface: OwnSurface
}

/** How a decision leaves the gateway on one of the two transports. */
interface Exit {
  reply(reply: Reply): void
  forward(visit: Visit, pass: Pass): void
  /** From the beginning, at another gateway. */
  again(gateway: Gateway): void
}

/** What came in, on either transport; an upgrade has no response. */
interface Entry {
  readonly request: ClientRequest
  readonly response: ClientResponse | undefined
  readonly connection: Connection
  readonly expectsContinue: boolean
}

/** What a listener says of it. */
interface ListenerRefusal {
  readonly code: string
  readonly requestId: string | undefined
  readonly peer: string | undefined
}

export class Gateway {
  readonly #parts: GatewayParts
  #successor: Gateway | undefined

  constructor(parts: GatewayParts) {
    this.#parts = parts
  }

  /** From here on it decides nothing: what it waits for an answer about is decided by its successor, from the beginning. */
  handOver(successor: Gateway): void {
    this.#successor = successor
  }

  request(request: ClientRequest, response: ClientResponse, connection: Connection, expectsContinue = false): void {
    const reply = (answer: Reply) => sendReply(response, this.#secured(answer))
    this.#enter(
      { request, response, connection, expectsContinue },
      {
        reply,
        forward: (visit, pass) =>
          this.#parts.carriers.forward(visit, pass, response, (fault) => reply(this.#faulted(visit, pass, fault))),
        again: (gateway) => gateway.request(request, response, connection, expectsContinue),
      },
    )
  }

  upgrade(request: ClientRequest, socket: Duplex, head: Buffer, connection: Connection): void {
    const { carriers } = this.#parts
    const reply = (answer: Reply) => carriers.refuseUpgrade(socket, answer)
    this.#enter(
      { request, response: undefined, connection, expectsContinue: false },
      {
        reply,
        forward: (visit, pass) =>
          carriers.upgrade(visit, pass, socket, head, (fault) => reply(this.#faulted(visit, pass, fault))),
        again: (gateway) => gateway.upgrade(request, socket, head, connection),
      },
    )
  }

  /** A listener refused something that never became a request. */
  refused(refusal: ListenerRefusal): void {
    this.#parts.witness.refused({ requestId: refusal.requestId, client: refusal.peer }, refusal.code)
  }

  #enter(entry: Entry, exit: Exit): void {
    const { site, limits, nextRequestId, trustedProxies, witness } = this.#parts
    const requestId = nextRequestId()
    const received = receive(site, entry.request, limits)
    if (received.kind === 'unreadable') {
      const { status, code } = received
      const navigation = received.navigation && entry.response !== undefined
      witness.refused({ requestId, client: entry.connection.peer }, code)
      exit.reply({ ...this.#refusal(requestId, problemOfUnreadable(status, code), navigation), isLast: true })
      return
    }
    const client = addressOf(entry.connection.peer, received.head, trustedProxies)
    this.#aim(entry, received, { requestId, client }, exit)
  }

  #aim(entry: Entry, { head, target }: Received, origin: Origin, exit: Exit): void {
    const { request, response, expectsContinue } = entry
    if (target.kind === 'moved') {
      exit.reply(redirect(308, target.location))
      return
    }
    if (target.kind === 'workspace') {
      const isBearer = ownBearerOf(head.authorization, this.#parts.authenticator) !== undefined
      const isUpgrade = response === undefined
      const began = this.#parts.clock.now()
      this.#visit({ request, head, place: target.place, isUpgrade, began, expectsContinue, isBearer, ...origin }, exit)
      return
    }
    if (response === undefined) {
      exit.reply(this.#refusal(origin.requestId, problem('not_found', 404), false))
      return
    }
    if (target.kind === 'workspace-own') {
      const answer = this.#parts.workspaceHost.answer(target, head, request.method ?? '', origin)
      this.#settle(answer.then(exit.reply), origin, exit, request)
      return
    }
    this.#parts.ownSurface(request, response, origin, expectsContinue)
  }

  #visit(visit: Visit, exit: Exit): void {
    const unfit = visit.isUpgrade ? problemOfHandshake(visit.request.method ?? '', visit.head) : undefined
    if (unfit) {
      this.#parts.witness.refused(visit, unfit.problem.code)
      exit.reply(this.#refusal(visit.requestId, unfit.problem, false, unfit.headers))
      return
    }
    this.#authenticate(visit, exit, 0)
  }

  #authenticate(visit: Visit, exit: Exit, reviewed: number): void {
    const credentials = credentialsOf(visit.head, this.#parts.authenticator)
    const known = this.#parts.authenticator.peek(credentials, visit.place.scope)
    if (known) {
      this.#decide(visit, known, exit, reviewed)
      return
    }
    const deciding = this.#parts.authenticator.resolve(credentials, visit.place.scope).then((authentication) => {
      if (!hasLeft(visit)) this.#decide(visit, authentication, exit, reviewed)
    })
    this.#settle(deciding, visit, exit, visit.request)
  }

  #decide(visit: Visit, authentication: Authentication, exit: Exit, reviewed: number): void {
    if (this.#successor) {
      exit.again(this.#successor)
      return
    }
    const { request, head, isUpgrade, place } = visit
    const arrival = { method: request.method ?? '', head, isUpgrade, place }
    const decided = admit(this.#parts, arrival, authentication)
    if (decided.kind === 'review' && reviewed < mostReviews) {
      this.#review(visit, decided.question, exit, reviewed + 1)
      return
    }
    const admission = decided.kind === 'review' ? undecided(decided) : decided
    const clearing =
      admission.kind === 'forward' ? clearedFirst(this.#parts, visit, admission.pass.entry.uid) : undefined
    if (clearing) {
      this.#parts.witness.redirected(visit)
      exit.reply(this.#led(clearing, visit))
      return
    }
    this.#parts.witness.decided(visit, admission)
    if (admission.kind !== 'forward') {
      exit.reply(this.#replyTo(visit, admission))
      return
    }
    this.#parts.renewals.touch(admission.pass.session, { live: true })
    exit.forward(visit, admission.pass)
  }

  #led(to: Reply | Problem, visit: Visit): Reply {
    return 'body' in to ? to : this.#refusal(visit.requestId, to, true)
  }

  /** Waits for what has to be asked, and begins again with who it is: he may have been logged out meanwhile. */
  #review(visit: Visit, question: ReviewQuestion, exit: Exit, reviewed: number): void {
    const asking = Promise.resolve(this.#parts.reviews?.decide(question)).then(() => {
      if (!hasLeft(visit)) this.#authenticate(visit, exit, reviewed)
    })
    this.#settle(asking, visit, exit, visit.request)
  }

  #replyTo(visit: Visit, admission: Exclude<Settled, { kind: 'forward' }>): Reply {
    const { site } = this.#parts
    switch (admission.kind) {
      case 'moved':
        return redirect(308, originOf(site, admission.host) + admission.prefix + visit.place.rest + visit.place.query)
      case 'login': {
        if (!admission.navigation)
          return this.#refusal(visit.requestId, loginNeeded, false, ['WWW-Authenticate', 'Bearer'])
        return this.#led(leaveForLogin(this.#parts, visit.place, visit.head.cookie), visit)
      }
      case 'deny': {
        const { reason, status, navigation } = admission
        const extra = status === 503 ? ['Retry-After', '2'] : []
        return this.#refusal(visit.requestId, problemOfDenial(reason, status), navigation, extra)
      }
      case 'starting':
        return this.#startingReply(visit, admission)
    }
  }

  /** A person is taken to the page that starts it or waits; a program is told whether waiting helps. */
  #startingReply(visit: Visit, admission: Settled & { kind: 'starting' }): Reply {
    if (admission.navigation) {
      const to = {
        path: `/${visit.place.rest}${visit.place.query}`,
        ...(admission.isMain ? {} : { port: admission.port.port }),
      }
      return redirect(302, consoleOrigin(this.#parts.site) + openPath(admission.ref, to))
    }
    const isStopped = admission.phase === 'Stopped' || admission.phase === 'Stopping'
    return isStopped
      ? this.#refusal(visit.requestId, stoppedNow, false, ['Retry-After', '30'])
      : this.#refusal(visit.requestId, startingNow, false, ['Retry-After', '2'])
  }

  #secured(reply: Reply): Reply {
    const isSaid = reply.headers.some((name) => name.toLowerCase() === 'strict-transport-security')
    return this.#parts.site.scheme === 'http' || isSaid ? reply : { ...reply, headers: [...reply.headers, ...hsts] }
  }

  #refusal(requestId: string, of: Problem, navigation: boolean, extra: readonly string[] = []): Reply {
    return refusal(of, { navigation, requestId, renderPage: this.#parts.renderPage }, extra)
  }

  /** The upstream could not be reached, or spoke nonsense, before anything was answered. */
  #faulted(visit: Visit, pass: Pass, fault: GatewayError): Reply {
    const { log, witness } = this.#parts
    log.warn({ requestId: visit.requestId, code: fault.code, error: fault }, 'a request could not be forwarded')
    witness.failed(visit, fault)
    // The app has gone, and may come back: as if that had been known before the request was forwarded.
    if (isShut(fault)) return this.#startingReply(visit, waitedFor(visit, pass))
    const navigation = visit.head.secFetchMode === 'navigate' && !visit.isUpgrade
    const extra = fault.retryable ? ['Retry-After', '2'] : []
    return this.#refusal(visit.requestId, problem(fault.code, fault.status), navigation, extra)
  }

  /** Whatever fails on the way is this request's alone: it gets a 500, or where even that fails, its connection ends. */
  #settle(work: Promise<void>, origin: Origin, exit: Exit, request: ClientRequest): void {
    work.catch((error: unknown) => exit.reply(this.#failure(origin, error))).catch(() => request.socket.destroy())
  }

  /** A fault of ours: this request gets a 500, everything else goes on. */
  #failure(origin: Origin, error: unknown): Reply {
    const fault = error instanceof GatewayError ? error : new GatewayError('internal', 'unexpected', { cause: error })
    this.#parts.log.error({ requestId: origin.requestId, code: fault.code, error }, 'a request failed')
    return this.#refusal(origin.requestId, problem(fault.code, fault.status), false)
  }
}

/** Each answer of a review counts for a moment at least; a request whose answers are overtaken that often is asked to come again. */
const mostReviews = 3
