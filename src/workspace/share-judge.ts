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
import type { WorkspaceShare } from './share.ts'
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

const mostAtOnce = 8
const retryAfter: Milliseconds = 2_000

export class ShareJudge {
  readonly #options: ShareJudgeOptions
  /** By UID, as the others. */
  readonly #waiting = new Map<string, WorkspaceShare>()
  readonly #due = new Map<string, WorkspaceShare>()
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
        return
      case 'applied':
        this.#consider(event.object)
        return
      case 'synced':
        this.#waiting.clear()
        this.#due.clear()
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
    if (isUnjudged(share)) this.#enqueue(share)
  }

  #enqueue(share: WorkspaceShare): void {
    this.#due.set(share.metadata.uid, share)
    if (this.#working >= mostAtOnce) return
    this.#working++
    const working = this.#judgeDue().finally(() => this.#working--)
    working.catch((error: unknown) => this.#options.log.error({ error }, 'shares are not judged'))
  }

  async #judgeDue(): Promise<void> {
    for (const [uid, share] of this.#due) {
      this.#due.delete(uid)
      if (this.#options.signal.aborted) return
      await this.#judge(share)
    }
  }

  async #judge(share: WorkspaceShare): Promise<void> {
    const { clock, log, authorshipOf } = this.#options
    const authorship = authorshipOf(share)
    const until = expiryOf(share)
    if (authorship === undefined || (until !== undefined && until <= clock.now())) return
    const { namespace, name, uid } = share.metadata
    try {
      await this.#writeVerdict(share, authorship)
    } catch (error) {
      log.warn({ name: `${namespace}/${name}`, reason: messageOf(error) }, 'a share could not be judged')
      if (error instanceof GatewayError && error.retryable)
        clock.after(retryAfter, () => this.#due.has(uid) || this.#enqueue(share))
    }
  }

  async #writeVerdict(share: WorkspaceShare, authorship: Authorship): Promise<void> {
    const { resources, clock, serves } = this.#options
    const { namespace } = share.metadata
    const named = await Promise.all(
      share.spec.workspaces.map(({ name }) => resources.get(workspaceKind, { namespace, name })),
    )
    const found = named.flatMap((workspace) => (workspace ? [workspace] : []))
    if (found.length > 0 && !found.some(serves)) return
    const uids = new Map(found.map(({ metadata }) => [metadata.name, metadata.uid]))
    const verdict = judgeShare(share, authorship, (of) => uids.get(of), new Date(clock.now()).toISOString())
    await writeVerdict(resources, share, verdict)
  }
}
