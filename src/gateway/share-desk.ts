/** Sharing through the console and the API: who may, what a share must say, and the verdict written with it. */
import { randomUUID } from 'node:crypto'
import { GatewayError } from '#errors.ts'
import type { Clock } from '#lib/clock.ts'
import type { Audit } from '#observe/audit.ts'
import type { OwnerReference, Resources } from '#resources/contract.ts'
import type { ShareInput, ShareView } from '#surface/messages.ts'
import { type Outcome, problem } from '#surface/problem.ts'
import { refKey, type WorkspaceRef } from '#surface/workspace-ref.ts'
import { type AccessPolicy, expiryOf, isAdministrator, mayShare } from '#workspace/access.ts'
import { kindsOfConnection, readConnectionType, webUi } from '#workspace/connections.ts'
import type { Directory, WorkspaceEntry } from '#workspace/directory.ts'
import type { Decision, Reviews } from '#workspace/reviews.ts'
import { isNarrowed, sharedByAnnotation, shareKind, type WorkspaceShare } from '#workspace/share.ts'
import { type Authorship, isAccepted, judgeShare, ownersHaveAll, writeVerdict } from '#workspace/share-acceptance.ts'
import { type Actor, auditActor, decideRight, notNow, permit, type Right } from './actor.ts'
import { attempt } from './desk.ts'

export interface ShareDeskParts {
  readonly directory: Directory
  readonly policy: AccessPolicy
  readonly reviews?: Reviews
  readonly resources: Resources
  readonly audit: Audit
  readonly clock: Clock
}

const sharing: Right = {
  name: 'share',
  isHeld: mayShare,
  verb: 'share',
  refusal: 'Only its owner and administrators may share it.',
}

export class ShareDesk {
  readonly #parts: ShareDeskParts

  constructor(parts: ShareDeskParts) {
    this.#parts = parts
  }

  async list(actor: Actor, ref: WorkspaceRef): Promise<Outcome<readonly ShareView[]>> {
    const permitted = await this.#permitted(actor, ref)
    if (!permitted.ok) return permitted
    return attempt(async () => {
      const { items } = await this.#parts.resources.list(shareKind, { namespace: ref.namespace })
      return items.filter((share) => names(share, ref)).map(viewOf)
    })
  }

