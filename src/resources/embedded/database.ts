/**
 * Opens the one SQLite file: pragmas, schema, and what happens when the file is not what it should be.
 * Knows nothing of resources beyond their tables.
 */
import { chmodSync, closeSync, existsSync, mkdirSync, openSync, renameSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { GatewayError, messageOf } from '#errors.ts'
import type { Clock, Milliseconds } from '#lib/clock.ts'
import { schema, schemaVersion } from './schema.ts'
import type { StoreLog } from './store-log.ts'

const defaultLockTimeout: Milliseconds = 5_000

/** Primary result codes, https://www.sqlite.org/rescode.html. */
const sqliteBusy = 5
const sqliteCorrupt = 11
const sqliteNotADatabase = 26

export interface DatabaseOptions {
  /** Created with mode 0600 where it does not exist. `:memory:` keeps everything in memory alone. */
  readonly file: string
  readonly clock: Clock
  readonly log: StoreLog
  readonly lockTimeout?: Milliseconds
}

/**
 * A damaged file (SQLite says that it is malformed or no database) is moved aside, never deleted: sessions and shares in it
 * are out of force, but what can be recovered from it still can. Whatever else is wrong (no permission, disk full, in use, made by a
 * newer Gatehouse) is no reason to begin anew and throws `store_unavailable` or `incompatible_store`.
 */
export function openDatabase(options: DatabaseOptions): DatabaseSync {
  const { file, log } = options
  try {
    return openOnce(options)
  } catch (error) {
    if (file === ':memory:' || !isDamage(error)) throw storeFault(error)
    const kept = moveAside(file, options.clock)
    log.error(
      { file, name: basename(kept), reason: messageOf(error) },
      'the state file is damaged: it is kept under another name and a new one is begun; sessions and shares in it are not in force any more',
    )
  }
  try {
    return openOnce(options)
  } catch (error) {
    throw storeFault(error)
  }
}

/** Runs `run` as one transaction: all of it is committed, or none. */
export function inTransaction<R>(db: DatabaseSync, run: () => R): R {
  return guarded(() => {
    db.exec('BEGIN IMMEDIATE')
    try {
      const result = run()
      db.exec('COMMIT')
      return result
    } catch (error) {
      // SQLite has rolled back by itself after some errors, a full disk among them.
      if (db.isTransaction) db.exec('ROLLBACK')
      throw error
    }
  })
}

/** Runs `run`, and says what SQLite throws as a `GatewayError`. */
export function guarded<R>(run: () => R): R {
  try {
    return run()
  } catch (error) {
    throw storeFault(error)
  }
}

class DamagedFile extends Error {}

function openOnce({ file, lockTimeout = defaultLockTimeout }: DatabaseOptions): DatabaseSync {
  if (file !== ':memory:') restrict(file)
  const db = new DatabaseSync(file, { timeout: lockTimeout })
  try {
    configure(db)
    const check = db.prepare('PRAGMA quick_check(1)').get()?.quick_check
    if (check !== 'ok') throw new DamagedFile(`quick_check: ${String(check)}`)
    migrate(db)
    return db
  } catch (error) {
    db.close()
    throw error
  }
}

/** It holds sealed tokens and says who works where: for this user alone. SQLite gives its `-wal` the same mode. */
function restrict(file: string): void {
  if (existsSync(file)) {
    chmodSync(file, 0o600)
    return
  }
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  closeSync(openSync(file, 'a', 0o600))
}

/**
 * - EXCLUSIVE: watchers live in this process, so a write by another one would never reach them. It ends with the process, however that dies.
 * - WAL: a commit is one append, and a kill at any point leaves the commits before it whole.
 * - FULL: a commit is on the disk when it returns. NORMAL could lose the last ones to a power cut, and a revoked share or an ended session
 *   would be back in force. It costs a sync a write; writes are rare, and no request waits for one.
 */
function configure(db: DatabaseSync): void {
  db.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
}

function migrate(db: DatabaseSync): void {
  db.exec('BEGIN IMMEDIATE')
  const tables = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all()
  if (tables.length === 0) {
    db.exec(schema)
  } else if (!tables.some((table) => table.name === 'gatehouse')) {
    throw new GatewayError('incompatible_store', 'the state file is a database of another program')
  } else {
    const found = db.prepare('SELECT schema_version FROM gatehouse').get()?.schema_version
    if (found !== schemaVersion) {
      throw new GatewayError(
        'incompatible_store',
        `the state file has schema version ${String(found)}, this Gatehouse knows ${schemaVersion}: run the newer one, or give it another home`,
      )
    }
  }
  db.exec('COMMIT')
}

function moveAside(file: string, clock: Clock): string {
  const stamp = new Date(clock.now()).toISOString().replace(/[-:]|\.\d+/g, '')
  let kept = `${file}.broken-${stamp}`
  for (let again = 2; existsSync(kept); again += 1) kept = `${file}.broken-${stamp}-${again}`
  // With its journal under the matching name: SQLite's recovery tools look for it there.
  for (const suffix of ['', '-wal', '-shm', '-journal']) {
    if (existsSync(file + suffix)) renameSync(file + suffix, kept + suffix)
  }
  return kept
}

function resultCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return undefined
  // The lowest byte is the primary code, the rest says more about it.
  return error.errcode & 0xff
}

function isDamage(error: unknown): boolean {
  const code = resultCode(error)
  return error instanceof DamagedFile || code === sqliteCorrupt || code === sqliteNotADatabase
}

function storeFault(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error
  const hint = resultCode(error) === sqliteBusy ? ' (does another Gatehouse use it?)' : ''
  return new GatewayError('store_unavailable', `the state file: ${messageOf(error)}${hint}`, { cause: error })
}
