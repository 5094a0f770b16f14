/** The little of Gatehouse's own that a workspace's host answers: the hand-over's end, and the read-only status of that workspace. */
import { judgeOrigin } from '#http/fetch-metadata.ts'
import type { RequestHead } from '#http/request-head.ts'
import type { SessionAuthenticator } from '#identity/authenticate.ts'
import type { CookieScope, Credentials } from '#identity/authentication.ts'
import type { Identity } from '#identity/identity.ts'
import type { Session } from '#identity/session.ts'
import type { Clock } from '#lib/clock.ts'
import { type Outcome, type Problem, problem } from '#surface/problem.ts'
import { paths } from '#surface/urls.ts'
import { type AccessPolicy, decideAccess, type Grant } from '#workspace/access.ts'
import type { Site, WorkspaceAddress } from '#workspace/address.ts'
import type { Directory, WorkspaceEntry } from '#workspace/directory.ts'
import { mayConnect } from '#workspace/reviewing.ts'
import type { Reviews } from '#workspace/reviews.ts'
import type { ActivityDeskParts } from './activity-desk.ts'
import { activityView } from './activity-view.ts'
import { credentialsOf } from './credentials.ts'
import { loginNeeded, problemOfDenial } from './denial.ts'
import { acceptTicket, type HandoverParts, type TenantCookies } from './handover.ts'
import { json, type RenderPage, type Reply, redirect, refusal } from './reply.ts'
import type { Listener, StatusNews } from './status-news.ts'
import type { Target } from './target.ts'

export interface WorkspaceHostParts extends HandoverParts {
  readonly site: Site
  readonly directory: Directory
  readonly policy: AccessPolicy
  readonly reviews?: Reviews
  readonly authenticator: SessionAuthenticator
  readonly tenants: TenantCookies
  readonly renderPage: RenderPage
  readonly activity: Pick<ActivityDeskParts['activity'], 'ask'>
  readonly news: StatusNews
  readonly clock: Clock
  /** A ticket was not accepted; for the log. */
  readonly onRefusedTicket: (reason: string, about: { readonly requestId: string; readonly client: string }) => void
}

type OwnTarget = Extract<Target, { kind: 'workspace-own' }>

const notHere = problem('not_found', 404)
const wrongMethod = problem('method_not_allowed', 405)
const tooManyStreams: Problem = {
  code: 'too_many_streams',
  status: 429,
  title: 'Too many pages of yours listen for news already.',
}
const badTicket: Problem = {
  code: 'login_invalid',
  status: 400,
  title: 'This login link is not for this browser, or no longer good.',
  detail: 'Open the workspace again from its own address.',
}

export class WorkspaceHost {
  readonly #parts: WorkspaceHostParts

  constructor(parts: WorkspaceHostParts) {
    this.#parts = parts
  }

