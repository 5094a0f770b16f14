/**
 * The request path, top to bottom: read, aim, authenticate, admit, carry out. `request` and `upgrade` share everything up to the admission
 * and differ only in how it is carried out; what belongs to Gatehouse itself goes to its own surface.
 */
import type { Duplex } from 'node:stream'
import { GatewayError } from '#errors.ts'
import type { Connection } from '#http/connection.ts'
import { isNavigation } from '#http/fetch-metadata.ts'
import type { ClientRequest, ClientResponse } from '#http/messages.ts'
import type { RequestHead } from '#http/request-head.ts'
import type { Authentication } from '#identity/authentication.ts'
import { isShut } from '#proxy/upstream.ts'
import type { ReviewQuestion } from '#resources/reviewer.ts'
import { type Problem, problem } from '#surface/problem.ts'
import { paths } from '#surface/urls.ts'
import { admit, undecided, waitedFor } from './admission.ts'
import type { AgentComing } from './agent-door.ts'
import { Answers } from './answers.ts'
import { comerOf, peekAt } from './comer.ts'
import { credentialsOf, ownBearerOf } from './credentials.ts'
import { problemOfHandshake, problemOfUnreadable } from './denial.ts'
import type { Entry, ListenerRefusal } from './entry.ts'
import type { GatewayParts } from './gateway-parts.ts'
import { clearedFirst } from './handover.ts'
import type { Pass } from './passes.ts'
import { addressOf, KnownHosts, type Received, type ReceiveParts, receive } from './receive.ts'
import { comeAgain, type Reply, redirect, sendReply } from './reply.ts'
import { type AimedTunnel, aimTunnel } from './tunnel-aim.ts'
import { type Excess, problemOfExcess, retryFields } from './turnstile.ts'
import { hasLeft, type Origin, type Visit } from './visit.ts'

/** How a decision leaves the gateway on one of the two transports. */
interface Exit {
  reply(reply: Reply): void
  forward(visit: Visit, pass: Pass): void
  /** An agent has come; by an upgrade alone. */
  link?(origin: Origin, head: RequestHead): void
  /** From the beginning, at another gateway. */
  again(gateway: Gateway): void
}

export class Gateway {
  readonly #parts: GatewayParts
  readonly #answers: Answers
  readonly #reading: ReceiveParts
  #successor: Gateway | undefined

  constructor(parts: GatewayParts) {
    this.#parts = parts
    this.#answers = new Answers(parts)
    const { site, limits } = parts
    this.#reading = { site, limits, hosts: new KnownHosts(site) }
  }

  /** From here on it decides nothing: what it waits for an answer about is decided by its successor, from the beginning. */
  handOver(successor: Gateway): void {
    this.#successor = successor
  }

