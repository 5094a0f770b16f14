/**
 * The one decision about one request, the same for a plain request and an upgrade: forward, starting, login or deny, always with a reason.
 * Pure over what is in memory; how it is carried out, and what has to be asked first, is somebody else's.
 */

import { isNavigation, judgeOrigin } from '#http/fetch-metadata.ts'
import type { RequestHead } from '#http/request-head.ts'
import type { AnonymousReason, Authentication } from '#identity/authentication.ts'
import type { Session } from '#identity/session.ts'
import type { Clock } from '#lib/clock.ts'
import type { Upstream } from '#proxy/upstream.ts'
import type { ReviewQuestion } from '#resources/reviewer.ts'
import type { Endpoint, Instance } from '#runtime/contract.ts'
import type { WorkspaceRef } from '#surface/workspace-ref.ts'
import { type AccessPolicy, decideAccess, type Grant, isAdministrator } from '#workspace/access.ts'
import { placeOf, type Site } from '#workspace/address.ts'
import { webUi } from '#workspace/connections.ts'
import type { Directory, WorkspaceEntry } from '#workspace/directory.ts'
import { mayConnect } from '#workspace/reviewing.ts'
import type { Reviews, Standing } from '#workspace/reviews.ts'
import type { WorkspacePhase } from '#workspace/state.ts'
import type { WorkspacePort } from '#workspace/workspace.ts'
import { fixedHeadersOf, policyOf } from './forwarding.ts'
import type { Pass, Passes } from './passes.ts'
import type { Place } from './target.ts'
import { portOfTunnel, type TunnelPolicy, unmetByTunnel } from './tunnel-policy.ts'
import type { Visit } from './visit.ts'

export type DenyReason =
  | 'cross-origin'
  | 'no-such-workspace'
  | 'no-grant'
  | 'port-not-granted'
  | 'connection-type-not-granted'
  | 'no-such-port'
  /** There is a grant, but Kubernetes RBAC does not let him open workspaces of that namespace. */
  | 'rbac'
  | 'review-unavailable'
  | 'store-unavailable'
  | 'not-synced'
  /** Of a tunnel: its kind is none that the administrator has named, or what it needs is not there. */
  | 'connection-type-not-configured'
  | 'agent-needed'
  | 'memory-too-small'
  /** Of a tunnel: the run of the workspace that it was to lead to is over. */
  | 'instance-changed'
  /** Of a tunnel: the workspace runs where only declared ports are reached, and does not declare this one. */
  | 'nothing-listens'

/** A decision, or what has to be asked before there can be one. */
export type Admission =
  | Settled
  | {
      readonly kind: 'review'
      readonly question: ReviewQuestion
      readonly session: Session
      readonly ref: WorkspaceRef
      readonly navigation: boolean
    }

export type Settled =
  | { readonly kind: 'forward'; readonly pass: Pass }
  /** It is permitted, but nothing answers there now. */
  | {
      readonly kind: 'starting'
      readonly session: Session
      readonly ref: WorkspaceRef
      readonly phase: WorkspacePhase
      readonly port: WorkspacePort
      readonly isMain: boolean
      readonly navigation: boolean
    }
  /** The main port was named by its number; its place has one URL. */
  | { readonly kind: 'moved'; readonly host: string; readonly prefix: string }
  | { readonly kind: 'login'; readonly reason: AnonymousReason; readonly navigation: boolean }
  | Denial

export type DenyStatus = 400 | 403 | 404 | 409 | 424 | 503

export interface Denial {
  readonly kind: 'deny'
  readonly reason: DenyReason
  readonly status: DenyStatus
  readonly detail: string
  readonly session: Session | undefined
  readonly ref: WorkspaceRef | undefined
  readonly navigation: boolean
}

/** One request as far as the decision goes. */
export interface Arrival {
  readonly method: string
  readonly head: RequestHead
  readonly isUpgrade: boolean
  readonly place: Place
}

