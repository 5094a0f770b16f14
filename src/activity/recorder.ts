/**
 * What this replica has seen of all workspaces, in memory: who watches traffic tells it, who writes `WorkspaceActivity` and who decides read it.
 * Workspaces that are gone are forgotten, and there is room for a bounded number of them.
 */
import type { Clock, Milliseconds, Timestamp } from '#lib/clock.ts'
import type { Clocks } from './clocks.ts'
import { InflaterPool } from './inflater.ts'
import { Onlooker } from './onlooker.ts'
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
  readonly inflaters?: InflaterPool
}

const mostWorkspaces = 50_000
/** Of one workspace; they are made again when there are more. */
const mostOnlookers = 100

interface SeenWorkspace {
  readonly record: WorkspaceRecord
  readonly onlookers: Map<string, Onlooker>
}

export class ActivityRecorder {
  readonly #seen = new Map<string, SeenWorkspace>()
  readonly #inflaters: InflaterPool
  readonly #clock: Clock
  readonly #most: number

  constructor({ clock, most = mostWorkspaces, inflaters = new InflaterPool() }: RecorderParts) {
    this.#clock = clock
    this.#inflaters = inflaters
    this.#most = most
  }

  /** Where what is seen of this workspace goes; good for as long as it lives. */
  of(workspace: WatchedWorkspace): WorkspaceRecord {
    return this.#of(workspace).record
  }

  /** Sees for this person; good for as long as the workspace lives. */
  onlookerOf(workspace: WatchedWorkspace, user: string): Onlooker {
    const { record, onlookers } = this.#of(workspace)
    const known = onlookers.get(user)
    if (known) return known
    if (onlookers.size >= mostOnlookers) onlookers.clear()
    const onlooker = new Onlooker(record, user, this.#inflaters)
    onlookers.set(user, onlooker)
    return onlooker
  }

  /** Something was seen. What is in the background leaves no trace. */
  record(workspace: WatchedWorkspace, seen: Sight, user?: string): void {
    if (seen.class !== 'background') this.of(workspace).record(seen, user)
  }

  /** Somebody asked that it is kept until then. */
  keep(workspace: WatchedWorkspace, until: Timestamp, user: string): void {
    this.of(workspace).keep(until, user)
  }

  /** As {@link WorkspaceRecord.dateMoved}, of all of them. */
  dateMoved(span: Milliseconds, possible: (clocks: Clocks) => Clocks): void {
    for (const { record } of this.#seen.values()) record.dateMoved(span, possible)
  }

  /** Of now. Without any clock where nothing was seen. */
  clocksOf(uid: string): Clocks {
    return this.#seen.get(uid)?.record.clocks ?? {}
  }

  /** Those in which something was seen since the last call, and those in which something goes on, since their clocks move with the time. */
  takeChanged(): readonly Recorded[] {
    return [...this.#seen.values()]
      .filter(({ record }) => record.takeChanged())
      .map(({ record: { workspace, clocks } }) => ({ workspace, clocks }))
  }

  /** The workspace is gone. Streams of it that are still open may say what they like. */
  forget(uid: string): void {
    this.#seen.delete(uid)
  }

  #of({ namespace, name, uid }: WatchedWorkspace): SeenWorkspace {
    const known = this.#seen.get(uid)
    if (known) return known
    if (this.#seen.size >= this.#most) this.#makeRoom()
    const seen = { record: new WorkspaceRecord({ namespace, name, uid }, this.#clock), onlookers: new Map() }
    this.#seen.set(uid, seen)
    return seen
  }

  #makeRoom(): void {
    for (const [uid, { record }] of this.#seen) {
      if (record.isLive) continue
      this.#seen.delete(uid)
      return
    }
  }
}