  /** Every workspace it names must be one that the actor may share. */
  async create(actor: Actor, ref: WorkspaceRef, input: ShareInput): Promise<Outcome<ShareView>> {
    const entries: WorkspaceEntry[] = []
    for (const name of new Set([ref.name, ...(input.workspaces ?? [])])) {
      const permitted = await this.#permitted(actor, { namespace: ref.namespace, name })
      if (!permitted.ok) return permitted
      entries.push(permitted.value)
    }
    if (input.access === 'own') {
      const decision = await this.#mayAppoint(actor, entries)
      if (decision === 'unavailable') return { ok: false, problem: notNow }
      if (decision === 'denied') {
        const said = { ...auditActor(actor), workspace: refKey(ref), port: undefined }
        this.#parts.audit.record({ event: 'deny', ...said, reason: 'may-not-appoint-owners' })
        return { ok: false, problem: problem('forbidden', 403, 'Only an administrator makes somebody an owner.') }
      }
    }
    const fault = this.#faultIn(input, entries)
    if (fault) return { ok: false, problem: fault }
    return attempt(() => this.#write(actor, ref, input, entries))
  }

  async revoke(actor: Actor, ref: WorkspaceRef, name: string): Promise<Outcome<undefined>> {
    const permitted = await this.#permitted(actor, ref)
    if (!permitted.ok) return permitted
    const { resources, audit } = this.#parts
    return attempt(async () => {
      const share = await resources.get(shareKind, { namespace: ref.namespace, name })
      if (!share || !names(share, ref)) throw new GatewayError('not_found', 'No such share of this workspace.')
      await resources.delete(shareKind, { namespace: ref.namespace, name }, { uid: share.metadata.uid })
      audit.record({
        event: 'share-revoked',
        ...auditActor(actor),
        workspace: refKey(ref),
        share: name,
        reason: 'asked',
      })
      return undefined
    })
  }

  #permitted(actor: Actor, ref: WorkspaceRef): Promise<Outcome<WorkspaceEntry>> {
    return permit(this.#parts, actor, ref, sharing)
  }

  /** Administrators, and whoever has the RBAC verb `own` on each of them. */
  async #mayAppoint(actor: Actor, entries: readonly WorkspaceEntry[]): Promise<Decision> {
    const { identity } = actor.session
    if (isAdministrator(identity, this.#parts.policy)) return 'allowed'
    const decisions = await Promise.all(entries.map((entry) => decideRight(this.#parts, 'own', entry, identity)))
    if (decisions.includes('denied')) return 'denied'
    return decisions.includes('unavailable') ? 'unavailable' : 'allowed'
  }

  /** Whose word it is. What only a right by RBAC could allow was allowed by it. */
  #authorshipOf(actor: Actor, access: ShareInput['access'], entries: readonly WorkspaceEntry[]): Authorship {
    const { policy, clock } = this.#parts
    const { identity } = actor.session
    if (isAdministrator(identity, policy)) return 'AdministratorGranted'
    const isOwner = entries.every((entry) => mayShare(entry, identity, policy, clock.now()))
    return isOwner && access !== 'own' ? 'OwnerGranted' : 'RbacGranted'
  }

  #faultIn(input: ShareInput, entries: readonly WorkspaceEntry[]) {
    const fault = (field: string, message: string) => ({
      ...problem('unprocessable', 422),
      faults: [{ field, message }],
    })
    const known = new Set(entries.flatMap((entry) => entry.ports.map((port) => port.name)))
    const unknown = input.ports?.find((name) => !known.has(name))
    if (unknown !== undefined) return fault('ports', `There is no port '${unknown}'.`)
    const odd = input.connectionTypes?.find((name) => name !== webUi && readConnectionType(name) === undefined)
    if (odd !== undefined)
      return fault('connectionTypes', `There is no kind of connection '${odd}': ${kindsOfConnection}.`)
    if (input.access === 'own' && isNarrowed(input)) return fault('access', ownersHaveAll)
    if (input.expiresAt !== undefined) {
      const until = Date.parse(input.expiresAt)
      if (Number.isNaN(until)) return fault('expiresAt', 'This is no date as RFC 3339 writes them.')
      if (until <= this.#parts.clock.now()) return fault('expiresAt', 'This is in the past.')
    }
    return undefined
  }

  async #write(
    actor: Actor,
    ref: WorkspaceRef,
    input: ShareInput,
    entries: readonly WorkspaceEntry[],
  ): Promise<ShareView> {
    const { resources, clock, audit } = this.#parts
    const { workspaces: _, ...rest } = input
    const spec = shareKind.parseSpec({ ...rest, workspaces: entries.map((entry) => ({ name: entry.ref.name })) })
    const created = await resources.create(shareKind, {
      metadata: {
        name: `${ref.name.slice(0, 200)}-${randomUUID().slice(0, 8)}`,
        namespace: ref.namespace,
        annotations: { [sharedByAnnotation]: actor.session.identity.username },
        ownerReferences: entries.map(referenceTo),
      },
      spec,
    })
    const authorship = this.#authorshipOf(actor, input.access, entries)
    const uids = new Map(entries.map((entry) => [entry.ref.name, entry.uid]))
    const now = new Date(clock.now()).toISOString()
    const status = judgeShare(created, authorship, (name) => uids.get(name), now)
    const judged = (await writeVerdict(resources, created, status)) ?? created
    audit.record({
      event: 'share-created',
      ...auditActor(actor),
      workspace: refKey(ref),
      share: created.metadata.name,
      grantees: spec.grantees.map((grantee) => `${grantee.kind}:${grantee.name}`),
      access: spec.access,
      ports: spec.ports,
      connectionTypes: spec.connectionTypes,
      expiresAt: expiryOf(created),
    })
    return viewOf(judged)
  }
}

function referenceTo(entry: WorkspaceEntry): OwnerReference {
  const { apiVersion, kind } = entry.workspace
  return { apiVersion, kind, name: entry.ref.name, uid: entry.uid }
}

function names(share: WorkspaceShare, ref: WorkspaceRef): boolean {
  return share.metadata.namespace === ref.namespace && share.spec.workspaces.some((named) => named.name === ref.name)
}

function viewOf(share: WorkspaceShare): ShareView {
  const { spec, metadata, status } = share
  const condition = status.conditions.find((candidate) => candidate.type === 'Accepted')
  return {
    name: metadata.name,
    createdBy: metadata.annotations[sharedByAnnotation] ?? '',
    createdAt: metadata.creationTimestamp,
    grantees: spec.grantees,
    access: spec.access,
    ...(spec.ports ? { ports: spec.ports } : {}),
    ...(spec.connectionTypes ? { connectionTypes: spec.connectionTypes } : {}),
    ...(spec.expiresAt === undefined ? {} : { expiresAt: spec.expiresAt }),
    workspaces: spec.workspaces.map((named) => named.name),
    status: { accepted: isAccepted(share), reason: condition?.reason ?? 'Pending', message: condition?.message ?? '' },
  }
}
