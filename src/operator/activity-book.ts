/**
 * What all replicas have written of all workspaces, as far as it is decided by or shown, followed by the one who decides, and whether anything of it may
 * be missing. There may be thousands: of the rest, such as the seven days of each, nothing is kept.
 */
import {
  type Activity,
  activityKind,
  activityName,
  activityOf,
  sumOfRun,
  type WorkspaceActivity,
} from '#activity/activity-record.ts'
import { merge } from '#activity/clocks.ts'
import { type Hearing, possibleClocks, possibleStart } from '#activity/idle-decision.ts'
import type { WatchedWorkspace } from '#activity/workspace-record.ts'
import type { Clock, Milliseconds, Timestamp } from '#lib/clock.ts'
import type { ObjectMeta, Resources } from '#resources/contract.ts'
import { type Reflected, reflect } from '#resources/reflect.ts'

export interface ActivityBookParts {
  readonly resources: Resources
  /** Gatehouse's own. */
  readonly namespace: string
  /**
   * By how much the clock here is ahead of that of the store, which dates whatever is written; `undefined` while that is not known. Absent where all is of
   * one clock, or nothing is decided by it.
   */
  readonly aheadOfStore?: (() => Milliseconds | undefined) | undefined
  readonly clock: Clock
}

/** A record, as it was heard of. */
export interface Page extends Pick<ObjectMeta, 'namespace' | 'name' | 'uid' | 'resourceVersion'> {
  readonly workspace: WatchedWorkspace
  readonly replica: string
  /** With times that were possible then; without its history. */
  readonly activity: Activity
  readonly heardAt: Timestamp
  /** Of the book's own count. */
  readonly turn: number
}

/** Between lists, while what is written can not be followed. */
const firstPause: Milliseconds = 1_000
const longestPause: Milliseconds = 60_000

export class ActivityBook {
  readonly #parts: ActivityBookParts
  /** By the UID of the workspace, then by the name of the record. */
  readonly #pages = new Map<string, Map<string, Page>>()
  #heardSince: Timestamp | undefined
  /** Counts what was heard, and what was asked for. */
  #turn = 0
  #lostAt = 0
  #isListed = false
  readonly #listed = Promise.withResolvers<void>()
  #pause = firstPause
  #nextList: Timestamp = 0

  constructor(parts: ActivityBookParts) {
    this.#parts = parts
  }

  /** Settles with the first list. */
  get listed(): Promise<void> {
    return this.#listed.promise
  }

  /** Since when nothing that was written has been missed. */
  get heardSince(): Timestamp | undefined {
    return this.#heardSince
  }

  async follow(signal: AbortSignal): Promise<void> {
    const { resources, namespace, clock } = this.#parts
    for await (const event of reflect(resources, activityKind, { namespace, clock, signal })) this.#apply(event)
  }

  /** What was heard so far may have been missed in part. */
  doubt(): void {
    const isLong = this.#heardSince !== undefined && this.#parts.clock.now() - this.#heardSince > longestPause
    if (isLong) this.#pause = firstPause
    this.#heardSince = undefined
    this.#turn += 1
    this.#lostAt = this.#turn
  }

