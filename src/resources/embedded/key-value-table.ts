/** Small key-value tables in the state file, for those who need no more: values are JSON, and may expire. */
import type { DatabaseSync } from 'node:sqlite'
import type { Clock, Timestamp } from '#lib/clock.ts'
import { guarded } from './database.ts'

/** Every method throws `store_unavailable` when SQLite fails. */
export interface KeyValueTable {
  /** `undefined` when there is none, or it has expired. */
  get(key: string): unknown
  /** `value` must be what JSON can say. At `expiresAt` it is gone; without one it stays. */
  set(key: string, value: unknown, expiresAt?: Timestamp): void
  /** `false` when there was nothing to delete. */
  delete(key: string): boolean
  /** Those whose key begins with `prefix`, by key. */
  entries(prefix?: string): readonly (readonly [key: string, value: unknown])[]
}

export function keyValueTable(db: DatabaseSync, name: string, clock: Clock): KeyValueTable {
  const alive = 'table_name = ? AND (expires_at IS NULL OR expires_at > ?)'
  const find = db.prepare(`SELECT value FROM entries WHERE ${alive} AND key = ?`)
  const list = db.prepare(
    `SELECT key, value FROM entries WHERE ${alive} AND substr(key, 1, length(?)) = ? ORDER BY key`,
  )
  const put = db.prepare('INSERT OR REPLACE INTO entries (table_name, key, value, expires_at) VALUES (?, ?, ?, ?)')
  const remove = db.prepare(`DELETE FROM entries WHERE ${alive} AND key = ?`)
  const sweep = db.prepare('DELETE FROM entries WHERE expires_at <= ?')
  return {
    get: (key) => guarded(() => parsed(find.get(name, clock.now(), key)?.value)),
    set: (key, value, expiresAt) =>
      guarded(() => {
        sweep.run(clock.now())
        put.run(name, key, JSON.stringify(value) ?? 'null', expiresAt ?? null)
      }),
    delete: (key) => guarded(() => remove.run(name, clock.now(), key).changes > 0),
    entries: (prefix = '') =>
      guarded(() =>
        list.all(name, clock.now(), prefix, prefix).map((row) => [String(row.key), parsed(row.value)] as const),
      ),
  }
}

function parsed(text: unknown): unknown {
  return typeof text === 'string' ? JSON.parse(text) : undefined
}
