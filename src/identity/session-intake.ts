/**
 * What the store tells of sessions on its way into memory: only records that are as Gatehouse wrote them get there, and one that is not ends its session.
 * A record whose key is not known here waits until the store has said whether there is such a key: another replica may have made it just now.
 */
import { type Clock, type Milliseconds, sleep } from '#lib/clock.ts'
import type { Log } from '#observe/log.ts'
import type { KeyRing } from './key-ring.ts'
import type { SessionName } from './session.ts'
import { parseSessionName } from './session-id.ts'
import type { WorkspaceSession } from './session-record.ts'
import { type SealFinding, sealFinding } from './session-seal.ts'
import type { SessionTable } from './session-table.ts'

export interface SessionIntakeOptions {
  readonly table: SessionTable
  readonly keyRing: KeyRing
  readonly clock: Clock
  readonly log: Log
  /** Nothing is waited for after. */
  readonly signal: AbortSignal
}

/** A little longer than the ring leaves the store alone after a look at it: so there has been one since the record was seen. */
const keyPause: Milliseconds = 2_500

export class SessionIntake {
  readonly #options: SessionIntakeOptions
  /** By session, the newest record that waits for its key. */
  readonly #waiting = new Map<SessionName, WorkspaceSession>()
  #isSettling = false

  constructor(options: SessionIntakeOptions) {
    this.#options = options
  }

  /** As the watch tells it. */
  told(record: WorkspaceSession): void {
    const name = parseSessionName(record.metadata.name)
    // Nobody can hold the id of any other.
    if (name === undefined) return
    const finding = this.#take(name, record, 'watch')
    if (finding.kind !== 'unknown-key') return
    this.#waiting.set(name, record)
    if (!this.#isSettling) void this.#settle()
  }

  /** As it was read or written just now. Throws `store_unavailable` where its key is unknown and can't be asked for. */
  async read(name: SessionName, record: WorkspaceSession): Promise<void> {
    const finding = this.#take(name, record, 'read')
    if (finding.kind !== 'unknown-key') return
    if (await this.#options.keyRing.lookUp(finding.kid)) this.#take(name, record, 'read')
  }

  #take(name: SessionName, record: WorkspaceSession, source: 'watch' | 'read'): SealFinding {
    const finding = sealFinding(this.#options.keyRing, record)
    if (finding.kind === 'intact') this.#options.table.apply(record, source)
    else if (finding.kind !== 'unknown-key') this.#refuse(name, finding.kind)
    return finding
  }

  #refuse(name: SessionName, reason: SealFinding['kind']): void {
    const { table, log } = this.#options
    const isNews = table.endOf(name) === undefined
    table.end(name, 'altered')
    if (!isNews) return
    const fields = { component: 'sessions', session: name, reason: `seal:${reason}` }
    log.warnOfMany(fields, 'a session is over: its record is not as Gatehouse wrote it')
  }

  /** Never throws. Until then the sessions are what they were. */
  async #settle(): Promise<void> {
    const { clock, log, signal } = this.#options
    this.#isSettling = true
    while (this.#waiting.size > 0) {
      const records = [...this.#waiting]
      await sleep(clock, keyPause, signal).catch(() => undefined)
      if (signal.aborted) return
      try {
        for (const [name, record] of records) await this.#judge(name, record)
      } catch (error) {
        log.warn({ component: 'sessions', error }, 'the key of a session could not be looked for; trying again')
      }
    }
    this.#isSettling = false
  }

  async #judge(name: SessionName, record: WorkspaceSession): Promise<void> {
    const { keyRing } = this.#options
    const finding = this.#take(name, record, 'watch')
    const isKnown = finding.kind !== 'unknown-key' || (await keyRing.lookUp(finding.kid))
    // Without any key nothing can be said of any record.
    if (!isKnown && keyRing.all().length === 0) return
    if (this.#waiting.get(name) === record) this.#waiting.delete(name)
    if (finding.kind !== 'unknown-key') return
    if (isKnown) this.#take(name, record, 'watch')
    else this.#refuse(name, 'unknown-key')
  }
}
