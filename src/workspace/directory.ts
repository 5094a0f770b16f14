/**
 * What this gateway knows of its workspaces, kept true by watches and answered from memory: objects, shares, the instance that runs,
 * and whether it is ready. Readers get immutable entries; `generation` tells them whether anything they derived is still of today.
 */
import type { Clock } from '#lib/clock.ts'
import type { Uid } from '#resources/contract.ts'
import type { Reflected } from '#resources/reflect.ts'
import type { Instance, InstanceEvent } from '#runtime/contract.ts'
import { refKey, type WorkspaceRef } from '#surface/workspace-ref.ts'
import { hostLabel, type WorkspaceName } from './address.ts'
import type { WorkspaceShare } from './share.ts'
import { ShareExpiries } from './share-expiries.ts'
import { type Readiness, stateOf, type WorkspaceState } from './state.ts'
import { portsOf, refOf, type Workspace, type WorkspacePort } from './workspace.ts'

export interface WorkspaceEntry {
  readonly ref: WorkspaceRef
  readonly uid: Uid
  readonly workspace: Workspace
  /** The main one first. */
  readonly ports: readonly [WorkspacePort, ...WorkspacePort[]]
  /** Accepted ones that name this very workspace by UID; expiry is not looked at here. */
  readonly shares: readonly WorkspaceShare[]
  readonly instance: Instance | undefined
  readonly state: WorkspaceState
}

export interface DirectoryChange {
  readonly ref: WorkspaceRef
  readonly before: WorkspaceEntry | undefined
  readonly after: WorkspaceEntry | undefined
}

export interface DirectoryOptions {
  readonly clock: Clock
  /** Which workspaces this gateway serves (its manager's). */
  readonly serves: (workspace: Workspace) => boolean
  /** What the prober says of an instance. */
  readonly readinessOf: (instance: Instance, ports: readonly WorkspacePort[]) => Readiness
}

export class Directory {
  readonly #options: DirectoryOptions
  readonly #workspaces = new Map<string, Workspace>()
  readonly #shares = new Map<string, WorkspaceShare>()
  /** By name; of one UID each. A deleted namesake's may still be ending. */
  readonly #instances = new Map<string, readonly Instance[]>()
  readonly #entries = new Map<string, WorkspaceEntry>()
  readonly #hashed = new Map<string, WorkspaceRef>()
  readonly #byUid = new Map<string, WorkspaceRef>()
  /** By the UID of what runs: whose it is. */
  readonly #byInstance = new Map<string, WorkspaceEntry>()
  readonly #listeners = new Set<(change: DirectoryChange) => void>()
  readonly #expiries: ShareExpiries
  readonly #synced = { workspaces: false, shares: false, instances: false }
  #generation = 0

