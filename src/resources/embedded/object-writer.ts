/**
 * Every write goes through here: versions, generations, no-ops, preconditions, garbage collection.
 * One {@link ObjectWriter} is one transaction; what it did is published after the commit.
 */
import { randomUUID } from 'node:crypto'
import type { DatabaseSync } from 'node:sqlite'
import { isDeepStrictEqual } from 'node:util'
import { GatewayError } from '#errors.ts'
import type { Clock } from '#lib/clock.ts'
import type { Preconditions } from '#resources/contract.ts'
import { inTransaction } from './database.ts'
import type { Change, EventLog } from './event-log.ts'
import { parseOwners } from './metadata.ts'
import type { ObjectTable } from './object-table.ts'
import { describeKey, type ObjectKey, type StoredObject, versionText } from './stored-object.ts'

/** What a caller decides about an object; the writer decides the rest. */
export type ObjectContent = Omit<StoredObject, keyof ObjectKey | 'uid' | 'version' | 'generation' | 'created'>

export class ObjectWriter {
  readonly changes: Change[] = []
  readonly #table: ObjectTable
  readonly #clock: Clock
  #version: number

  constructor(table: ObjectTable, clock: Clock) {
    this.#table = table
    this.#clock = clock
    this.#version = table.lastVersion()
  }

  /** Throws `already_exists`. */
  create(key: ObjectKey, content: ObjectContent): StoredObject {
    if (this.#table.find(key)) throw new GatewayError('already_exists', `${describeKey(key)} exists already`)
    const { group, kind, namespace, name } = key
    const created = new Date(this.#clock.now()).toISOString().replace(/\.\d+Z$/, 'Z')
    const identity = { group, kind, namespace, name, uid: randomUUID(), generation: 1, created }
    return this.#write('added', { ...content, ...identity, version: this.#nextVersion() })
  }

  /** Writes nothing, and keeps the version, when nothing differs. */
  update(current: StoredObject, content: Partial<ObjectContent>): StoredObject {
    const next = { ...current, ...content }
    const isSpecChanged = !isSameJson(next.spec, current.spec)
    if (!isSpecChanged && !isVisiblyChanged(current, next)) {
      // Which file declares it concerns no watcher.
      if (!isDeepStrictEqual(current, next)) this.#put(next)
      return next
    }
    const generation = current.generation + (isSpecChanged ? 1 : 0)
    return this.#write('modified', { ...next, generation, version: this.#nextVersion() })
  }

  remove(current: StoredObject): void {
    this.#table.remove(current.uid)
    // The version of a deleted object is that of its deletion, so that a watch can resume after it.
    this.changes.push({ type: 'deleted', object: { ...current, version: this.#nextVersion() } })
    for (const dependent of this.#table.dependents(current.uid)) this.#collect(dependent)
  }

  /** Throws `not_found`, and `conflict` when a precondition does not hold. */
  require(key: ObjectKey, preconditions: Preconditions = {}): StoredObject {
    const current = this.#table.find(key)
    if (!current) throw new GatewayError('not_found', `there is no ${describeKey(key)}`)
    checkPreconditions(current, preconditions)
    return current
  }

  find(key: ObjectKey): StoredObject | undefined {
    return this.#table.find(key)
  }

  finish(): void {
    if (this.changes.length > 0) this.#table.setLastVersion(this.#version)
  }

  #write(type: 'added' | 'modified', object: StoredObject): StoredObject {
    this.#put(object)
    this.changes.push({ type, object })
    this.#collect(object)
    return object
  }

  #put(object: StoredObject): void {
    this.#table.put(object, parseOwners(JSON.parse(object.owners)))
  }

  /** Deletes an object that has owners, none of which is there. An owner is of the same namespace, as Kubernetes has it. */
  #collect(object: StoredObject): void {
    const owners = parseOwners(JSON.parse(object.owners))
    const isAlive = owners.some(({ uid, kind, name }) => {
      const owner = this.#table.findUid(uid)
      return owner?.namespace === object.namespace && owner.kind === kind && owner.name === name
    })
    if (owners.length > 0 && !isAlive && this.#table.findUid(object.uid)) this.remove(object)
  }

  #nextVersion(): number {
    this.#version += 1
    return this.#version
  }
}

/** All of `run` is committed and then published to the watchers, or nothing is. */
export function writeObjects<R>(
  store: { db: DatabaseSync; table: ObjectTable; events: EventLog; clock: Clock },
  run: (writer: ObjectWriter) => R,
): R {
  let changes: readonly Change[] = []
  const result = inTransaction(store.db, () => {
    const writer = new ObjectWriter(store.table, store.clock)
    const written = run(writer)
    writer.finish()
    changes = writer.changes
    return written
  })
  store.events.append(changes)
  return result
}

export function checkPreconditions(current: StoredObject, preconditions: Preconditions): void {
  const { uid, resourceVersion } = preconditions
  if (uid !== undefined && uid !== current.uid) {
    throw new GatewayError('conflict', `${describeKey(current)} is another object by now (uid ${current.uid})`)
  }
  if (resourceVersion !== undefined && resourceVersion !== versionText(current.version)) {
    throw new GatewayError('conflict', `${describeKey(current)} has changed meanwhile (version ${current.version})`)
  }
}

function isVisiblyChanged(a: StoredObject, b: StoredObject): boolean {
  return (
    !isSameJson(a.status, b.status) ||
    !isSameJson(a.labels, b.labels) ||
    !isSameJson(a.annotations, b.annotations) ||
    !isSameJson(a.owners, b.owners)
  )
}

export function isSameJson(a: string | null, b: string | null): boolean {
  if (a === b) return true
  return a !== null && b !== null && isDeepStrictEqual(JSON.parse(a), JSON.parse(b))
}
