/** What the console and the API ask: which workspaces somebody may see, and what may be done with them. Refusals are values. */
import type { Reading } from '#activity/standing.ts'
import { GatewayError } from '#errors.ts'
import type { Identity } from '#identity/identity.ts'
import type { Session } from '#identity/session.ts'
import { type Clock, every } from '#lib/clock.ts'
import { latest } from '#lib/latest.ts'
import type { StreamIndex } from '#live/streams.ts'
import type { Audit } from '#observe/audit.ts'
import type { Metrics } from '#observe/metrics.ts'
import type { Resources } from '#resources/contract.ts'
import type { Instances } from '#runtime/contract.ts'
import type { Explanation, WorkspacePortView, WorkspaceView } from '#surface/messages.ts'
import { type Outcome, problemOfError } from '#surface/problem.ts'
import { refKey, type WorkspaceRef } from '#surface/workspace-ref.ts'
import { type AccessPolicy, decideAccess, grantsOf, isAdministrator, mayModify, mayShare } from '#workspace/access.ts'
import { type Site, urlOf } from '#workspace/address.ts'
import { sshRemote } from '#workspace/connections.ts'
import type { Directory, WorkspaceEntry } from '#workspace/directory.ts'
import { type DesiredStatus, wish } from '#workspace/lifecycle.ts'
import { mayConnect, mayConnectIn } from '#workspace/reviewing.ts'
import type { Reviews } from '#workspace/reviews.ts'
import { ownerOf, type WorkspacePort } from '#workspace/workspace.ts'
import { endsOf } from './activity-view.ts'
import { type Actor, acquaint, auditActor, decideRight, permit, type Right } from './actor.ts'
import { explainAccess } from './explain.ts'
import type { SessionChange } from './revocation.ts'
import { refusalOfWay } from './ssh-way.ts'
import { reviewEvery } from './status-news.ts'
import type { TunnelPolicy } from './tunnel-policy.ts'

export interface DeskParts {
  readonly site: Site
  readonly directory: Directory
  readonly policy: AccessPolicy
  readonly tunnels: TunnelPolicy
  readonly reviews?: Reviews
  readonly resources: Resources
  readonly runtime: Pick<Instances, 'logs'>
  readonly streams: StreamIndex
  readonly sessionOf: (name: string) => Session | undefined
  /** Whoever is logged in under this name. */
  readonly identityOf: (username: string) => Identity | undefined
  /** Nobody of this name is let in, whatever else holds. */
  readonly isLocked: (username: string) => boolean
  readonly subscribeSessions: (listener: (change: SessionChange) => void) => Disposable
  readonly isPortReady: (entry: WorkspaceEntry, port: WorkspacePort) => boolean
  /** Who works in it, from memory. */
  readonly activity: { reading(entry: WorkspaceEntry): Reading }
  readonly audit: Audit
  readonly metrics: Pick<Metrics, 'starts'>
  readonly clock: Clock
}

const logLines = 60

const starting: Right = {
  name: 'start',
  isHeld: mayModify,
  refusal: 'You may open this workspace, but not start it.',
}
const stopping: Right = { name: 'stop', isHeld: mayModify, refusal: 'You may open this workspace, but not stop it.' }
const readingLogs: Right = {
  name: 'read-logs',
  isHeld: mayModify,
  refusal: 'Only those who may start and stop it read its log.',
}
const asking: Right = { name: 'explain', isHeld: mayShare, refusal: 'Only its owner and administrators may ask that.' }

export class Desk {
  readonly #parts: DeskParts

  constructor(parts: DeskParts) {
    this.#parts = parts
  }

  /** By namespace and name. Throws `store_unavailable` where nobody can tell. */
  async list(actor: Actor): Promise<readonly WorkspaceView[]> {
    const closed = await this.#closedNamespaces(actor)
    const views: WorkspaceView[] = []
    for (const entry of this.#parts.directory.all()) {
      const view = closed.has(entry.ref.namespace) ? undefined : this.#view(actor, entry)
      if (view) views.push(view)
    }
    return views.sort((a, b) => a.namespace.localeCompare(b.namespace) || a.name.localeCompare(b.name))
  }

  /** `undefined`: there is none, or none for this actor. Throws `store_unavailable` where nobody can tell. */
  async view(actor: Actor, ref: WorkspaceRef): Promise<WorkspaceView | undefined> {
    const view = await this.#reviewed(actor, ref)
    if (!view) {
      const said = { ...auditActor(actor), workspace: refKey(ref), port: undefined }
      this.#parts.audit.record({ event: 'deny', ...said, reason: 'no-grant' })
    }
    return view
  }