  constructor(options: DirectoryOptions) {
    this.#options = options
    this.#expiries = new ShareExpiries(options.clock, (key) => {
      const share = this.#shares.get(key)
      for (const ref of namedBy(share ? [share] : [])) this.#refresh(ref)
    })
  }

  /** Something outside of it has changed that decisions lean on: what was derived from it is of today no more. */
  reconsider(): void {
    this.#generation++
  }

  /** Grows with every change; equal numbers mean equal answers. */
  get generation(): number {
    return this.#generation
  }

  /** True once every source was heard completely; before that, "unknown" would be a guess. */
  get isComplete(): boolean {
    return this.#synced.workspaces && this.#synced.shares && this.#synced.instances
  }

  get(ref: WorkspaceRef): WorkspaceEntry | undefined {
    return this.#entries.get(refKey(ref))
  }

  find(name: WorkspaceName): WorkspaceEntry | undefined {
    const ref = name.by === 'ref' ? name.ref : this.#hashed.get(name.label)
    return ref && this.get(ref)
  }

  findByUid(uid: string): WorkspaceEntry | undefined {
    const ref = this.#byUid.get(uid)
    return ref && this.get(ref)
  }

  /** Of that namespace, and run by this very instance now: one that ends or has failed stands for nobody any more. */
  findByInstance(namespace: string, instanceUid: string): WorkspaceEntry | undefined {
    const entry = this.#byInstance.get(instanceUid)
    const phase = entry?.instance?.phase
    const isRun = phase === 'starting' || phase === 'running'
    return isRun && entry?.ref.namespace === namespace ? entry : undefined
  }

  all(): IterableIterator<WorkspaceEntry> {
    return this.#entries.values()
  }

  subscribe(listener: (change: DirectoryChange) => void): Disposable {
    this.#listeners.add(listener)
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) }
  }

  applyWorkspaces(event: Reflected<Workspace>): void {
    if (event.type === 'stale') return
    this.#synced.workspaces ||= event.type === 'synced'
    for (const ref of applyReflected(this.#workspaces, event, this.#options.serves)) this.#refresh(ref)
  }

  applyShares(event: Reflected<WorkspaceShare>): void {
    if (event.type === 'stale') return
    this.#synced.shares ||= event.type === 'synced'
    const before = [...this.#shares.values()]
    applyReflected(this.#shares, event, () => true)
    const touched =
      event.type === 'synced'
        ? [...before, ...event.objects]
        : [event.object, ...before.filter((share) => isSame(share, event.object))]
    this.#expiries.follow(this.#shares)
    for (const ref of namedBy(touched)) this.#refresh(ref)
  }

  applyInstances(event: InstanceEvent): void {
    switch (event.type) {
      case 'synced': {
        const refs = [...this.#instances.values(), event.instances].flat().map((instance) => instance.ref)
        this.#instances.clear()
        for (const instance of event.instances) this.#putInstance(instance)
        this.#synced.instances = true
        for (const ref of refs) this.#refresh(ref)
        return
      }
      case 'applied':
        this.#putInstance(event.instance)
        this.#refresh(event.instance.ref)
        return
      case 'gone':
        if (this.#keepInstances(event.ref, ({ instanceUid }) => instanceUid !== event.instanceUid)) {
          this.#refresh(event.ref)
        }
        return
    }
  }

  /** The present one of its workspace, and of that UID alone. */
  #putInstance(instance: Instance): void {
    const { ref, workspaceUid, instanceUid } = instance
    this.#keepInstances(ref, (it) => it.workspaceUid !== workspaceUid && it.instanceUid !== instanceUid)
    const key = refKey(ref)
    this.#instances.set(key, [...(this.#instances.get(key) ?? []), instance])
  }

  /** Whether one was dropped. */
  #keepInstances(ref: WorkspaceRef, isKept: (instance: Instance) => boolean): boolean {
    const key = refKey(ref)
    const known = this.#instances.get(key) ?? []
    const kept = known.filter(isKept)
    if (kept.length > 0) this.#instances.set(key, kept)
    else this.#instances.delete(key)
    return kept.length < known.length
  }

  /** The prober found something new about this workspace's instance. */
  readinessChanged(ref: WorkspaceRef): void {
    this.#refresh(ref)
  }

  #refresh(ref: WorkspaceRef): void {
    const key = refKey(ref)
    const before = this.#entries.get(key)
    const after = this.#assemble(key)
    if (before === undefined && after === undefined) return
    if (before) this.#byUid.delete(before.uid)
    const ran = before?.instance?.instanceUid
    // One that changed hands may be another workspace's by now.
    if (ran !== undefined && this.#byInstance.get(ran) === before) this.#byInstance.delete(ran)
    this.#entries.delete(key)
    this.#hashed.delete(hostLabel(ref))
    if (after) {
      this.#byUid.set(after.uid, ref)
      if (after.instance) this.#byInstance.set(after.instance.instanceUid, after)
      this.#entries.set(key, after)
      this.#hashed.set(hostLabel(ref), ref)
    }
    this.#generation++
    this.#tell({ ref, before, after })
  }

  /** Everybody hears of it, whatever becomes of one of them: one listener ends streams. */
  #tell(change: DirectoryChange): void {
    const failures: unknown[] = []
    for (const listener of this.#listeners) {
      try {
        listener(change)
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, 'listeners of the directory failed')
  }

  #assemble(key: string): WorkspaceEntry | undefined {
    const workspace = this.#workspaces.get(key)
    const ref = workspace && refOf(workspace)
    if (!workspace || !ref) return undefined
    // An instance of a deleted namesake is somebody else's.
    const instance = this.#instances.get(key)?.find(({ workspaceUid }) => workspaceUid === workspace.metadata.uid)
    const ports = portsOf(workspace)
    const readiness: Readiness = instance
      ? this.#options.readinessOf(instance, ports)
      : { kind: 'waiting', message: 'Nothing runs yet.' }
    return {
      ref,
      uid: workspace.metadata.uid,
      workspace,
      ports,
      shares: [...this.#shares.values()].filter((share) => isInForce(share, workspace)),
      instance,
      state: stateOf(workspace, instance, readiness),
    }
  }
}

/** Brings `known` up to date and names what may have changed. */
function applyReflected<T extends Workspace | WorkspaceShare>(
  known: Map<string, T>,
  event: Exclude<Reflected<T>, { type: 'stale' }>,
  isWanted: (object: T) => boolean,
): readonly WorkspaceRef[] {
  switch (event.type) {
    case 'synced': {
      const touched = [...known.values(), ...event.objects].map(nameOf)
      known.clear()
      for (const object of event.objects) if (isWanted(object)) known.set(refKey(nameOf(object)), object)
      return touched
    }
    case 'applied':
      if (isWanted(event.object)) known.set(refKey(nameOf(event.object)), event.object)
      else known.delete(refKey(nameOf(event.object)))
      return [nameOf(event.object)]
    case 'deleted':
      known.delete(refKey(nameOf(event.object)))
      return [nameOf(event.object)]
  }
}

function nameOf(object: Workspace | WorkspaceShare): WorkspaceRef {
  return { namespace: object.metadata.namespace, name: object.metadata.name }
}

function isSame(a: WorkspaceShare, b: WorkspaceShare): boolean {
  return a.metadata.namespace === b.metadata.namespace && a.metadata.name === b.metadata.name
}

/** A share names workspaces of its own namespace only. */
function namedBy(shares: readonly WorkspaceShare[]): readonly WorkspaceRef[] {
  const refs = new Map<string, WorkspaceRef>()
  for (const share of shares) {
    for (const { name } of share.spec.workspaces) {
      const ref = { namespace: share.metadata.namespace, name }
      refs.set(refKey(ref), ref)
    }
  }
  return [...refs.values()]
}

/** Accepted, for its present spec, and for this workspace and not a namesake created later. */
function isInForce(share: WorkspaceShare, workspace: Workspace): boolean {
  if (share.metadata.namespace !== workspace.metadata.namespace) return false
  const { status } = share
  return (
    status.observedGeneration === share.metadata.generation &&
    status.conditions.some((condition) => condition.type === 'Accepted' && condition.status === 'True') &&
    share.spec.workspaces.some((named) => named.name === workspace.metadata.name) &&
    status.workspaces.some((named) => named.name === workspace.metadata.name && named.uid === workspace.metadata.uid)
  )
}
