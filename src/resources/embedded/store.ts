/** The embedded store: one SQLite file that holds the resources of a laptop, or of a small machine without a cluster. */
import type { Clock, Milliseconds } from '#lib/clock.ts'
import type { Resource, ResourceKind, Resources } from '#resources/contract.ts'
import { guarded, openDatabase } from './database.ts'
import { type DeclaredObjects, declaredObjects } from './declared-objects.ts'
import { EmbeddedResources, type StoredProblem } from './embedded-resources.ts'
import { EventLog } from './event-log.ts'
import { type KeyValueTable, keyValueTable } from './key-value-table.ts'
import { ObjectTable } from './object-table.ts'
import type { StoreLog } from './store-log.ts'

/** How many changes a watcher may fall behind before it has to list again; some 2 KB each. */
const defaultEventLogLength = 2_048

export interface EmbeddedStoreOptions {
  /** Created, with mode 0600, where it does not exist. `:memory:` forgets everything when closed. */
  readonly file: string
  /** The kinds it keeps. */
  readonly kinds: readonly ResourceKind<Resource>[]
  readonly clock: Clock
  readonly log: StoreLog
  /** Closes the store, as disposing it does. */
  readonly signal: AbortSignal
  /** Hears of each stored object that its kind refuses, once a version; the log does in any case. */
  readonly onProblem?: (problem: StoredProblem) => void
  readonly eventLogLength?: number
  /** How long the opening waits for another process to let go of the file, such as the gateway that is being replaced. 5 s. */
  readonly lockTimeout?: Milliseconds
}

export interface EmbeddedStore extends AsyncDisposable {
  readonly resources: Resources
  /** For `watchManifests`. */
  readonly declared: DeclaredObjects
  /** A small key-value table in the same file. The same name is the same table. */
  table(name: string): KeyValueTable
}

/**
 * Throws `store_unavailable` (no permission, in use by another process, disk full), `incompatible_store` (written by a newer Gatehouse,
 * or by another program). A damaged file is moved aside and a new one begun.
 */
export function openEmbeddedStore(options: EmbeddedStoreOptions): EmbeddedStore {
  const { clock, kinds, log, signal, onProblem, eventLogLength = defaultEventLogLength } = options
  signal.throwIfAborted()
  const db = openDatabase(options)
  const closing = new AbortController()
  const table = new ObjectTable(db)
  const events = new EventLog(
    guarded(() => table.lastVersion()),
    eventLogLength,
  )
  const resources = new EmbeddedResources({
    ...{ db, table, events, clock, kinds, closed: closing.signal },
    bookmarkAfter: Math.ceil(eventLogLength / 8),
    report: (problem) => {
      const { kind, namespace, name, reason } = problem
      log.warn({ kind, name: `${namespace}/${name}`, reason }, 'a stored object cannot be read and is skipped')
      onProblem?.(problem)
    },
  })
  const close = () => {
    if (closing.signal.aborted) return
    closing.abort()
    db.close()
  }
  signal.addEventListener('abort', close, { once: true })
  return {
    resources,
    declared: declaredObjects({ db, table, events, clock }),
    table: (name) => guarded(() => keyValueTable(db, name, clock)),
    async [Symbol.asyncDispose]() {
      signal.removeEventListener('abort', close)
      close()
    },
  }
}
