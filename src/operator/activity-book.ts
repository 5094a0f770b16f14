/** What all replicas have written of all workspaces, followed by the one who decides, and whether anything of it may be missing. */
import {
  type Activity,
  activityKind,
  activityOf,
  mergeActivity,
  type WorkspaceActivity,
} from '#activity/activity-record.ts'
import { possibleClocks } from '#activity/idle-decision.ts'
import type { Clock, Timestamp } from '#lib/clock.ts'
import type { Resources } from '#resources/contract.ts'
import { type Reflected, reflect } from '#resources/reflect.ts'

export interface ActivityBookParts {
  readonly resources: Resources
  /** Gatehouse's own. */
  readonly namespace: string
  readonly clock: Clock
}

/** A record, as it was heard of. */
export interface Page {
  readonly record: WorkspaceActivity
  /** With times that were possible then. */
  readonly activity: Activity
  readonly heardAt: Timestamp
}

export class ActivityBook {
  readonly #parts: ActivityBookParts
  /** By the UID of the workspace, then by the name of the record. */
  readonly #pages = new Map<string, Map<string, Page>>()
  #heardSince: Timestamp | undefined

  constructor(parts: ActivityBookParts) {
    this.#parts = parts
  }

  /** Since when nothing that was written has been missed. */
  get heardSince(): Timestamp | undefined {
    return this.#heardSince
  }

  async follow(signal: AbortSignal): Promise<void> {
    const { resources, namespace, clock } = this.#parts
    for await (const event of reflect(resources, activityKind, { namespace, clock, signal })) this.#apply(event)
  }

  /** After a gap: what was missed. Throws `store_unavailable`. */
  async catchUp(signal: AbortSignal): Promise<void> {
    const { resources, namespace } = this.#parts
    const { items } = await resources.list(activityKind, { namespace, signal })
    this.#replaceAll(items)
  }

  /** Of all replicas; `undefined`: none has written anything. */
  of(uid: string): Activity | undefined {
    const [first, ...others] = this.pagesOf(uid).map(({ activity }) => activity)
    return first && others.reduce(mergeActivity, first)
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
    return new Set(pages.map(({ record }) => record.spec.replica))
  }

  /** Keeps what was read, and gives it with times that are possible. */
  read(record: WorkspaceActivity): Activity {
    const { uid } = record.spec.workspace
    const { name, resourceVersion } = record.metadata
    const known = this.#pages.get(uid)?.get(name)
    if (known?.record.metadata.resourceVersion === resourceVersion) return known.activity
    const heardAt = this.#parts.clock.now()
    const told = activityOf(record)
    const activity = { ...told, clocks: possibleClocks(told.clocks, heardAt) }
    const pages = this.#pages.get(uid) ?? new Map<string, Page>()
    pages.set(name, { record, activity, heardAt })
    this.#pages.set(uid, pages)
    return activity
  }

  #apply(event: Reflected<WorkspaceActivity>): void {
    switch (event.type) {
      case 'synced':
        this.#replaceAll(event.objects)
        return
      case 'applied':
        this.read(event.object)
        return
      case 'deleted':
        this.#drop(event.object)
        return
      case 'stale':
        this.#heardSince = undefined
        return
    }
  }

  #replaceAll(records: readonly WorkspaceActivity[]): void {
    const names = new Set(records.map(({ metadata }) => metadata.name))
    for (const record of records) this.read(record)
    for (const page of [...this.#pages.values()].flatMap((of) => [...of.values()])) {
      if (!names.has(page.record.metadata.name)) this.#drop(page.record)
    }
    this.#heardSince = this.#parts.clock.now()
  }

  #drop({ spec, metadata }: WorkspaceActivity): void {
    const pages = this.#pages.get(spec.workspace.uid)
    pages?.delete(metadata.name)
    if (pages?.size === 0) this.#pages.delete(spec.workspace.uid)
  }
}