  /** The date here was moved, perhaps, by which everything was put down. */
  forget(): void {
    this.doubt()
    if (!this.#parts.aheadOfStore) return
    this.#pages.clear()
    this.#isListed = false
  }

  /** After a gap: what was missed; nothing while it is not yet time to ask again. Throws `store_unavailable`. */
  async catchUp(signal: AbortSignal): Promise<void> {
    const { resources, namespace, clock } = this.#parts
    const now = clock.now()
    const wait = this.#nextList - now
    // Of a date that was put back since it would be no pause.
    if (wait > 0 && wait <= longestPause) return
    this.#nextList = now + this.#pause
    this.#pause = Math.min(2 * this.#pause, longestPause)
    this.#turn += 1
    const asked = this.#turn
    const { items } = await resources.list(activityKind, { namespace, signal })
    this.#replaceAll(items, asked)
  }

  /** Of all replicas, about this run; `undefined`: none has written anything. Of several verdicts, such as one of who is gone, the last that was heard. */
  of(uid: string, instance: string): Activity | undefined {
    const pages = this.pagesOf(uid).toSorted((one, other) => other.turn - one.turn)
    return sumOfRun(
      pages.map(({ activity }) => activity),
      instance,
    )
  }

  /** What all replicas have written of it, and that one, read anew from the store. Throws `store_unavailable`. */
  async readAfresh(uid: string, replica: string): Promise<readonly WorkspaceActivity[]> {
    const { resources, namespace } = this.#parts
    const replicas = [...new Set([...this.replicas(), replica])]
    const names = replicas.map((one) => activityName(uid, one))
    const records = await Promise.all(names.map((name) => resources.get(activityKind, { namespace, name })))
    return records.filter((record) => record !== undefined)
  }

  pagesOf(uid: string): readonly Page[] {
    return [...(this.#pages.get(uid)?.values() ?? [])]
  }

  workspaces(): readonly string[] {
    return [...this.#pages.keys()]
  }

  /** All that have written anything. */
  replicas(): ReadonlySet<string> {
    const pages = [...this.#pages.values()].flatMap((of) => [...of.values()])
    return new Set(pages.map(({ replica }) => replica))
  }

  /** Keeps what was read, and gives it with times that are possible, without its history. `isNew`: it was written just now. */
  read(record: WorkspaceActivity, isNew = this.#isListed): Activity {
    const { workspace, replica } = record.spec
    const { namespace, name, uid, resourceVersion } = record.metadata
    const pages = this.#pages.get(workspace.uid) ?? new Map<string, Page>()
    const known = pages.get(name)
    if (known?.resourceVersion === resourceVersion) return known.activity
    const heardAt = this.#parts.clock.now()
    const told = possible(record, isNew ? whenRead(record, heardAt) : this.#whenListed(record, heardAt))
    // The same record knows nothing less later on.
    const activity = known?.uid === uid ? { ...told, clocks: merge(known.activity.clocks, told.clocks) } : told
    this.#turn += 1
    const about = { namespace, name, uid, resourceVersion, workspace, replica }
    pages.set(name, { ...about, activity, heardAt, turn: this.#turn })
    this.#pages.set(workspace.uid, pages)
    return activity
  }

  #apply(event: Reflected<WorkspaceActivity>): void {
    switch (event.type) {
      case 'synced':
        this.#turn += 1
        this.#replaceAll(event.objects, this.#turn)
        return
      case 'applied':
        this.read(event.object, true)
        return
      case 'deleted':
        this.#drop(event.object.spec.workspace.uid, event.object.metadata.name)
        return
      case 'stale':
        this.doubt()
        return
    }
  }

  /** What was heard since it was asked for is newer than the list. */
  #replaceAll(records: readonly WorkspaceActivity[], asked: number): void {
    const { aheadOfStore } = this.#parts
    this.#listed.resolve()
    // It is listed again: what was written when can't be told yet.
    if (!this.#isListed && aheadOfStore && aheadOfStore() === undefined) return
    const names = new Set(records.map(({ metadata }) => metadata.name))
    const isNewer = (page: Page | undefined) => page !== undefined && page.turn > asked
    for (const record of records) {
      if (!isNewer(this.#pages.get(record.spec.workspace.uid)?.get(record.metadata.name))) this.read(record)
    }
    for (const page of [...this.#pages.values()].flatMap((of) => [...of.values()])) {
      if (!names.has(page.name) && !isNewer(page)) this.#drop(page.workspace.uid, page.name)
    }
    this.#isListed = true
    if (this.#lostAt <= asked) this.#heardSince = this.#parts.clock.now()
  }

  /** What was written long ago: when, is told by the store, or else by the date of whoever wrote it. */
  #whenListed(record: WorkspaceActivity, now: Timestamp): Hearing {
    const { aheadOfStore } = this.#parts
    if (!aheadOfStore) return { heardAt: now, writtenAt: undefined }
    const [ahead, { updatedAt }] = [aheadOfStore(), record.metadata]
    // Where neither is known it may have been just now.
    const at = ahead === undefined || updatedAt === undefined ? now : Math.min(now, updatedAt + ahead)
    return whenRead(record, at)
  }

  #drop(workspaceUid: string, name: string): void {
    const pages = this.#pages.get(workspaceUid)
    pages?.delete(name)
    if (pages?.size === 0) this.#pages.delete(workspaceUid)
  }
}

/** It was written then, whatever its own date says. */
function whenRead({ spec: { writtenAt } }: WorkspaceActivity, heardAt: Timestamp): Hearing {
  return { heardAt, writtenAt: writtenAt === undefined ? undefined : Date.parse(writtenAt) }
}

function possible(record: WorkspaceActivity, hearing: Hearing): Activity {
  const { history: _, accessURL: __, ...told } = activityOf(record)
  const { clocks, run } = told
  const since = run && { ...run, since: possibleStart(run.since, clocks, hearing) }
  return { ...told, clocks: possibleClocks(clocks, hearing), run: since }
}
