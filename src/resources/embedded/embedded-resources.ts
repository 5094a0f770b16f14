/** The `Resources` contract over one SQLite file. Each method is one synchronous transaction, so calls never interleave. */
import type { DatabaseSync } from 'node:sqlite'
import { GatewayError, messageOf } from '#errors.ts'
import type { Clock, Milliseconds } from '#lib/clock.ts'
import { mergePatch } from '#lib/merge-patch.ts'
import type {
  Listing,
  MergePatch,
  NewResource,
  ObjectName,
  Preconditions,
  Resource,
  ResourceKind,
  Resources,
  ResourceVersion,
  WatchEvent,
} from '#resources/contract.ts'
import { guarded } from './database.ts'
import type { Change, EventLog } from './event-log.ts'
import { checkName, parseAnnotations, parseLabels, parseOwners } from './metadata.ts'
import type { ObjectTable } from './object-table.ts'
import { checkPreconditions, isSameJson, type ObjectWriter, writeObjects } from './object-writer.ts'
import { managedByFile, overlaid } from './overlay.ts'
import {
  asJson,
  type ObjectKey,
  resourceFrom,
  type StoredObject,
  specText,
  statusText,
  versionNumber,
  versionText,
} from './stored-object.ts'

/** As often as an API server sends one, about. */
const bookmarkEvery: Milliseconds = 60_000

/** A stored object that its kind's parsers refuse, such as one written by another version. It is skipped, and stays where it is. */
export interface StoredProblem {
  readonly kind: string
  readonly namespace: string
  readonly name: string
  readonly reason: string
}

export interface EmbeddedParts {
  readonly db: DatabaseSync
  readonly table: ObjectTable
  readonly events: EventLog
  readonly clock: Clock
  readonly kinds: readonly ResourceKind<Resource>[]
  /** Aborted when the store is closed. */
  readonly closed: AbortSignal
  /** After this many changes of other kinds a watcher gets a bookmark. */
  readonly bookmarkAfter: number
  readonly report: (problem: StoredProblem) => void
}

export class EmbeddedResources implements Resources {
  readonly #parts: EmbeddedParts
  /** By uid, the version that was reported, so that one broken object is one report and not one a read. */
  readonly #reported = new Map<string, number>()

  constructor(parts: EmbeddedParts) {
    this.#parts = parts
  }

  async list<T extends Resource>(
    kind: ResourceKind<T>,
    options: { namespace?: string; signal?: AbortSignal } = {},
  ): Promise<Listing<T>> {
    options.signal?.throwIfAborted()
    this.#require(kind)
    const { table } = this.#parts
    const { stored, version } = guarded(() => ({
      stored: table.list(kind, options.namespace),
      version: table.lastVersion(),
    }))
    return {
      items: stored.flatMap((object) => this.#readable(kind, object) ?? []),
      resourceVersion: versionText(version),
    }
  }

  async *watch<T extends Resource>(
    kind: ResourceKind<T>,
    options: { namespace?: string; resourceVersion: ResourceVersion; signal: AbortSignal },
  ): AsyncGenerator<WatchEvent<T>, void, void> {
    const { events, clock, closed, bookmarkAfter } = this.#parts
    const signal = AbortSignal.any([options.signal, closed])
    let read = versionNumber(options.resourceVersion) ?? Number.POSITIVE_INFINITY
    let told = read
    while (!options.signal.aborted) {
      this.#require(kind)
      const change = events.after(read)
      if (!change) {
        if (!(await events.isQuiet(clock, bookmarkEvery, signal))) continue
        told = read
        yield bookmark(read)
        continue
      }
      read = change.object.version
      const event = this.#visible(kind, change, options.namespace)
      if (!event && read - told < bookmarkAfter) continue
      told = read
      yield event ?? bookmark(read)
    }
  }

  async get<T extends Resource>(kind: ResourceKind<T>, name: ObjectName): Promise<T | undefined> {
    this.#require(kind)
    const stored = guarded(() => this.#parts.table.find(keyOf(kind, name)))
    return stored && this.#readable(kind, stored)
  }

  async create<T extends Resource>(kind: ResourceKind<T>, object: NewResource<T>): Promise<T> {
    const { namespace, name, labels, annotations, ownerReferences } = object.metadata
    checkName(namespace, name)
    const content = {
      labels: JSON.stringify(parseLabels(asJson(labels))),
      annotations: JSON.stringify(parseAnnotations(asJson(annotations))),
      owners: JSON.stringify(parseOwners(asJson(ownerReferences))),
      spec: specText(kind, object.spec),
      status: statusText(kind, object.status),
      ...{ source: null, declared: null, overlay: null },
    }
    return this.#write(kind, (writer) => writer.create(keyOf(kind, object.metadata), content))
  }

  async replace<T extends Resource>(kind: ResourceKind<T>, object: T): Promise<T> {
    const { metadata } = object
    const content = {
      labels: JSON.stringify(parseLabels(asJson(metadata.labels))),
      annotations: JSON.stringify(parseAnnotations(asJson(metadata.annotations))),
      owners: JSON.stringify(parseOwners(asJson(metadata.ownerReferences))),
    }
    return this.#write(kind, (writer) => {
      const current = writer.require(keyOf(kind, metadata), metadata)
      if (current.source !== null) checkMetadataUnchanged(current, content)
      return writer.update(current, { ...content, ...overlaid(kind, current, specText(kind, object.spec)) })
    })
  }

