/**
 * Gives a verdict to shares that were not made through Gatehouse, and again to those whose workspace did not exist yet. Behind the watch and a few at
 * a time: who follows shares never waits for the store, or a revoked share would stand for as long as others are judged.
 */
import { GatewayError, messageOf } from '#errors.ts'
import type { Clock, Milliseconds } from '#lib/clock.ts'
import type { Log } from '#observe/log.ts'
import type { Resources } from '#resources/contract.ts'
import type { Reflected } from '#resources/reflect.ts'
import { expiryOf } from './access.ts'
import type { DirectoryChange } from './directory.ts'
import { sharedByAnnotation, type WorkspaceShare } from './share.ts'
import { type Authorship, isUnjudged, judgeShare, writeVerdict } from './share-acceptance.ts'
import { type Workspace, workspaceKind } from './workspace.ts'

export interface ShareJudgeOptions {
  readonly resources: Resources
  readonly clock: Clock
  readonly log: Log
  /** `undefined`: somebody else gives this share its verdict. */
  readonly authorshipOf: (share: WorkspaceShare) => Authorship | undefined
  /** Which workspaces this gateway serves: a share of others alone is for theirs. */
  readonly serves: (workspace: Workspace) => boolean
  /** Nothing is judged any more. */
  readonly signal: AbortSignal
}

/** Namespaces. */
const mostAtOnce = 8
const retryAfter: Milliseconds = 2_000
/** Who makes a share through Gatehouse writes the verdict with it, and knows by what right; without one by then, that replica is gone. */
const makerHas: Milliseconds = 10_000

export class ShareJudge {
  readonly #options: ShareJudgeOptions
  /** By UID, as the others. */
  readonly #waiting = new Map<string, WorkspaceShare>()
  readonly #due = new Map<string, WorkspaceShare>()
  readonly #leftToMaker = new Map<string, WorkspaceShare>()
  #working = 0

  constructor(options: ShareJudgeOptions) {
    this.#options = options
  }

  apply(event: Reflected<WorkspaceShare>): void {
    switch (event.type) {
      case 'stale':
        return
      case 'deleted':
        this.#waiting.delete(event.object.metadata.uid)
        this.#due.delete(event.object.metadata.uid)
        this.#leftToMaker.delete(event.object.metadata.uid)
        return
      case 'applied':
        this.#consider(event.object)
        return
      case 'synced':
        this.#waiting.clear()
        this.#due.clear()
        this.#leftToMaker.clear()
        for (const share of event.objects) this.#consider(share)
    }
  }

  /** A workspace appeared: shares that waited for it are judged again. */
  workspaceChanged(change: DirectoryChange): void {
    if (!change.after || change.before) return
    const { namespace, name } = change.ref
    for (const share of this.#waiting.values()) {
      const isNamed =
        share.metadata.namespace === namespace && share.spec.workspaces.some((named) => named.name === name)
      if (isNamed) this.#enqueue(share)
    }
  }

  #consider(share: WorkspaceShare): void {
    const isMissing = share.status.conditions.some((condition) => condition.reason === 'WorkspaceNotFound')
    if (isMissing) this.#waiting.set(share.metadata.uid, share)
    else this.#waiting.delete(share.metadata.uid)
    if (!isUnjudged(share)) this.#leftToMaker.delete(share.metadata.uid)
    else if (share.metadata.annotations[sharedByAnnotation] === undefined) this.#enqueue(share)
    else this.#leaveToMaker(share)
  }

  #leaveToMaker(share: WorkspaceShare): void {
    const { uid } = share.metadata
    const isNew = !this.#leftToMaker.has(uid)
    this.#leftToMaker.set(uid, share)
    if (!isNew) return
    this.#options.clock.after(makerHas, () => {
      const unjudged = this.#leftToMaker.get(uid)
      this.#leftToMaker.delete(uid)
      if (unjudged) this.#enqueue(unjudged)
    })
  }

  #enqueue(share: WorkspaceShare): void {
    this.#due.set(share.metadata.uid, share)
    if (this.#working >= mostAtOnce) return
    this.#working++
    const working = this.#judgeDue().finally(() => this.#working--)
    working.catch((error: unknown) => this.#options.log.error({ error }, 'shares are not judged'))
  }

  /** All of one namespace together, which costs the store one list. */
  async #judgeDue(): Promise<void> {
    for (const [, { metadata }] of this.#due) {
      const together = [...this.#due.values()].filter((share) => share.metadata.namespace === metadata.namespace)
      for (const share of together) this.#due.delete(share.metadata.uid)
      if (this.#options.signal.aborted) return
      await this.#judge(metadata.namespace, together)
    }
  }

  async #judge(namespace: string, shares: readonly WorkspaceShare[]): Promise<void> {
    const unsettled = shares.filter((share) => this.#needsVerdict(share))
    if (unsettled.length === 0) return
    try {
      const { items } = await this.#options.resources.list(workspaceKind, { namespace })
      const there = new Map(items.map((workspace) => [workspace.metadata.name, workspace]))
      await Promise.all(unsettled.map((share) => this.#settle(share, there)))
    } catch (error) {
      for (const share of unsettled) this.#failed(share, error)
    }
  }

  #needsVerdict(share: WorkspaceShare): boolean {
    const until = expiryOf(share)
    const isOver = until !== undefined && until <= this.#options.clock.now()
    return !isOver && this.#options.authorshipOf(share) !== undefined
  }

  /** Never rejects. */
  async #settle(share: WorkspaceShare, there: ReadonlyMap<string, Workspace>): Promise<void> {
    const { resources, clock, authorshipOf, serves } = this.#options
    const authorship = authorshipOf(share)
    const found = share.spec.workspaces.flatMap(({ name }) => there.get(name) ?? [])
    const isOfOthers = found.length > 0 && !found.some(serves)
    if (authorship === undefined || isOfOthers) return
    const now = new Date(clock.now()).toISOString()
    try {
      await writeVerdict(
        resources,
        share,
        judgeShare(share, authorship, (of) => there.get(of)?.metadata.uid, now),
      )
    } catch (error) {
      this.#failed(share, error)
    }
  }

  #failed(share: WorkspaceShare, error: unknown): void {
    const { clock, log } = this.#options
    const { namespace, name, uid } = share.metadata
    log.warn({ name: `${namespace}/${name}`, reason: messageOf(error) }, 'a share could not be judged')
    if (error instanceof GatewayError && error.retryable)
      clock.after(retryAfter, () => this.#due.has(uid) || this.#enqueue(share))
  }
}