export interface AdmissionParts {
  readonly site: Site
  readonly directory: Directory
  readonly policy: AccessPolicy
  readonly passes: Passes
  /** What Kubernetes RBAC says; `undefined` where there is no cluster. */
  readonly reviews?: Reviews
  readonly clock: Clock
  /** Opens connections to one port of one instance. */
  readonly upstreamOf: (instance: Instance, port: number, endpoint: Endpoint) => Upstream
  readonly isOwnCookie: (name: string) => boolean
  /** Is this port known not to answer yet? Ports without a probe of their own are tried when asked for. */
  readonly isAwaited: (instance: Instance, port: WorkspacePort) => boolean
  readonly tunnels: TunnelPolicy
}

export function admit(parts: AdmissionParts, arrival: Arrival, authentication: Authentication): Admission {
  if (authentication.kind === 'session' && !arrival.place.tunnel) {
    const hot = findPass(parts, arrival, authentication.session)
    if (hot && isSameOriginOrSafe(arrival, authentication, parts.site)) return { kind: 'forward', pass: hot }
  }
  const navigation = !arrival.isUpgrade && isNavigation(arrival.method, arrival.head)
  switch (authentication.kind) {
    case 'unavailable':
      return {
        kind: 'deny',
        reason: 'store-unavailable',
        status: 503,
        detail: '',
        session: undefined,
        ref: undefined,
        navigation,
      }
    case 'anonymous':
      return { kind: 'login', reason: authentication.reason, navigation }
    case 'session':
      return admitSession(parts, arrival, authentication, navigation)
  }
}

function findPass(parts: AdmissionParts, arrival: Arrival, session: Session): Pass | undefined {
  const entry = parts.directory.find(arrival.place.address.name)
  if (!entry) return undefined
  const { port } = arrival.place.address
  if (port === entry.ports[0].port) return undefined
  return parts.passes.find(session, entry.uid, port ?? entry.ports[0].port, generationOf(parts))
}

/** Both only grow: their sum is the same as long as neither has changed. */
function generationOf({ directory, reviews }: AdmissionParts): number {
  return reviews === undefined ? directory.generation : directory.generation + reviews.generation
}

function isSameOriginOrSafe(
  arrival: Arrival,
  authentication: Authentication & { kind: 'session' },
  site: Site,
): boolean {
  return judge(arrival, authentication, site) === 'allowed'
}

function judge(arrival: Arrival, authentication: Authentication & { kind: 'session' }, site: Site) {
  return judgeOrigin({
    method: arrival.method,
    isUpgrade: arrival.isUpgrade,
    authenticatedBy: authentication.via,
    head: arrival.head,
    ownOrigin: `${site.scheme}://${arrival.place.scope.authority}`,
  })
}

function admitSession(
  parts: AdmissionParts,
  arrival: Arrival,
  authentication: Authentication & { kind: 'session' },
  navigation: boolean,
): Admission {
  const { session } = authentication
  const deny = (reason: DenyReason, status: DenyStatus, detail = '', ref?: WorkspaceRef): Admission => ({
    kind: 'deny',
    reason,
    status,
    detail,
    session,
    ref,
    navigation,
  })
  const verdict = judge(arrival, authentication, parts.site)
  if (verdict !== 'allowed') return deny('cross-origin', 403, verdict.refused)
  if (!parts.directory.isComplete) return deny('not-synced', 503)
  const { place } = arrival
  const entry = parts.directory.find(place.address.name)
  // To those who may see everything, "there is none" says nothing they could not know.
  if (!entry) return deny('no-such-workspace', isAdministrator(session.identity, parts.policy) ? 404 : 403)
  const port = portAt(parts, entry, place)
  const connectionType = place.tunnel?.connectionType ?? webUi
  const wanted = { port: port ?? undeclared, connectionType }
  const decision = decideAccess(entry, session.identity, wanted, parts.policy, parts.clock.now())
  if (!decision.allowed) return deny(decision.reason, 403, '', entry.ref)
  const review = standingOf(parts, entry, session, decision.grant)
  switch (review.kind) {
    case 'unasked':
      return { kind: 'review', question: review.question, session, ref: entry.ref, navigation }
    case 'denied':
      return deny('rbac', 403, '', entry.ref)
    case 'unavailable':
      return deny('review-unavailable', 503, '', entry.ref)
    case 'allowed':
      break
  }
  const unmet = unmetByTunnel(parts.tunnels, entry, place.tunnel)
  if (unmet) return deny(unmet.reason, unmet.status, unmet.detail, entry.ref)
  // Only those who may use every port learn that this one does not exist.
  if (!port) return deny('no-such-port', 404, '', entry.ref)
  if (isMainByNumber(place, entry)) return { kind: 'moved', ...placeOf(parts.site, entry.ref, undefined) }
  const { grant } = decision
  return carryTo(parts, { session, entry, port, connectionType, grant, validUntil: review.until }, navigation)
}

