/** One workspace's turn after turn: brings what runs to what is wanted, then says so in its status. One thing at a time, tried again until it works. */
import { hasCode } from '#errors.ts'
import { backoff } from '#lib/backoff.ts'
import { type Clock, sleep } from '#lib/clock.ts'
import { latest } from '#lib/latest.ts'
import type { Audit, AuditActor } from '#observe/audit.ts'
import type { Log } from '#observe/log.ts'
import type { Resources } from '#resources/contract.ts'
import type { Instance, Plan, Runtime } from '#runtime/contract.ts'
import { refKey, type WorkspaceRef } from '#surface/workspace-ref.ts'
import { conditionsIn, startTimedOut } from '#workspace/conditions.ts'
import type { Prober } from '#workspace/prober.ts'
import { type Readiness, stateOf, type WorkspaceState } from '#workspace/state.ts'
import { portsOf, type Workspace, workspaceKind } from '#workspace/workspace.ts'
import { conditionsOf, sayTheSame } from './conditions.ts'

export interface DeskParts {
  readonly resources: Resources
  readonly runtime: Runtime
  readonly planOf: (workspace: Workspace, ref: WorkspaceRef) => Plan
  readonly prober: Pick<Prober, 'readinessOf'>
  readonly clock: Clock
  readonly log: Log
  readonly audit: Audit
}

export class Desk {
  readonly #ref: WorkspaceRef
  readonly #parts: DeskParts
  readonly #news: ReturnType<typeof latest>
  #workspace: Workspace | 'unheard-of' | undefined = 'unheard-of'
  #instance: Instance | undefined
  /** Set when a start took too long: what to say of it when it is stopped. */
  #givenUp: { readonly workspaceUid: string; readonly message: string } | undefined
  /** How much was heard; a turn that ends with another number than it began with was overtaken. */
  #heard = 0

  constructor(ref: WorkspaceRef, parts: DeskParts, signal: AbortSignal) {
    this.#ref = ref
    this.#parts = parts
    this.#news = latest(signal)
  }

  /** `undefined`: it is deleted, or never was. */
  workspaceIs(workspace: Workspace | undefined): void {
    this.#workspace = workspace
    this.#hear()
  }

  instanceIs(instance: Instance): void {
    this.#instance = instance
    this.#hear()
  }

  instanceGone(instanceUid: string): void {
    if (this.#instance?.instanceUid !== instanceUid) return
    this.#instance = undefined
    this.#hear()
  }

  readinessChanged(): void {
    this.#hear()
  }

  giveUp(workspaceUid: string, message: string): void {
    this.#givenUp = { workspaceUid, message }
    this.#hear()
  }

  /**
   * Until the signal ends it, or nothing is left: no workspace, and nothing that runs for one. `onOver` is called in the moment
   * of that finding, from which on nobody may tell it anything.
   */
  async work(signal: AbortSignal, onOver: () => void): Promise<void> {
    const delays = backoff({ first: 200, longest: 30_000 })
    for await (const _ of this.#news) {
      try {
        const heard = this.#heard
        await this.#turn()
        delays.reset()
        if (heard === this.#heard && this.#workspace === undefined && this.#instance === undefined) return onOver()
      } catch (error) {
        if (signal.aborted) return
        this.#parts.log.warn({ error }, 'a workspace is not yet as it should be')
        await sleep(this.#parts.clock, delays.next(), signal).catch(() => undefined)
        this.#hear()
      }
    }
  }

  #hear(): void {
    this.#heard += 1
    this.#news.signal()
  }

  async #turn(): Promise<void> {
    const { planOf, runtime } = this.#parts
    const workspace = this.#workspace
    if (workspace === 'unheard-of') return
    if (workspace === undefined || workspace.spec.desiredStatus === 'Stopped') {
      // Said before, because stopping may take its time.
      if (this.#instance) await this.#tell()
      await runtime.remove(this.#ref)
    } else {
      await runtime.apply(planOf(workspace, this.#ref))
    }
    await this.#tell()
  }

  /** Writes the status of the workspace as it is known now. What is learned meanwhile brings a turn of its own. */
  async #tell(): Promise<void> {
    const workspace = this.#workspace
    if (workspace === undefined || workspace === 'unheard-of') return
    const givenUp = this.#givenUp?.workspaceUid === workspace.metadata.uid ? this.#givenUp : undefined
    const state = this.#stateOf(workspace)
    const conditions = conditionsOf(
      workspace,
      state,
      this.#parts.clock.now(),
      givenUp && sayWhy(givenUp.message, state),
    )
    if (!sayTheSame(conditionsIn(workspace), conditions)) await this.#write(workspace, { conditions })
    if (givenUp && workspace.spec.desiredStatus === 'Running') await this.#stop(workspace)
    this.#givenUp = undefined
  }

  #stateOf(workspace: Workspace): WorkspaceState {
    const instance = this.#instance?.workspaceUid === workspace.metadata.uid ? this.#instance : undefined
    const readiness: Readiness = instance
      ? this.#parts.prober.readinessOf(instance, portsOf(workspace))
      : { kind: 'waiting', message: 'Nothing runs yet.' }
    return stateOf(workspace, instance, readiness)
  }

  async #write(workspace: Workspace, status: Readonly<Record<string, unknown>>): Promise<void> {
    const written = await this.#unlessOutdated(() =>
      this.#parts.resources.patchStatus(workspaceKind, this.#ref, status, { uid: workspace.metadata.uid }),
    )
    if (written && this.#workspace === workspace) this.#workspace = written
  }

  async #stop(workspace: Workspace): Promise<void> {
    const stopped = await this.#unlessOutdated(() =>
      this.#parts.resources.patchSpec(
        workspaceKind,
        this.#ref,
        { desiredStatus: 'Stopped' },
        { uid: workspace.metadata.uid },
      ),
    )
    if (stopped)
      this.#parts.audit.record({ event: 'stop', ...nobody, workspace: refKey(this.#ref), reason: startTimedOut })
  }

  /** A workspace that was deleted or made anew meanwhile brings a turn of its own. */
  async #unlessOutdated(write: () => Promise<Workspace>): Promise<Workspace | undefined> {
    try {
      return await write()
    } catch (error) {
      const isOutdated = hasCode(error, 'not_found', 'conflict')
      if (isOutdated) return undefined
      throw error
    }
  }
}

/** No person asked for it. */
const nobody: AuditActor = { user: undefined, session: undefined, requestId: undefined, client: undefined }

/** A program that fails says more than that nobody answered. */
function sayWhy(message: string, state: WorkspaceState): string {
  return state.phase === 'Degraded' && state.reason !== startTimedOut ? `${message} ${state.message}` : message
}
