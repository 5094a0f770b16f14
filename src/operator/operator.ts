/**
 * The operator of a machine without Kubernetes: what Workspaces ask for is brought about by a runtime, and told in their status.
 * It knows neither users nor URLs, and goes on whatever fails.
 */
import type { Clock } from '#lib/clock.ts'
import { sleep } from '#lib/clock.ts'
import type { Audit } from '#observe/audit.ts'
import type { Log } from '#observe/log.ts'
import type { Resources } from '#resources/contract.ts'
import { type Reflected, reflect } from '#resources/reflect.ts'
import type { InstanceEvent, Plan, Runtime } from '#runtime/contract.ts'
import { refKey, type WorkspaceRef } from '#surface/workspace-ref.ts'
import type { Prober } from '#workspace/prober.ts'
import { refOf, type Workspace, workspaceKind } from '#workspace/workspace.ts'
import { Desk } from './desk.ts'

export interface OperatorOptions {
  readonly resources: Resources
  readonly runtime: Runtime
  readonly planOf: (workspace: Workspace, ref: WorkspaceRef) => Plan
  /** Somebody else tells it what to watch. */
  readonly prober: Pick<Prober, 'readinessOf' | 'subscribe'>
  readonly clock: Clock
  readonly log: Log
  readonly audit: Audit
  readonly signal: AbortSignal
}

/** Works until the signal ends it; never rejects. What runs then is the runtime's to end. */
export async function runOperator(options: OperatorOptions): Promise<void> {
  const operator = new Operator(options)
  await operator.run()
}

class Operator {
  readonly #options: OperatorOptions
  /** Of every workspace there is, and of those that are gone for as long as there is something to end. */
  readonly #desks = new Map<string, Desk>()
  readonly #working = new Set<Promise<void>>()
  /** All workspaces were heard of: from then on, one that is not known is not there. Nothing is ended on a guess. */
  #isSynced = false

  constructor(options: OperatorOptions) {
    this.#options = options
  }

  async run(): Promise<void> {
    const { clock, prober, resources, runtime, signal } = this.#options
    const news = prober.subscribe((item) => {
      const desk = this.#deskOf(item.ref)
      if (item.kind === 'readiness') desk.readinessChanged()
      else desk.giveUp(item.workspaceUid, item.message)
    })
    await Promise.all([
      this.#follow(
        () => reflect(resources, workspaceKind, { clock, signal }),
        (event) => this.#workspaceEvent(event),
      ),
      this.#follow(
        () => runtime.instances(signal),
        (event) => this.#instanceEvent(event),
      ),
    ])
    news[Symbol.dispose]()
    await Promise.all(this.#working)
  }

  /** Begins again when a source breaks, which it should not. */
  async #follow<T>(open: () => AsyncIterable<T>, apply: (event: T) => void): Promise<void> {
    const { clock, log, signal } = this.#options
    while (!signal.aborted) {
      try {
        for await (const event of open()) apply(event)
      } catch (error) {
        if (!signal.aborted) log.error({ error }, 'the operator lost a source and follows it again')
      }
      await sleep(clock, 1000, signal).catch(() => undefined)
    }
  }

  #workspaceEvent(event: Reflected<Workspace>): void {
    switch (event.type) {
      case 'synced':
        this.#applyAll(event.objects)
        return
      case 'applied':
        this.#apply(event.object)
        return
      case 'deleted': {
        const ref = refOf(event.object)
        if (ref) this.#deskOf(ref).workspaceIs(undefined)
        return
      }
      case 'stale':
        this.#options.log.warn({ error: event.error }, 'the operator works with what it knew last')
        return
    }
  }

  #applyAll(workspaces: readonly Workspace[]): void {
    const listed = new Set(workspaces.flatMap((workspace) => refOf(workspace) ?? []).map(refKey))
    for (const [key, desk] of this.#desks) if (!listed.has(key)) desk.workspaceIs(undefined)
    for (const workspace of workspaces) this.#apply(workspace)
    this.#isSynced = true
  }

  #apply(workspace: Workspace): void {
    const ref = refOf(workspace)
    if (ref) this.#deskOf(ref).workspaceIs(workspace)
  }

  #instanceEvent(event: InstanceEvent): void {
    switch (event.type) {
      case 'synced':
        for (const instance of event.instances) this.#deskOf(instance.ref).instanceIs(instance)
        return
      case 'applied':
        this.#deskOf(event.instance.ref).instanceIs(event.instance)
        return
      case 'gone':
        this.#deskOf(event.ref).instanceGone(event.instanceUid)
        return
    }
  }

  #deskOf(ref: WorkspaceRef): Desk {
    const key = refKey(ref)
    const known = this.#desks.get(key)
    if (known) return known
    const { signal } = this.#options
    const desk = new Desk(ref, { ...this.#options, log: this.#options.log.child({ workspace: key }) }, signal)
    this.#desks.set(key, desk)
    if (this.#isSynced) desk.workspaceIs(undefined)
    const work = desk.work(signal, () => this.#desks.delete(key)).then(() => void this.#working.delete(work))
    this.#working.add(work)
    return desk
  }
}