  request(request: ClientRequest, response: ClientResponse, connection: Connection, expectsContinue = false): void {
    const reply = (answer: Reply) => sendReply(response, this.#answers.secured(answer))
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
    const exit: Exit = {
      reply,
      forward: (visit, pass) => {
        if (visit.place.tunnel) this.#tunnel(visit, pass, socket, head, exit)
        else carriers.upgrade(visit, pass, socket, head, (fault) => reply(this.#faulted(visit, pass, fault)))
      },
      link: (origin, fields) => this.#link({ ...origin, request, head: fields, socket, rest: head }, exit),
      again: (gateway) => gateway.upgrade(request, socket, head, connection),
    }
    this.#enter({ request, response: undefined, connection, expectsContinue: false }, exit)
  }

  /** A listener refused something that never became a request. */
  refused({ code, requestId, peer }: ListenerRefusal): void {
    this.#parts.witness.refused({ requestId, client: peer }, code)
  }

  #enter(entry: Entry, exit: Exit): void {
    const { nextRequestId, trustedProxies, turnstile, witness } = this.#parts
    const requestId = nextRequestId()
    const received = receive(this.#reading, entry.request, entry.connection)
    if (received.kind === 'unreadable') {
      const { status, code } = received
      const navigation = received.navigation && entry.response !== undefined
      witness.refused({ requestId, client: entry.connection.peer }, code)
      exit.reply({ ...this.#answers.refusal(requestId, problemOfUnreadable(status, code), navigation), isLast: true })
      return
    }
    const client = addressOf(entry.connection.peer, received.head, trustedProxies)
    const known = peekAt(this.#parts, received)
    const excess = turnstile.stops(comerOf(client, known, entry.connection, received))
    const origin = { requestId, client }
    if (!excess) {
      this.#aim(entry, received, known, origin, exit)
      return
    }
    const navigation = entry.response !== undefined && isNavigation(entry.request.method ?? '', received.head)
    const reply = this.#turnAway(origin, navigation, excess, known)
    exit.reply(entry.connection.isCrowded ? { ...reply, isLast: true } : reply)
  }

  #aim(entry: Entry, received: Received, known: Authentication | undefined, origin: Origin, exit: Exit): void {
    const { head, target } = received
    const { request, response, expectsContinue } = entry
    const tunnel = aimTunnel(this.#parts.site, received, request.rawHeaders, response === undefined)
    if (tunnel) {
      this.#aimTunnel(entry, tunnel, origin, exit)
      return
    }
    if (target.kind === 'moved') {
      exit.reply(redirect(308, target.location))
      return
    }
    if (target.kind === 'workspace') {
      const isBearer = ownBearerOf(head.authorization, this.#parts.authenticator) !== undefined
      const isUpgrade = response === undefined
      const began = this.#parts.clock.now()
      const { place } = target
      const { memory } = entry.connection
      this.#visit({ request, head, memory, place, isUpgrade, known, began, expectsContinue, isBearer, ...origin }, exit)
      return
    }
    if (response === undefined) {
      const isAgent = target.kind === 'own' && target.path === paths.agent
      this.#upgradeOwn(isAgent ? exit.link : undefined, origin, head, exit)
      return
    }
    if (target.kind === 'workspace-own') {
      const answer = this.#parts.workspaceHost.answer(target, head, request.method ?? '', origin)
      this.#settle(answer.then(exit.reply), origin, exit, request)
      return
    }
    const excess = this.#open(known, response)
    if (excess) exit.reply(this.#turnAway(origin, isNavigation(request.method ?? '', head), excess, known))
    else this.#parts.ownSurface(request, response, origin, expectsContinue)
  }

  /** Whoever asks for one is asked who he is anew: what a cookie says is of no interest. */
  #aimTunnel({ request, connection }: Entry, tunnel: AimedTunnel, origin: Origin, exit: Exit): void {
    if (tunnel.kind === 'refused') {
      this.#parts.witness.refused(origin, tunnel.problem.code)
      exit.reply(this.#answers.refusal(origin.requestId, tunnel.problem, false, tunnel.headers))
      return
    }
    const asked = { known: undefined, began: this.#parts.clock.now(), expectsContinue: false, isBearer: true }
    this.#visit({ ...origin, ...asked, ...tunnel, isUpgrade: true, request, memory: connection.memory }, exit)
  }

  #tunnel(visit: Visit, pass: Pass, socket: Duplex, head: Buffer, exit: Exit): void {
    const refuse = (of: Problem, fields: readonly string[]) =>
      exit.reply(this.#answers.refusal(visit.requestId, of, false, fields))
    this.#settle(this.#parts.tunnelling.open(visit, pass, socket, head, refuse), visit, exit, visit.request)
  }

  #link(coming: AgentComing, exit: Exit): void {
    const refuse = (of: Problem, fields: readonly string[]) =>
      exit.reply(this.#answers.refusal(coming.requestId, of, false, fields))
    this.#settle(this.#parts.agentDoor?.enter(coming, refuse) ?? Promise.resolve(), coming, exit, coming.request)
  }

  /** Of Gatehouse's own there is one thing alone to be upgraded to. */
  #upgradeOwn(link: Exit['link'], origin: Origin, head: RequestHead, exit: Exit): void {
    if (link && this.#parts.agentDoor) link(origin, head)
    else exit.reply(this.#answers.refusal(origin.requestId, problem('not_found', 404), false))
  }

  /** Counts an answer of the own surface for as long as it is under way; what is forwarded is counted by who carries it. */
  #open(known: Authentication | undefined, response: ClientResponse): Excess | undefined {
    if (known?.kind !== 'session') return undefined
    const { turnstile } = this.#parts
    const { username } = known.session.identity
    const excess = turnstile.stopsOpening(username)
    if (excess) return excess
    const open = turnstile.open(username)
    response.once('close', () => open.leave())
    return undefined
  }

  /** More than somebody may ask for. */
  #turnAway(origin: Origin, navigation: boolean, excess: Excess, known: Authentication | undefined): Reply {
    this.#parts.witness.limited(origin, excess, known?.kind === 'session' ? known.session : undefined)
    return this.#answers.refusal(origin.requestId, problemOfExcess(excess), navigation, retryFields(excess))
  }

  #visit(visit: Visit, exit: Exit): void {
    const unfit = visit.isUpgrade ? problemOfHandshake(visit.request.method ?? '', visit.head) : undefined
    if (unfit) {
      this.#parts.witness.refused(visit, unfit.problem.code)
      exit.reply(this.#answers.refusal(visit.requestId, unfit.problem, false, unfit.headers))
      return
    }
    this.#authenticate(visit, exit, 0)
  }

  #authenticate(visit: Visit, exit: Exit, reviewed: number): void {
    const { authenticator } = this.#parts
    const { scope } = visit.place
    // Memory was asked as it came in; what it said then holds until something is waited for.
    const known = reviewed === 0 ? visit.known : authenticator.peek(credentialsOf(visit.head, authenticator), scope)
    if (known) {
      this.#decide(visit, known, exit, reviewed)
      return
    }
    const deciding = authenticator.resolve(credentialsOf(visit.head, authenticator), scope).then((authentication) => {
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
      exit.reply(this.#answers.led(clearing, visit))
      return
    }
    this.#parts.witness.decided(visit, admission)
    if (admission.kind !== 'forward') {
      exit.reply(this.#answers.to(visit, admission))
      return
    }
    const excess = this.#parts.turnstile.stopsOpening(admission.pass.session.identity.username)
    if (excess) {
      exit.reply(this.#turnAway(visit, !isUpgrade && isNavigation(arrival.method, head), excess, authentication))
      return
    }
    this.#parts.renewals.touch(admission.pass.session, { live: true })
    exit.forward(visit, admission.pass)
  }

  /** Waits for what has to be asked, and begins again with who it is: he may have been logged out meanwhile. */
  #review(visit: Visit, question: ReviewQuestion, exit: Exit, reviewed: number): void {
    const asking = Promise.resolve(this.#parts.reviews?.decide(question)).then(() => {
      if (!hasLeft(visit)) this.#authenticate(visit, exit, reviewed)
    })
    this.#settle(asking, visit, exit, visit.request)
  }

  /** The upstream could not be reached, or spoke nonsense, before anything was answered. */
  #faulted(visit: Visit, pass: Pass, fault: GatewayError): Reply {
    const { log, witness } = this.#parts
    log.warn({ requestId: visit.requestId, code: fault.code, error: fault }, 'a request could not be forwarded')
    witness.failed(visit, fault)
    // The app has gone, and may come back: as if that had been known before the request was forwarded.
    if (isShut(fault)) return this.#answers.starting(visit, waitedFor(visit, pass))
    const navigation = visit.head.secFetchMode === 'navigate' && !visit.isUpgrade
    const extra = fault.retryable ? comeAgain(2) : []
    return this.#answers.refusal(visit.requestId, problem(fault.code, fault.status), navigation, extra)
  }

  /** Whatever fails on the way is this request's alone: it gets a 500, or where even that fails, its connection ends. */
  #settle(work: Promise<void>, origin: Origin, exit: Exit, request: ClientRequest): void {
    work.catch((error: unknown) => exit.reply(this.#failure(origin, error))).catch(() => request.socket.destroy())
  }

  /** A fault of ours: this request gets a 500, everything else goes on. */
  #failure(origin: Origin, error: unknown): Reply {
    const fault = error instanceof GatewayError ? error : new GatewayError('internal', 'unexpected', { cause: error })
    this.#parts.log.error({ requestId: origin.requestId, code: fault.code, error }, 'a request failed')
    return this.#answers.refusal(origin.requestId, problem(fault.code, fault.status), false)
  }
}

/** Each answer of a review counts for a moment at least; a request whose answers are overtaken that often is asked to come again. */
const mostReviews = 3
