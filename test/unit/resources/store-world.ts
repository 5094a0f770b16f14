/** A folder of its own, an embedded store in it or in memory, and what it logged. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Clock, systemClock } from '#lib/clock.ts'
import type { StoredProblem } from '#resources/embedded/embedded-resources.ts'
import { type EmbeddedStore, type EmbeddedStoreOptions, openEmbeddedStore } from '#resources/embedded/store.ts'
import type { StoreLog } from '#resources/embedded/store-log.ts'
import { shareKind } from '#workspace/share.ts'
import { workspaceKind } from '#workspace/workspace.ts'

export interface LogLine {
  readonly level: 'info' | 'warn' | 'error'
  readonly fields: object
  readonly message: string
}

export interface StoreWorld extends AsyncDisposable {
  readonly folder: string
  readonly file: string
  readonly lines: readonly LogLine[]
  readonly log: StoreLog
  readonly problems: readonly StoredProblem[]
  /** Opens the store; whatever is open at the end is closed. */
  open(overrides?: Partial<EmbeddedStoreOptions>): EmbeddedStore
}

export async function storeWorld(clock: Clock = systemClock): Promise<StoreWorld> {
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-store-'))
  const file = join(folder, 'state.db')
  const ending = new AbortController()
  const lines: LogLine[] = []
  const problems: StoredProblem[] = []
  const logger = (level: LogLine['level']) => (fields: object, message: string) =>
    void lines.push({ level, fields, message })
  const log = { info: logger('info'), warn: logger('warn'), error: logger('error') }
  return {
    ...{ folder, file, lines, log, problems },
    open: (overrides = {}) =>
      openEmbeddedStore({
        ...{ file, kinds: [workspaceKind, shareKind], clock, log, signal: ending.signal },
        onProblem: (problem) => void problems.push(problem),
        ...overrides,
      }),
    async [Symbol.asyncDispose]() {
      ending.abort()
      await rm(folder, { recursive: true })
    },
  }
}
