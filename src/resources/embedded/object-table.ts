/** The SQL of objects and their owners. Decides nothing: rows in, rows out. */
import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite'
import { GatewayError } from '#errors.ts'
import type { OwnerReference } from '#resources/contract.ts'
import type { ObjectKey, StoredObject } from './stored-object.ts'

const columns =
  'api_group, kind, namespace, name, uid, version, generation, created, labels, annotations, owners, spec, status, source, declared, overlay'

export interface KindName {
  readonly group: string
  readonly kind: string
}

export class ObjectTable {
  readonly #find: StatementSync
  readonly #findUid: StatementSync
  readonly #listAll: StatementSync
  readonly #listNamespace: StatementSync
  readonly #listSourced: StatementSync
  readonly #put: StatementSync
  readonly #remove: StatementSync
  readonly #dependents: StatementSync
  readonly #addOwner: StatementSync
  readonly #dropOwners: StatementSync
  readonly #readVersion: StatementSync
  readonly #writeVersion: StatementSync

  constructor(db: DatabaseSync) {
    const select = `SELECT ${columns} FROM objects`
    this.#find = db.prepare(`${select} WHERE api_group = ? AND kind = ? AND namespace = ? AND name = ?`)
    this.#findUid = db.prepare(`${select} WHERE uid = ?`)
    this.#listAll = db.prepare(`${select} WHERE api_group = ? AND kind = ? ORDER BY namespace, name`)
    this.#listNamespace = db.prepare(`${select} WHERE api_group = ? AND kind = ? AND namespace = ? ORDER BY name`)
    this.#listSourced = db.prepare(`${select} WHERE source IS NOT NULL ORDER BY api_group, kind, namespace, name`)
    this.#put = db.prepare(`INSERT OR REPLACE INTO objects (${columns}) VALUES (?${', ?'.repeat(15)})`)
    this.#remove = db.prepare('DELETE FROM objects WHERE uid = ?')
    this.#dependents = db.prepare(
      `${select} WHERE uid IN (SELECT dependent FROM owners WHERE owner = ?) ORDER BY api_group, kind, namespace, name`,
    )
    this.#addOwner = db.prepare('INSERT OR IGNORE INTO owners (owner, dependent) VALUES (?, ?)')
    this.#dropOwners = db.prepare('DELETE FROM owners WHERE dependent = ?')
    this.#readVersion = db.prepare('SELECT last_version FROM gatehouse')
    this.#writeVersion = db.prepare('UPDATE gatehouse SET last_version = ?')
  }

  find(key: ObjectKey): StoredObject | undefined {
    return rowToObject(this.#find.get(key.group, key.kind, key.namespace, key.name))
  }

  findUid(uid: string): StoredObject | undefined {
    return rowToObject(this.#findUid.get(uid))
  }

  /** Of one namespace, or of all; by namespace and name. */
  list(kind: KindName, namespace: string | undefined): readonly StoredObject[] {
    const rows =
      namespace === undefined
        ? this.#listAll.all(kind.group, kind.kind)
        : this.#listNamespace.all(kind.group, kind.kind, namespace)
    return rowsToObjects(rows)
  }

  /** All that a manifest file declares. */
  listSourced(): readonly StoredObject[] {
    return rowsToObjects(this.#listSourced.all())
  }

  /** All that name `uid` among their owners. */
  dependents(uid: string): readonly StoredObject[] {
    return rowsToObjects(this.#dependents.all(uid))
  }

  put(object: StoredObject, owners: readonly OwnerReference[]): void {
    const { group, kind, namespace, name, uid, version, generation, created, labels, annotations } = object
    const { spec, status, source, declared, overlay } = object
    this.#put.run(
      ...[group, kind, namespace, name, uid, version, generation, created, labels, annotations],
      ...[object.owners, spec, status, source, declared, overlay],
    )
    this.#dropOwners.run(uid)
    for (const owner of owners) this.#addOwner.run(owner.uid, uid)
  }

  remove(uid: string): void {
    this.#remove.run(uid)
    this.#dropOwners.run(uid)
  }

  lastVersion(): number {
    return integer(this.#readVersion.get() ?? {}, 'last_version')
  }

  setLastVersion(version: number): void {
    this.#writeVersion.run(version)
  }
}

type Row = Record<string, SQLOutputValue>

function rowsToObjects(rows: readonly Row[]): readonly StoredObject[] {
  return rows.flatMap((row) => rowToObject(row) ?? [])
}

function rowToObject(row: Row | undefined): StoredObject | undefined {
  if (row === undefined) return undefined
  return {
    group: text(row, 'api_group'),
    kind: text(row, 'kind'),
    namespace: text(row, 'namespace'),
    name: text(row, 'name'),
    uid: text(row, 'uid'),
    version: integer(row, 'version'),
    generation: integer(row, 'generation'),
    created: text(row, 'created'),
    labels: text(row, 'labels'),
    annotations: text(row, 'annotations'),
    owners: text(row, 'owners'),
    spec: text(row, 'spec'),
    status: optionalText(row, 'status'),
    source: optionalText(row, 'source'),
    declared: optionalText(row, 'declared'),
    overlay: optionalText(row, 'overlay'),
  }
}

// The tables are STRICT, so these hold unless the schema and this file disagree.
function text(row: Row, column: string): string {
  const value = row[column]
  if (typeof value !== 'string') throw new GatewayError('store_unavailable', `column ${column} holds no text`)
  return value
}

function optionalText(row: Row, column: string): string | null {
  return row[column] === null ? null : text(row, column)
}

function integer(row: Row, column: string): number {
  const value = row[column]
  if (typeof value !== 'number') throw new GatewayError('store_unavailable', `column ${column} holds no number`)
  return value
}
