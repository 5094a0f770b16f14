/**
 * Pods and what they belong to, as instances: whatever is put in, in whatever order, the same objects make the same instances. No effects;
 * each change says what became of the instances.
 */
import { Multimap } from '#lib/multimap.ts'
import type { Uid } from '#resources/contract.ts'
import type { Followed } from '#resources/source.ts'
import type { Instance, InstanceEvent, InstanceStep, InstanceUid } from '#runtime/contract.ts'
import { refKey } from '#surface/workspace-ref.ts'
import { type Belonging, belongingOf, type Owner, type OwnerKind } from './owner.ts'
import type { Pod } from './pod.ts'
import { PodAddresses, type ReservedAddresses } from './pod-addresses.ts'
import { choosePod, instanceOf } from './pod-instance.ts'

export type InstanceChange = Exclude<InstanceEvent, { type: 'synced' }>

export interface PodRoute {
  /** `undefined`: by its agent alone. */
  readonly host: string | undefined
  readonly namespace: string
}

interface Chosen {
  readonly pod: Pod
  readonly instance: Instance
  /** All that is said of it, to know whether there is anything new. */
  readonly text: string
}

export class PodTable {
  readonly #isByAgent: (namespace: string) => boolean
  readonly #pods = new Map<InstanceUid, Pod>()
  readonly #owners = new Map<Uid, Owner>()
  readonly #addresses = new PodAddresses()
  readonly #events = new Map<InstanceUid, readonly InstanceStep[]>()
  /** By UID of what controls them. */
  readonly #podsOf = new Multimap<Uid, InstanceUid>()
  readonly #ownersOf = new Multimap<Uid, Uid>()
  readonly #belongings = new Map<InstanceUid, { readonly key: string; readonly belonging: Belonging }>()
  readonly #byWorkspace = new Multimap<string, InstanceUid>()
  readonly #chosen = new Map<string, Chosen>()

  /** `isByAgent`: are the pods of this namespace reached through their agents, and in no other way? */
  constructor(isByAgent: (namespace: string) => boolean = () => false) {
    this.#isByAgent = isByAgent
  }