  /** The view now and after every change of it or of who looks at it, until the signal or the right to see it ends, be it by RBAC alone. */
  async *watch(
    actor: Actor,
    ref: WorkspaceRef,
    signal: AbortSignal,
  ): AsyncGenerator<WorkspaceView | 'gone', void, void> {
    const { directory, subscribeSessions, reviews, sessionOf, clock } = this.#parts
    const turns = latest(signal)
    let isNews = false
    const changed = () => {
      isNews = true
      turns.signal()
    }
    using _ = directory.subscribe((change) => refKey(change.ref) === refKey(ref) && changed())
    using _person = subscribeSessions(({ session }) => session.name === actor.session.name && changed())
    using _reviews = reviews?.subscribe(() => turns.signal())
    using _reviewing = reviews && every(clock, reviewEvery, () => turns.signal())
    changed()
    for await (const _turn of turns) {
      const isOld = !isNews
      // What changes while it is looked at is news of the next turn.
      isNews = false
      const session = sessionOf(actor.session.name)
      if (isOld && session && (await acquaint(this.#parts, session.identity, ref)).kind === 'knows') continue
      const view = session && (await this.#reviewed({ ...actor, session }, ref))
      yield view ?? 'gone'
      if (!view) return
    }
  }

  /** 403 for those who may only connect; 404 for those who may not even know. */
  async setDesiredStatus(actor: Actor, ref: WorkspaceRef, desired: DesiredStatus): Promise<Outcome<WorkspaceView>> {
    const isStart = desired === 'Running'
    const permitted = await permit(this.#parts, actor, ref, isStart ? starting : stopping)
    if (!permitted.ok) {
      if (isStart) this.#parts.metrics.starts(permitted.problem.status < 500 ? 'refused' : 'failed').add()
      return permitted
    }
    const outcome = await attempt(() => this.#wish(actor, permitted.value, desired))
    if (isStart) this.#parts.metrics.starts(outcome.ok ? 'ok' : 'failed').add()
    return outcome
  }

  async #wish(actor: Actor, entry: WorkspaceEntry, desired: DesiredStatus): Promise<WorkspaceView> {
    const { resources, audit } = this.#parts
    const written = await wish(resources, entry, desired)
    if (written !== entry.workspace) {
      const event = desired === 'Running' ? 'start' : 'stop'
      audit.record({ event, ...auditActor(actor), workspace: refKey(entry.ref), reason: 'asked' })
    }
    return this.#find(actor, entry.ref) ?? this.#viewFor(actor, entry)
  }

  async logs(actor: Actor, ref: WorkspaceRef): Promise<Outcome<readonly string[]>> {
    const permitted = await permit(this.#parts, actor, ref, readingLogs)
    if (!permitted.ok) return permitted
    const workspaceUid = permitted.value.uid
    return attempt(() => this.#parts.runtime.logs(ref, { lines: logLines, workspaceUid }))
  }

  /** With his groups of now, where none are named. What RBAC says is asked for anew, whatever is known. */
  async explain(
    actor: Actor,
    ref: WorkspaceRef,
    subject: { user: string; groups?: readonly string[] },
  ): Promise<Outcome<Explanation>> {
    const { policy, clock, reviews } = this.#parts
    const permitted = await permit(this.#parts, actor, ref, asking)
    if (!permitted.ok) return permitted
    const entry = permitted.value
    const { user, groups } = subject
    const known = groups === undefined ? this.#parts.identityOf(user) : undefined
    const identity = known ?? { kind: 'person', username: user, uid: '', groups: groups ?? [] }
    const [grant] = grantsOf(entry, identity, policy, clock.now())
    const review =
      reviews && (grant ? await reviews.decideAfresh(mayConnect(reviews, entry, identity, grant)) : 'unasked')
    const { grant: named, ...explanation } = explainAccess(entry, identity, policy, clock.now(), review)
    if (this.#parts.isLocked(user)) return { ok: true, value: { ...explanation, allowed: false, reason: lockedOut } }
    if (named !== undefined) return { ok: true, value: { ...explanation, grant: named } }
    const reason = known || groups ? explanation.reason : `${explanation.reason} ${groupsUnknown}`
    return { ok: true, value: { ...explanation, reason } }
  }

  isAdministrator(actor: Actor): boolean {
    return isAdministrator(actor.session.identity, this.#parts.policy)
  }

  /** Namespaces whose workspaces RBAC does not let him open, of those where he has a grant: one question each. */
  async #closedNamespaces(actor: Actor): Promise<ReadonlySet<string>> {
    const { directory, reviews, policy, clock } = this.#parts
    const { identity } = actor.session
    if (!reviews) return new Set()
    const granted = [...directory.all()].filter((entry) => grantsOf(entry, identity, policy, clock.now()).length > 0)
    const namespaces = [...new Set(granted.map(({ ref }) => ref.namespace))]
    const decisions = await Promise.all(namespaces.map((of) => reviews.decide(mayConnectIn(of, identity))))
    if (decisions.includes('unavailable')) throw nobodyAnswers()
    return new Set(namespaces.filter((_, at) => decisions[at] === 'denied'))
  }

  async #reviewed(actor: Actor, ref: WorkspaceRef): Promise<WorkspaceView | undefined> {
    const { identity } = actor.session
    const known = await acquaint(this.#parts, identity, ref)
    if (known.kind === 'unavailable') throw nobodyAnswers()
    const view = known.kind === 'knows' ? this.#find(actor, ref) : undefined
    if (!view || known.kind !== 'knows' || view.can.share) return view
    const share = (await decideRight(this.#parts, 'share', known.entry, identity)) === 'allowed'
    return share ? { ...view, can: { ...view.can, share } } : view
  }

  #find(actor: Actor, ref: WorkspaceRef): WorkspaceView | undefined {
    const entry = this.#parts.directory.get(ref)
    return entry && this.#view(actor, entry)
  }

  #view(actor: Actor, entry: WorkspaceEntry): WorkspaceView | undefined {
    const { policy, clock } = this.#parts
    const hasGrant = grantsOf(entry, actor.session.identity, policy, clock.now()).length > 0
    return hasGrant ? this.#viewFor(actor, entry) : undefined
  }

  #viewFor(actor: Actor, entry: WorkspaceEntry): WorkspaceView {
    const { site, policy, clock } = this.#parts
    const { identity } = actor.session
    const now = clock.now()
    const [grant] = grantsOf(entry, identity, policy, now)
    const ports = this.#portViews(actor, entry)
    const modify = mayModify(entry, identity, policy, now)
    const share = mayShare(entry, identity, policy, now)
    const { phase, reason, message, steps } = entry.state
    const owner = ownerOf(entry.workspace) ?? ''
    return {
      namespace: entry.ref.namespace,
      name: entry.ref.name,
      displayName: entry.workspace.spec.displayName,
      owner,
      mine: owner !== '' && owner === identity.username,
      grant: grant?.kind ?? 'share',
      state: phase,
      reason,
      message,
      steps: steps.map((step) => ({ ...step, at: new Date(step.at).toISOString() })),
      ports,
      can: {
        open: ports.length > 0,
        start: modify && entry.workspace.spec.desiredStatus === 'Stopped',
        stop: modify && entry.workspace.spec.desiredStatus === 'Running',
        share,
        logs: modify,
        ssh: refusalOfWay(this.#parts, entry, identity, sshRemote) === undefined,
      },
      ...(share ? { connected: this.#connected(entry) } : {}),
      url: ports[0]?.url ?? urlOf(site, entry.ref, undefined),
      ...endsOf(entry, this.#parts.activity.reading(entry), identity, policy),
    }
  }

  #portViews(actor: Actor, entry: WorkspaceEntry): readonly WorkspacePortView[] {
    const { site, policy, clock, isPortReady } = this.#parts
    const [main] = entry.ports
    const isOpen = (port: WorkspacePort) =>
      decideAccess(entry, actor.session.identity, { port, connectionType: 'web-ui' }, policy, clock.now()).allowed
    return entry.ports.filter(isOpen).map((port) => ({
      name: port.name,
      port: port.port,
      label: port.label ?? port.name,
      url: urlOf(site, entry.ref, port === main ? undefined : port.port),
      exposed: port.expose,
      ready: entry.state.phase === 'Running' && isPortReady(entry, port),
    }))
  }

  #connected(entry: WorkspaceEntry): { user: string; streams: number }[] {
    const counts = new Map<string, number>()
    for (const group of this.#parts.streams.ofWorkspace(entry.uid)) {
      const user = this.#parts.sessionOf(group.key.session)?.identity.username ?? ''
      const open = group.streams().filter(({ isAway }) => !isAway)
      if (open.length > 0) counts.set(user, (counts.get(user) ?? 0) + open.length)
    }
    return [...counts].map(([user, streams]) => ({ user, streams }))
  }
}

const lockedOut = 'They are locked out, whatever else would let them in.'
const groupsUnknown = 'Nobody is logged in under this name, so that no groups are known.'

function nobodyAnswers(): GatewayError {
  return new GatewayError('store_unavailable', 'Nobody answers access reviews.')
}

/** A fault of the store or the runtime as a problem for whoever asked. */
export async function attempt<T>(act: () => Promise<T>): Promise<Outcome<T>> {
  try {
    return { ok: true, value: await act() }
  } catch (error) {
    if (error instanceof GatewayError) return { ok: false, problem: problemOfError(error) }
    throw error
  }
}