function portAt(parts: AdmissionParts, entry: WorkspaceEntry, { address, tunnel }: Place): WorkspacePort | undefined {
  if (tunnel) return portOfTunnel(parts.tunnels, entry, tunnel.connectionType, address.port)
  return entry.ports.find(({ port }) => port === (address.port ?? entry.ports[0].port))
}

/** A tunnel has no URL to be moved from. */
function isMainByNumber({ address, tunnel }: Place, { ports: [main] }: WorkspaceEntry): boolean {
  return !tunnel && address.port === main.port
}

/** Everything is permitted: to what runs, where something does. */
function carryTo(
  parts: AdmissionParts,
  permitted: Pick<Pass, 'session' | 'entry' | 'port' | 'connectionType' | 'grant' | 'validUntil'>,
  navigation: boolean,
): Settled {
  const { session, entry, port } = permitted
  const { instance, ref, state } = entry
  const endpoint = instance?.endpoints.get(port.port)
  // A page of the workspace may come yet; that port won't before the workspace declares it.
  if (state.phase === 'Running' && instance && !endpoint && permitted.connectionType !== webUi) {
    const detail = `It runs where declared ports alone are reached: declare port ${port.port} (spec.ports), and start it again.`
    return { kind: 'deny', reason: 'nothing-listens', status: 424, detail, session, ref, navigation }
  }
  if (state.phase !== 'Running' || !instance || !endpoint || parts.isAwaited(instance, port)) {
    return { kind: 'starting', session, ref, phase: state.phase, port, isMain: port === entry.ports[0], navigation }
  }
  const upstream = parts.upstreamOf(instance, port.port, endpoint)
  const fixedHeaders = fixedHeadersOf(parts.site, session, entry, port)
  const policy = policyOf(parts.site, entry, port, parts.isOwnCookie)
  const pass = parts.passes.keep({ ...permitted, upstream, fixedHeaders, policy }, generationOf(parts))
  return { kind: 'forward', pass }
}

/** For a request that was to be forwarded, and found that nobody listens. */
export function waitedFor(visit: Visit, { session, entry, port }: Pass): Settled & { readonly kind: 'starting' } {
  const { request, head, isUpgrade } = visit
  const navigation = !isUpgrade && isNavigation(request.method ?? '', head)
  const isMain = port === entry.ports[0]
  return { kind: 'starting', session, ref: entry.ref, phase: 'Starting', port, isMain, navigation }
}

const undeclared: WorkspacePort = { name: '', port: 0, expose: false, path: 'preserve' }

type Reviewed = Exclude<Standing, { kind: 'unasked' }> | { readonly kind: 'unasked'; readonly question: ReviewQuestion }

const withoutReview: Reviewed = { kind: 'allowed', until: Number.POSITIVE_INFINITY }

/** Looked at once there is a grant, and never before: a stranger's request asks nobody anything. */
function standingOf({ reviews }: AdmissionParts, entry: WorkspaceEntry, session: Session, grant: Grant): Reviewed {
  if (!reviews) return withoutReview
  const question = mayConnect(reviews, entry, session.identity, grant)
  const standing = reviews.standing(question)
  return standing.kind === 'unasked' ? { kind: 'unasked', question } : standing
}

/** For a request that was reviewed again and again and is undecided still: its workspace changes faster than the answers come. */
export function undecided(of: Extract<Admission, { kind: 'review' }>): Denial {
  const { session, ref, navigation } = of
  return { kind: 'deny', reason: 'review-unavailable', status: 503, detail: '', session, ref, navigation }
}