  get instances(): readonly Instance[] {
    return [...this.#chosen.values()].map(({ instance }) => instance)
  }

  /** The pod that stands for a workspace now. */
  podOf(belonging: Belonging): Pod | undefined {
    return this.#chosen.get(keyOf(belonging))?.pod
  }

  /** Where the instance is; `undefined` when there is none, or it may not be reached. */
  routeTo(instanceUid: InstanceUid): PodRoute | undefined {
    const place = this.#belongings.get(instanceUid)
    const chosen = place && this.#chosen.get(place.key)
    if (chosen?.instance.instanceUid !== instanceUid) return undefined
    const endpoint = chosen.instance.endpoints.get(1)
    const { namespace } = chosen.pod.metadata
    if (endpoint?.kind === 'agent') return { host: undefined, namespace }
    return endpoint?.kind === 'pod' ? { host: endpoint.host, namespace } : undefined
  }

  putPod(pod: Pod): readonly InstanceChange[] {
    return this.#told(this.#put(this.#pods.get(pod.instanceUid), pod))
  }

  dropPod(instanceUid: InstanceUid): readonly InstanceChange[] {
    return this.#told(this.#put(this.#pods.get(instanceUid), undefined))
  }

  /** In this namespace (or in all) there are these and no others. */
  syncPods(pods: readonly Pod[], namespace?: string): readonly InstanceChange[] {
    const listed = new Set(pods.map(({ instanceUid }) => instanceUid))
    const known = [...this.#pods.values()].filter(isIn(namespace))
    const dropped = known.filter(({ instanceUid }) => !listed.has(instanceUid))
    const touched = new Set<InstanceUid>()
    for (const pod of dropped) for (const uid of this.#put(pod, undefined)) touched.add(uid)
    for (const pod of pods) for (const uid of this.#put(this.#pods.get(pod.instanceUid), pod)) touched.add(uid)
    return this.#told([...touched])
  }

  putOwner(owner: Owner): readonly InstanceChange[] {
    return this.#told(this.#putOwner(owner.metadata.uid, owner))
  }

  dropOwner(uid: Uid): readonly InstanceChange[] {
    return this.#told(this.#putOwner(uid, undefined))
  }

  /** Of this kind there are these and no others in the namespace, or in all. */
  syncOwners(kind: OwnerKind, owners: readonly Owner[], namespace?: string): readonly InstanceChange[] {
    const listed = new Set(owners.map(({ metadata }) => metadata.uid))
    const known = [...this.#owners.values()].filter(isIn(namespace)).filter((owner) => owner.kind === kind)
    const dropped = known.filter(({ metadata }) => !listed.has(metadata.uid))
    const touched = new Set<InstanceUid>()
    for (const { metadata } of dropped) for (const uid of this.#putOwner(metadata.uid, undefined)) touched.add(uid)
    for (const owner of owners) for (const uid of this.#putOwner(owner.metadata.uid, owner)) touched.add(uid)
    return this.#told([...touched])
  }

  /** What events tell of a pod. */
  putEvents(instanceUid: InstanceUid, steps: readonly InstanceStep[]): readonly InstanceChange[] {
    if (!this.#pods.has(instanceUid)) return []
    this.#events.set(instanceUid, steps)
    return this.#told([instanceUid])
  }

  /** Instead of what was reserved before. */
  reserve(reserved: readonly ReservedAddresses[]): readonly InstanceChange[] {
    this.#addresses.reserve(reserved)
    return this.#told([...this.#pods.keys()])
  }

  /** Pods whose instance may be another one now. */
  #put(before: Pod | undefined, after: Pod | undefined): readonly InstanceUid[] {
    const uid = (after ?? before)?.instanceUid
    if (uid === undefined) return []
    if (before?.owner) this.#podsOf.delete(before.owner.uid, uid)
    if (after?.owner) this.#podsOf.add(after.owner.uid, uid)
    if (after) this.#pods.set(uid, after)
    else {
      this.#pods.delete(uid)
      this.#events.delete(uid)
    }
    return [uid, ...this.#addresses.put(before, after)]
  }

  #putOwner(uid: Uid, after: Owner | undefined): readonly InstanceUid[] {
    const before = this.#owners.get(uid)
    if (before?.owner) this.#ownersOf.delete(before.owner.uid, uid)
    if (after?.owner) this.#ownersOf.add(after.owner.uid, uid)
    if (after) this.#owners.set(uid, after)
    else this.#owners.delete(uid)
    return this.#below(uid)
  }

  /** Pods that this owner stands above: a Deployment has ReplicaSets, which have pods. */
  #below(uid: Uid): readonly InstanceUid[] {
    const owners = [uid, ...this.#ownersOf.of(uid)]
    return owners.flatMap((owner) => this.#podsOf.of(owner))
  }

  /** Decides again for those workspaces that the pods belong or belonged to. */
  #told(touched: readonly InstanceUid[]): readonly InstanceChange[] {
    const keys = new Set<string>()
    for (const uid of touched) for (const key of this.#place(uid)) keys.add(key)
    const changes = [...keys].flatMap((key) => this.#choose(key))
    // A pod that changed hands is gone before it is somebody else's.
    return changes.sort((a, b) => Number(a.type === 'applied') - Number(b.type === 'applied'))
  }

  /** Notes whose a pod is now; the workspaces that this concerns. */
  #place(uid: InstanceUid): readonly string[] {
    const before = this.#belongings.get(uid)
    const pod = this.#pods.get(uid)
    const belonging = pod && belongingOf(pod, this.#owners)
    const key = belonging && keyOf(belonging)
    if (before && before.key !== key) {
      this.#byWorkspace.delete(before.key, uid)
      this.#belongings.delete(uid)
    }
    if (belonging && key !== undefined) {
      this.#byWorkspace.add(key, uid)
      this.#belongings.set(uid, { key, belonging })
    }
    return [before?.key, key].filter((it) => it !== undefined)
  }

  #choose(key: string): readonly InstanceChange[] {
    const before = this.#chosen.get(key)
    const after = this.#assemble(key)
    if (before?.text === after?.text) {
      // The pod may be a newer version of the same.
      if (before && after) this.#chosen.set(key, { ...before, pod: after.pod })
      return []
    }
    if (after) this.#chosen.set(key, after)
    else this.#chosen.delete(key)
    const isGone = before && before.instance.instanceUid !== after?.instance.instanceUid
    return [
      ...(isGone
        ? [{ type: 'gone' as const, ref: before.instance.ref, instanceUid: before.instance.instanceUid }]
        : []),
      ...(after ? [{ type: 'applied' as const, instance: after.instance }] : []),
    ]
  }

  #assemble(key: string): Chosen | undefined {
    const pods = this.#byWorkspace.of(key).flatMap((uid) => this.#pods.get(uid) ?? [])
    const pod = choosePod(pods)
    const place = pod && this.#belongings.get(pod.instanceUid)
    if (!pod || !place) return undefined
    const events = this.#events.get(pod.instanceUid) ?? []
    const isByAgent = this.#isByAgent(pod.metadata.namespace)
    const instance = instanceOf(pod, place.belonging, this.#addresses.judge(pod), events, isByAgent)
    return { pod, instance, text: JSON.stringify({ ...instance, endpoints: instance.endpoints.get(1) }) }
  }
}

function isIn(namespace: string | undefined): (object: Followed) => boolean {
  return ({ metadata }) => namespace === undefined || metadata.namespace === namespace
}

/** `/` and spaces occur in no name; a UID is whatever an owner reference says, and comes last. */
function keyOf({ ref, workspaceUid }: Belonging): string {
  return `${refKey(ref)} ${workspaceUid}`
}
