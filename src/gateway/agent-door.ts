/**
 * Where agents come in: each with its pod's own token, which counts for the very pod that stands for a workspace now and for no other. From then on it is
 * led to by what arrives for that pod, and by nothing else.
 */
import type { Duplex } from 'node:stream'
import { valuesOf } from '#http/accept-key.ts'
import type { ClientRequest } from '#http/messages.ts'
import type { RequestHead } from '#http/request-head.ts'
import type { Clock } from '#lib/clock.ts'
import type { RateLimiter } from '#lib/rate-limiter.ts'
import { holdProtocol, linkProtocol } from '#link/frames.ts'
import { GatewayEnd } from '#link/gateway-end.ts'
import { acceptLink, butNotHeader } from '#link/handshake.ts'
import { LinkSocket, linkCodes } from '#link/link-socket.ts'
import type { LinkVisits } from '#link/link-visits.ts'
import type { HeldLink, Links } from '#link/links.ts'
import type { Audit } from '#observe/audit.ts'
import type { Log } from '#observe/log.ts'
import { printable } from '#observe/printable.ts'
import { type Problem, problem } from '#surface/problem.ts'
import { refKey } from '#surface/workspace-ref.ts'
import type { Taken } from '#workspace/slots.ts'
import { problemOfHandshake } from './denial.ts'
import { attempt } from './desk.ts'
import { denyPod, type PodCaller, type PodCallersParts, recognisePod } from './pod-callers.ts'
import { comeAgain } from './reply.ts'
import type { Origin } from './visit.ts'

export interface AgentDoorParts extends PodCallersParts {
  /** Are the workspaces of this namespace reached through agents? No other pod has any business here. */
  readonly isFor: (namespace: string) => boolean
  readonly links: Links
  readonly visits: Pick<LinkVisits, 'came' | 'left'>
  /** How often one pod may come. */
  readonly perPod: RateLimiter
  /** Where other replicas find the link; absent where there are none. Throws `store_unavailable`. */
  readonly takePlace?: (instance: string) => Promise<Taken>
  /** Which replica this is, for agents that are at it already; absent where there is no other. */
  readonly replica?: string
  readonly audit: Audit
  readonly clock: Clock
  readonly log: Log
}

export interface AgentComing extends Origin {
  readonly request: ClientRequest
  readonly head: RequestHead
  readonly socket: Duplex
  /** What came behind the request. */
  readonly rest: Buffer
}

/** Answers in the link's place. Flat fields. */
type Refuse = (problem: Problem, fields: readonly string[]) => void

const bearer = /^bearer +(\S+)$/i

const unauthorized: Problem = {
  code: 'unauthorized',
  status: 401,
  title: 'Only the agent of a workspace comes in here, by a token of its pod for this address alone.',
}
/** Nothing is denied by it. */
const hereAlready: Problem = { code: 'here_already', status: 409, title: 'This is the replica that it would not have.' }
const tooMany: Problem = { code: 'too_many_links', status: 429, title: 'This agent has come too often.' }

type Known = PodCaller & { readonly kind: 'known' }
type Placed = {
  readonly kind: 'placed'
  readonly known: Known
  readonly taken: (Taken & { readonly kind: 'taken' }) | undefined
}
type Refused = { readonly kind: 'refused'; readonly reason: string; readonly problem: Problem }
type Unwanted = { readonly kind: 'unwanted' }

export class AgentDoor {
  readonly #parts: AgentDoorParts

  constructor(parts: AgentDoorParts) {
    this.#parts = parts
  }