  async patchSpec<T extends Resource>(
    kind: ResourceKind<T>,
    name: ObjectName,
    patch: MergePatch,
    preconditions?: Preconditions,
  ): Promise<T> {
    return this.#write(kind, (writer) => {
      const current = writer.require(keyOf(kind, name), preconditions)
      const wanted = specText(kind, mergePatch(JSON.parse(current.spec), asJson(patch)))
      return writer.update(current, overlaid(kind, current, wanted))
    })
  }

  async patchStatus<T extends Resource>(
    kind: ResourceKind<T>,
    name: ObjectName,
    patch: MergePatch,
    preconditions?: Preconditions,
  ): Promise<T> {
    return this.#write(kind, (writer) => {
      const current = writer.require(keyOf(kind, name), preconditions)
      const status = current.status === null ? undefined : JSON.parse(current.status)
      return writer.update(current, { status: statusText(kind, mergePatch(status, asJson(patch))) })
    })
  }

  async delete<T extends Resource>(
    kind: ResourceKind<T>,
    name: ObjectName,
    preconditions: Preconditions = {},
  ): Promise<boolean> {
    this.#require(kind)
    return writeObjects(this.#parts, (writer) => {
      const current = writer.find(keyOf(kind, name))
      if (!current) return false
      checkPreconditions(current, preconditions)
      if (current.source !== null) throw managedByFile(current, 'the object')
      writer.remove(current)
      return true
    })
  }

  /** Reads back what it wrote before the commit, so that nothing is kept that could not be read again. */
  #write<T extends Resource>(kind: ResourceKind<T>, run: (writer: ObjectWriter) => StoredObject): T {
    this.#require(kind)
    return writeObjects(this.#parts, (writer) => resourceFrom(kind, run(writer)))
  }

  #require(kind: ResourceKind<Resource>): void {
    const { closed, kinds } = this.#parts
    if (closed.aborted) throw new GatewayError('store_unavailable', 'the store is closed')
    if (!kinds.some((known) => known.group === kind.group && known.kind === kind.kind)) {
      throw new GatewayError('internal', `this store was not opened for ${kind.kind}.${kind.group}`)
    }
  }

  #visible<T extends Resource>(
    kind: ResourceKind<T>,
    change: Change,
    namespace: string | undefined,
  ): WatchEvent<T> | undefined {
    const { object } = change
    if (object.kind !== kind.kind || object.group !== kind.group) return undefined
    if (namespace !== undefined && object.namespace !== namespace) return undefined
    const resource = this.#readable(kind, object)
    return resource && { type: change.type, object: resource }
  }

  #readable<T extends Resource>(kind: ResourceKind<T>, stored: StoredObject): T | undefined {
    try {
      return resourceFrom(kind, stored)
    } catch (error) {
      if (this.#reported.get(stored.uid) === stored.version) return undefined
      this.#reported.set(stored.uid, stored.version)
      const { kind: kindName, namespace, name } = stored
      this.#parts.report({ kind: kindName, namespace, name, reason: messageOf(error) })
      return undefined
    }
  }
}

function bookmark(version: number) {
  return { type: 'bookmark', resourceVersion: versionText(version) } as const
}

function keyOf(kind: ResourceKind<Resource>, { namespace, name }: ObjectName): ObjectKey {
  return { group: kind.group, kind: kind.kind, namespace, name }
}

function checkMetadataUnchanged(
  current: StoredObject,
  content: Pick<StoredObject, 'labels' | 'annotations' | 'owners'>,
) {
  for (const field of ['labels', 'annotations', 'owners'] as const) {
    if (!isSameJson(current[field], content[field])) throw managedByFile(current, `metadata.${field}`)
  }
}
