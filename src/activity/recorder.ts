/**
 * What this replica has seen of all workspaces, in memory: who watches traffic tells it, who writes `WorkspaceActivity` and who decides read it.
 * Workspaces that are gone are forgotten, and there is room for a bounded number of them.
 */
import type { Clock } from '#lib/clock.ts'
import type { Clocks } from './clocks.ts'
import type { Sight } from './sight.ts'
import { type WatchedWorkspace, WorkspaceRecord } from './workspace-record.ts'

/** The clocks of one workspace at one moment. */
export interface Recorded {
  readonly workspace: WatchedWorkspace
  readonly clocks: Clocks
}

export interface RecorderParts {
  readonly clock: Clock
  /** Workspaces; of more than that the one heard of first is forgotten in which nothing is open. */
  readonly most?: number
}

const mostWorkspaces = 50_000

export class ActivityRecorder {
  readonly #records = new Map<string, WorkspaceRecord>()
  readonly #clock: Clock
  readonly #most: number

  constructor({ clock, most = mostWorkspaces }: RecorderParts) {
    this.#clock = clock
    this.#most = most
  }

  /** Where what is seen of this workspace goes; good for as long as it lives. */
  of(workspace: WatchedWorkspace): WorkspaceRecord {
    const known = this.#records.get(workspace.uid)
    if (known) return known
    if (this.#records.size >= this.#most) this.#makeRoom()
    const { namespace, name, uid } = workspace
    const record = new WorkspaceRecord({ namespace, name, uid }, this.#clock)
    this.#records.set(uid, record)
    return record
  }

  /** Something was seen. What is in the background leaves no trace. */
  record(workspace: WatchedWorkspace, seen: Sight, user?: string): void {
    if (seen.class !== 'background') this.of(workspace).record(seen, user)
  }

  /** A stream is open until it is disposed of. */
  connected(workspace: WatchedWorkspace, user?: string): Disposable {
    const record = this.of(workspace)
    let isOpen = true
    record.enter(user)
    return {
      [Symbol.dispose]() {
        if (isOpen) record.leave()
        isOpen = false
      },
    }
  }

  /** Of now. Without any clock where nothing was seen. */
  clocksOf(uid: string): Clocks {
    return this.#records.get(uid)?.clocks ?? {}
  }

  /**
   * Those in which something was seen since the last call, and those in which something goes on, since their clocks move with the time. Who fails to
   * write one down says so by {@link markChanged}.
   */
  takeChanged(): readonly Recorded[] {
    return [...this.#records.values()]
      .filter((record) => record.takeChanged())
      .map(({ workspace, clocks }) => ({ workspace, clocks }))
  }

  /** The next {@link takeChanged} has it again. */
  markChanged(uid: string): void {
    this.#records.get(uid)?.markChanged()
  }

  /** The workspace is gone. Streams of it that are still open may say what they like. */
  forget(uid: string): void {
    this.#records.delete(uid)
  }

  #makeRoom(): void {
    for (const [uid, record] of this.#records) {
      if (record.isLive) continue
      this.#records.delete(uid)
      return
    }
  }
}