  /** Settles when it is in, or refused. */
  async enter(coming: AgentComing, refuse: Refuse): Promise<void> {
    const unfit = unfitness(coming)
    if (unfit) {
      this.#deny(coming, unfit.problem.code)
      refuse(unfit.problem, unfit.headers)
      return
    }
    const outcome = await attempt(() => this.#place(coming))
    const placed = outcome.ok ? outcome.value : { kind: 'refused' as const, reason: 'unavailable', ...outcome }
    if (placed.kind === 'unwanted') {
      refuse(hereAlready, [])
      return
    }
    if (placed.kind === 'refused') {
      this.#deny(coming, placed.reason)
      refuse(placed.problem, placed.problem.status === 401 ? ['WWW-Authenticate', 'Bearer'] : comeAgain(5))
      return
    }
    const { known, taken } = placed
    if (coming.socket.destroyed || !this.#begin(coming, known, taken)) {
      taken?.slot.leave()
      coming.socket.destroy()
    }
  }

  /** In one of the places that its pod has over all replicas. */
  async #place({ head, request }: AgentComing): Promise<Placed | Refused | Unwanted> {
    const known = await this.#recognise(head)
    if (known.kind === 'refused') return known
    const { replica } = this.#parts
    if (replica !== undefined && valuesOf(request.rawHeaders, butNotHeader.toLowerCase()).includes(replica)) {
      return { kind: 'unwanted' }
    }
    const taken = await this.#parts.takePlace?.(known.pod)
    if (taken?.kind === 'full') return { kind: 'refused', reason: 'full', problem: tooMany }
    return { kind: 'placed', known, taken }
  }

  async #recognise({ authorization }: RequestHead): Promise<Known | Refused> {
    const { isFor, perPod } = this.#parts
    const caller = await recognisePod(bearer.exec(authorization ?? '')?.[1], this.#parts)
    if (caller.kind === 'refused') return { ...caller, problem: unauthorized }
    if (!isFor(caller.entry.ref.namespace)) return { kind: 'refused', reason: 'no-such-pod', problem: unauthorized }
    if (perPod.take(caller.pod) > 0) return { kind: 'refused', reason: 'too-often', problem: tooMany }
    return caller
  }

  /** `false`: it has left, or its pod is gone meanwhile. */
  #begin(coming: AgentComing, { entry, pod }: Known, taken: (Taken & { kind: 'taken' }) | undefined): boolean {
    const { directory, links, visits, clock, log, replica } = this.#parts
    if (!directory.findByInstance(entry.ref.namespace, pod)) return false
    const accepted = acceptLink({ ...coming, head: coming.rest, replica })
    if (!accepted) return false
    const canHold = accepted.protocol === holdProtocol
    const about = { component: 'agents', workspace: refKey(entry.ref), instance: pod, requestId: coming.requestId }
    const link: LinkSocket<GatewayEnd> & HeldLink = new LinkSocket({
      ...{ socket: accepted, clock },
      endBy: (wire) => new GatewayEnd(wire, canHold),
      onClosed: ({ code, reason }) => {
        links.delete(pod, link)
        if (!links.has(pod)) visits.left(pod)
        taken?.slot.lost.removeEventListener('abort', onLost)
        taken?.slot.leave()
        log.info({ ...about, reason: `${code} ${printable(reason)}` }, 'an agent has left')
      },
    })
    const onLost = () => {
      links.delete(pod, link)
      link.close({ code: linkCodes.away, reason: 'its place is taken' })
    }
    taken?.slot.lost.addEventListener('abort', onLost, { once: true })
    links.add(pod, link)
    visits.came(pod, canHold)
    log.info(about, 'an agent has come')
    return true
  }

  #deny(by: Origin, reason: string): void {
    denyPod(this.#parts.audit, by, `agent:${reason}`)
  }
}

/** It is a program's, and says so: no page comes here, whatever a browser sends along. */
function unfitness({ request, head }: AgentComing): ReturnType<typeof problemOfHandshake> {
  const unfit = problemOfHandshake(request.method ?? '', head)
  if (unfit) return unfit
  if (head.origin !== undefined) return { problem: problem('forbidden', 403), headers: [] }
  const offered = valuesOf(request.rawHeaders, 'sec-websocket-protocol').flatMap((value) => value.split(','))
  if (offered.some((name) => name.trim() === linkProtocol)) return undefined
  return { problem: problem('bad_request', 400, `offer the subprotocol ${linkProtocol}`), headers: [] }
}
