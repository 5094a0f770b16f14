/** Writes that a workspace is to stop, and tells of it once: also when the answer to the write was lost, and it turns out later that it was carried out. */
import type { IdleDecision } from '#activity/idle-decision.ts'
import { GatewayError, messageOf } from '#errors.ts'
import type { Clock, Milliseconds, Timestamp } from '#lib/clock.ts'
import type { Audit, AuditActor } from '#observe/audit.ts'
import type { Log } from '#observe/log.ts'
import type { Resources } from '#resources/contract.ts'
import { refKey } from '#surface/workspace-ref.ts'
import type { Directory, WorkspaceEntry } from '#workspace/directory.ts'
import { workspaceKind } from '#workspace/workspace.ts'
import { sayStopped } from './idle-words.ts'

export interface StopParts {
  readonly directory: Pick<Directory, 'get'>
  readonly resources: Resources
  /** Tells those who look at the workspace, once for each stop. */
  readonly announce: (entry: WorkspaceEntry, message: string) => Promise<void>
  readonly clock: Clock
  readonly log: Log
  readonly audit: Audit
}

type Idle = IdleDecision & { readonly kind: 'idle' }

interface Stop {
  readonly entry: WorkspaceEntry
  readonly decision: Idle
  readonly begunAt: Timestamp
}

/** What is stopped later than that was stopped by somebody else. */
const longestUnderWay: Milliseconds = 5 * 60_000

export class StopsUnderWay {
  readonly #parts: StopParts
  readonly #stops = new Map<string, Stop>()

  constructor(parts: StopParts) {
    this.#parts = parts
  }

  /** Throws what the store does. */
  async stop(entry: WorkspaceEntry, decision: Idle): Promise<void> {
    const { resources, clock } = this.#parts
    const { uid, resourceVersion } = entry.workspace.metadata
    const before = this.#stops.get(uid)
    const stop = { entry, decision, begunAt: clock.now() }
    this.#stops.set(uid, stop)
    try {
      await resources.patchSpec(workspaceKind, entry.ref, { desiredStatus: 'Stopped' }, { uid, resourceVersion })
    } catch (error) {
      const isRefused = error instanceof GatewayError && error.code !== 'store_unavailable'
      // That it has changed may be the doing of the one before.
      if (isRefused && before) this.#stops.set(uid, before)
      else if (isRefused) this.#stops.delete(uid)
      throw error
    }
    this.#stops.delete(uid)
    await this.#tell(stop)
  }

  /** Of those whose answer was lost: what became of them. */
  async tellLost(): Promise<void> {
    const { directory, clock } = this.#parts
    for (const [uid, stop] of [...this.#stops]) {
      const entry = directory.get(stop.entry.ref)
      const isSame = entry?.workspace.metadata.resourceVersion === stop.entry.workspace.metadata.resourceVersion
      if (isSame && clock.now() - stop.begunAt < longestUnderWay) continue
      this.#stops.delete(uid)
      if (entry?.uid === uid && !isSame && entry.workspace.spec.desiredStatus === 'Stopped') await this.#tell(stop)
    }
  }

  async #tell({ entry, decision }: Stop): Promise<void> {
    const { audit, log, announce } = this.#parts
    const workspace = refKey(entry.ref)
    const { last, idleFor } = decision
    const by = last.user === undefined ? {} : { by: last.user }
    const evidence = { source: last.source, ...by, at: new Date(last.at).toISOString(), idleFor }
    audit.record({ event: 'stop', ...nobody, workspace, reason: 'idle', evidence })
    const message = sayStopped(decision)
    log.info({ component: 'idle', workspace, reason: 'IdleShutdown' }, message)
    try {
      await announce(entry, message)
    } catch (error) {
      log.warn({ component: 'idle', workspace, reason: messageOf(error) }, 'a stop could not be told as an event')
    }
  }
}

/** No person asked for it. */
const nobody: AuditActor = { user: undefined, session: undefined, requestId: undefined, client: undefined }
