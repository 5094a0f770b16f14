/** Gives a verdict to shares that were not made through Gatehouse, and again to those whose workspace did not exist yet. */
import { messageOf } from '#errors.ts'
import type { Clock } from '#lib/clock.ts'
import type { Log } from '#observe/log.ts'
import type { Resources } from '#resources/contract.ts'
import type { Reflected } from '#resources/reflect.ts'
import type { DirectoryChange } from './directory.ts'
import type { WorkspaceShare } from './share.ts'
import { type Authorship, isUnjudged, judgeShare, writeVerdict } from './share-acceptance.ts'
import { workspaceKind } from './workspace.ts'

export interface ShareJudgeOptions {
  readonly resources: Resources
  readonly clock: Clock
  readonly log: Log
  /** `undefined`: somebody else gives this share its verdict. */
  readonly authorshipOf: (share: WorkspaceShare) => Authorship | undefined
}

export class ShareJudge {
  readonly #options: ShareJudgeOptions
  readonly #waiting = new Map<string, WorkspaceShare>()

  constructor(options: ShareJudgeOptions) {
    this.#options = options
  }

  async apply(event: Reflected<WorkspaceShare>): Promise<void> {
    switch (event.type) {
      case 'stale':
        return
      case 'deleted':
        this.#waiting.delete(event.object.metadata.uid)
        return
      case 'applied':
        return this.#consider(event.object)
      case 'synced':
        this.#waiting.clear()
        for (const share of event.objects) await this.#consider(share)
    }
  }

  /** A workspace appeared: shares that waited for it are judged again. */
  async workspaceChanged(change: DirectoryChange): Promise<void> {
    if (!change.after || change.before) return
    const { namespace, name } = change.ref
    for (const share of this.#waiting.values()) {
      const isNamed =
        share.metadata.namespace === namespace && share.spec.workspaces.some((named) => named.name === name)
      if (isNamed) await this.#judge(share)
    }
  }

  async #consider(share: WorkspaceShare): Promise<void> {
    const isMissing = share.status.conditions.some((condition) => condition.reason === 'WorkspaceNotFound')
    if (isMissing) this.#waiting.set(share.metadata.uid, share)
    else this.#waiting.delete(share.metadata.uid)
    if (isUnjudged(share)) await this.#judge(share)
  }

  async #judge(share: WorkspaceShare): Promise<void> {
    const { resources, clock, log, authorshipOf } = this.#options
    const authorship = authorshipOf(share)
    if (authorship === undefined) return
    const { namespace, name } = share.metadata
    try {
      const { items } = await resources.list(workspaceKind, { namespace })
      const uids = new Map(items.map((workspace) => [workspace.metadata.name, workspace.metadata.uid]))
      const verdict = judgeShare(share, authorship, (of) => uids.get(of), new Date(clock.now()).toISOString())
      await writeVerdict(resources, share, verdict)
    } catch (error) {
      log.warn({ name: `${namespace}/${name}`, reason: messageOf(error) }, 'a share could not be judged')
    }
  }
}
