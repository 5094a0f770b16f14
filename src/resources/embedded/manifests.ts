/**
 * A folder of YAML manifests, kept in force: read at start and whenever something changes. The files own their objects;
 * see `overlay.ts` for the fields that people own, `manifest-plan.ts` for what a broken file means.
 */
import { messageOf } from '#errors.ts'
import { type Clock, type Milliseconds, sleep } from '#lib/clock.ts'
import type { ObjectMeta, Resource, ResourceKind } from '#resources/contract.ts'
import type { DeclaredObjects } from './declared-objects.ts'
import { FolderWatch } from './folder-watch.ts'
import type { ManifestProblem } from './manifest-file.ts'
import { type FolderSnapshot, ManifestFolder } from './manifest-folder.ts'
import { planManifests } from './manifest-plan.ts'
import type { StoreLog } from './store-log.ts'

/** Editors write a file in several steps. */
const settleTime: Milliseconds = 100
/**
 * A file that is gone, or is shorter than before, may be on its way to be written. Deleting its objects would take their shares with them,
 * so it has to be gone for longer than any editor needs.
 */
const deletionTime: Milliseconds = 300
/** The kernel's reports may get lost; where there are none, this is how soon a change is seen. */
const rescanTime: Milliseconds = 5_000
const unwatchedRescanTime: Milliseconds = 500

export interface ManifestOptions {
  readonly folder: string
  readonly store: { readonly declared: DeclaredObjects }
  /** What a file may declare. */
  readonly kinds: readonly ResourceKind<Resource>[]
  readonly clock: Clock
  readonly log: StoreLog
  readonly signal: AbortSignal
  /** Called whenever they differ from before; with `[]` when the last one is mended. */
  readonly onProblems?: (problems: readonly ManifestProblem[]) => void
}

export interface ManifestWatch {
  problems(): readonly ManifestProblem[]
  /** Whether a manifest file declares this very object (a namesake has another uid). Throws `store_unavailable`. */
  isFromManifest(kind: ResourceKind<Resource>, metadata: Pick<ObjectMeta, 'uid'>): boolean
  /** Resolves when what the folder said at start is in force, or could not be read and is a problem, or the signal is aborted. */
  readonly ready: Promise<void>
}

/** Whatever is wrong with the folder or a file is a problem, and the last good version stays in force. */
export function watchManifests(options: ManifestOptions): ManifestWatch {
  const manifests = new Manifests(options)
  const first = Promise.withResolvers<void>()
  // Its end needs no waiting for: it touches nothing once the signal is aborted, which is also the only thing it rejects with.
  manifests
    .run(first.resolve)
    .catch(() => undefined)
    .finally(first.resolve)
  return {
    problems: () => manifests.problems,
    isFromManifest: (kind, { uid }) => options.store.declared.isDeclared(kind, uid),
    ready: first.promise,
  }
}

class Manifests {
  problems: readonly ManifestProblem[] = []
  readonly #options: ManifestOptions
  readonly #folder: ManifestFolder
  readonly #watch: FolderWatch
  /** Aborted by the first change after the last reading began. */
  #change = new AbortController()

  constructor(options: ManifestOptions) {
    this.#options = options
    this.#folder = new ManifestFolder(options.folder, options.kinds)
    this.#watch = new FolderWatch(() => this.#change.abort(), options.signal)
  }

  async run(onFirst: () => void): Promise<void> {
    const { clock, signal } = this.#options
    while (!signal.aborted) {
      this.#change = new AbortController()
      await this.#bringIntoForce()
      onFirst()
      const pause = this.#watch.isComplete ? rescanTime : unwatchedRescanTime
      await sleep(clock, pause, AbortSignal.any([signal, this.#change.signal])).catch(() => undefined)
      await sleep(clock, settleTime, signal)
    }
  }

  async #bringIntoForce(): Promise<void> {
    const { clock, log, signal, store } = this.#options
    try {
      let snapshot = await this.#read()
      if (planManifests(snapshot, store.declared.holdings()).remove.length > 0) {
        await sleep(clock, deletionTime, signal)
        snapshot = await this.#read()
      }
      signal.throwIfAborted()
      const plan = planManifests(snapshot, store.declared.holdings())
      const { added, modified, deleted } = store.declared.apply(plan)
      const count = added + modified + deleted
      if (count > 0) log.info({ count }, 'changed manifests are in force')
      this.#report(plan.problems)
    } catch (error) {
      signal.throwIfAborted()
      this.#report([{ file: '.', line: 0, reason: messageOf(error) }])
    }
  }

  /** A folder is read after its watch began, so that no change falls in between. */
  async #read(): Promise<FolderSnapshot> {
    const { signal } = this.#options
    for (;;) {
      const snapshot = await this.#folder.read()
      signal.throwIfAborted()
      if (!this.#watch.follow(snapshot.folders)) return snapshot
    }
  }

  #report(problems: readonly ManifestProblem[]): void {
    const before = new Set(this.problems.map((problem) => JSON.stringify(problem)))
    const fresh = problems.filter((problem) => !before.has(JSON.stringify(problem)))
    if (fresh.length === 0 && problems.length === this.problems.length) return
    const { log, onProblems } = this.#options
    this.problems = problems
    for (const problem of fresh) log.warn({ ...problem }, 'a manifest is not in force; its last good version stays')
    if (problems.length === 0) log.info({}, 'all manifests are in force')
    onProblems?.(problems)
  }
}