  async answer(
    target: OwnTarget,
    head: RequestHead,
    method: string,
    origin: { readonly requestId: string; readonly client: string },
  ): Promise<Reply> {
    const isPage = target.path === paths.accept
    const { requestId } = origin
    const refuse = (of: Problem) => refusal(of, { navigation: isPage, requestId, renderPage: this.#parts.renderPage })
    if (target.path !== paths.accept && target.path !== paths.status) return refuse(notHere)
    if (method !== 'GET' && method !== 'HEAD') return refuse(wrongMethod)
    return isPage ? this.#accept(target, head, origin, refuse) : this.#status(target, { method, head }, refuse)
  }

  async #accept(
    target: OwnTarget,
    head: RequestHead,
    origin: { readonly requestId: string; readonly client: string },
    refuse: (of: Problem) => Reply,
  ): Promise<Reply> {
    const { authority } = target.scope
    const outcome = await acceptTicket(this.#parts, { authority, query: target.query, cookieHeader: head.cookie })
    if (outcome.kind === 'accepted') {
      const cookies = outcome.setCookies.flatMap((cookie) => ['Set-Cookie', cookie])
      return redirect(303, outcome.to, [...cookies, ...this.#tenantHeaders(target, head)])
    }
    this.#parts.onRefusedTicket(outcome.reason, origin)
    // Several tabs race for one ticket each; the deep link decides by itself whether this browser is known here by now.
    return outcome.to === undefined ? refuse(badTicket) : redirect(303, outcome.to)
  }

  #tenantHeaders(target: OwnTarget, head: RequestHead): readonly string[] {
    const { directory, tenants, authenticator } = this.#parts
    const entry = target.address && directory.find(target.address.name)
    if (!entry) return []
    if (tenants.seenAs(head.cookie, entry.uid) === 'this') return ['Set-Cookie', tenants.remember(entry.uid)]
    // At a first visit there is nothing to clear; that it is the first is nothing a browser can be believed.
    return tenants.clearing(head.cookie ?? '', (name) => authenticator.isOwnCookie(name), entry.uid)
  }

  async #status(
    target: OwnTarget,
    { method, head }: { readonly method: string; readonly head: RequestHead },
    refuse: (of: Problem) => Reply,
  ): Promise<Reply> {
    const { site, authenticator, activity, news } = this.#parts
    if (!target.address) return refuse(notHere)
    const credentials = credentialsOf(head, authenticator)
    const known = await authenticator.resolve(credentials, target.scope)
    if (known.kind === 'unavailable') return refuse(problemOfDenial('store-unavailable', 503))
    if (known.kind === 'anonymous') return refuse(loginNeeded)
    const ownOrigin = `${site.scheme}://${target.scope.authority}`
    const verdict = judgeOrigin({ method, isUpgrade: false, authenticatedBy: known.via, head, ownOrigin })
    if (verdict !== 'allowed') return refuse(problemOfDenial('cross-origin', 403))
    const { session } = known
    const { address } = target
    const before = await this.#admit(address, session.identity)
    if (!before.ok) return refuse(before.problem)
    const reading = await activity.ask(before.value)
    // What was waited for may have taken the right away.
    const admitted = await this.#admit(address, session.identity)
    if (!admitted.ok) return refuse(admitted.problem)
    const entry = admitted.value
    if (!head.accept?.includes('text/event-stream'))
      return json(200, activityView(entry, reading, session.identity, this.#parts.policy))
    const listener: Listener = {
      session,
      present: () => this.#present(credentials, target.scope, session.name),
      admit: (identity) => this.#admit(address, identity),
    }
    return news.open(entry, listener) ?? refuse(tooManyStreams)
  }

  async #present(credentials: Credentials, scope: CookieScope, name: string): Promise<Session | undefined> {
    const known = await this.#parts.authenticator.resolve(credentials, scope)
    return known.kind === 'session' && known.session.name === name ? known.session : undefined
  }

  /** By the port whose host it is. */
  async #admit(address: WorkspaceAddress, identity: Identity): Promise<Outcome<WorkspaceEntry>> {
    const { directory, policy, clock } = this.#parts
    const entry = directory.find(address.name)
    const port = entry?.ports.find((candidate) => candidate.port === (address.port ?? entry.ports[0].port))
    const refused: Outcome<WorkspaceEntry> = { ok: false, problem: problemOfDenial('no-grant', 403) }
    if (!entry || !port) return refused
    const access = decideAccess(entry, identity, { port, connectionType: 'web-ui' }, policy, clock.now())
    if (!access.allowed) return refused
    const refusal = await this.#refusalByReview(entry, identity, access.grant)
    return refusal ? { ok: false, problem: refusal } : { ok: true, value: entry }
  }

  async #refusalByReview(entry: WorkspaceEntry, identity: Identity, grant: Grant): Promise<Problem | undefined> {
    const { reviews } = this.#parts
    const decision = reviews ? await reviews.decide(mayConnect(reviews, entry, identity, grant)) : 'allowed'
    if (decision === 'allowed') return undefined
    return decision === 'denied' ? problemOfDenial('rbac', 403) : problemOfDenial('review-unavailable', 503)
  }
}
