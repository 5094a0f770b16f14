/**
 * Workspaces as pods of a cluster, seen by one who starts and stops none of them.
 *
 * @example
 * const runtime = openPodRuntime({ client, origin: (await access.current()).origin, clock, log, signal })
 * await openGateway({ ...ground, runtime, dial: (endpoint, dialing) => runtime.dial(endpoint, dialing) })
 */
import type { OnReadOpts } from 'node:net'
import type { Duplex } from 'node:stream'
import { isDeepStrictEqual } from 'node:util'
import { type Clock, type Milliseconds, sleep } from '#lib/clock.ts'
import type { Network } from '#lib/network.ts'
import type { Log } from '#observe/log.ts'
import type { Uid } from '#resources/contract.ts'
import type { ApiClient } from '#resources/kubernetes/api-client.ts'
import type { HoldWish } from '#resume/hold.ts'
import type { Endpoint, InstanceEvent, Instances, ReadLoad } from '#runtime/contract.ts'
import { InstanceFeed } from '#runtime/instance-feed.ts'
import type { WorkspaceRef } from '#surface/workspace-ref.ts'
import { apiServerAddresses } from './api-addresses.ts'
import type { Owner, OwnerKind } from './owner.ts'
import type { Pod } from './pod.ts'
import type { ReservedAddresses } from './pod-addresses.ts'
import { type ConnectByAgent, dialPod, type PodDialParts } from './pod-dial.ts'
import { PodEvents } from './pod-events.ts'
import { readPodLoad } from './pod-load.ts'
import { readPodLog } from './pod-log.ts'
import { type InstanceChange, PodTable } from './pod-table.ts'
import { type Known, PodWatches } from './pod-watches.ts'

export interface PodRuntimeOptions {
  readonly client: ApiClient
  /** Where the API server is reached: `https://10.96.0.1:443`. */
  readonly origin: string
  /** Absent: all namespaces. */
  readonly namespaces?: readonly string[] | undefined
  /** Where the administrator wants no workspace to be: networks of nodes, of the control plane. */
  readonly reserved?: readonly Network[] | undefined
  /**
   * How old what is known of a pod may be for a new connection to it; 90 s. An address may be another pod's by then, as long as whoever gives
   * it away is heard by others and not from here. Longer than the minute for which an API server may be frozen and people go on working.
   */
  readonly routeAgeLimit?: Milliseconds | undefined
  /** A watch of this kind was interrupted and goes on. */
  readonly onInterruption?: ((kind: string) => void) | undefined
  /** An object of this kind can't be read; once for each version of it. */
  readonly onUnreadable?: ((kind: string) => void) | undefined
  /** The pods that are reached through their agents, and in no other way; none when absent. */
  readonly agents?: { readonly isFor: (namespace: string) => boolean; readonly connect: ConnectByAgent } | undefined
  readonly clock: Clock
  readonly log: Log
  readonly signal: AbortSignal
}

export interface PodRuntime extends Instances {
  /** As {@link dialPod}. */
  dial(endpoint: Endpoint, signal: AbortSignal, reading?: OnReadOpts, hold?: HoldWish): Promise<Duplex>
  /** As the metrics API says. */
  readonly load: ReadLoad
  /** For how long it has not been proven that nothing is missing of what is known of the pods. */
  readonly age: Milliseconds
  /** Nothing is asked for any more, after the signal. */
  readonly ended: Promise<void>
}

const defaultRouteAgeLimit: Milliseconds = 90_000
/** API servers move seldom. */
const addressesEvery: Milliseconds = 300_000

export function openPodRuntime(options: PodRuntimeOptions): PodRuntime {
  return new ClusterPods(options)
}

class ClusterPods implements PodRuntime {
  readonly ended: Promise<void>
  readonly #options: PodRuntimeOptions
  readonly #table: PodTable
  readonly #feed = new InstanceFeed()
  readonly #watches: PodWatches
  readonly #events: PodEvents
  readonly #complete: Promise<unknown>

  constructor(options: PodRuntimeOptions) {
    this.#options = options
    this.#table = new PodTable(options.agents?.isFor)
    this.#events = new PodEvents({
      ...options,
      onSteps: (uid, steps) => this.#tell(this.#table.putEvents(uid, steps)),
    })
    const reserved = Promise.withResolvers<void>()
    const reserving = this.#reserve(reserved.resolve)
    this.#watches = new PodWatches({
      ...options,
      onPods: (fact, namespace) => this.#hearPods(fact, namespace),
      onOwners: (kind, fact, namespace) => this.#hearOwners(kind, fact, namespace),
    })
    this.#complete = Promise.all([this.#watches.synced, reserved.promise])
    this.ended = Promise.all([this.#watches.ended, reserving]).then(() => undefined)
  }

  get age(): Milliseconds {
    return this.#watches.oldest
  }

  async *instances(signal: AbortSignal): AsyncGenerator<InstanceEvent, void, void> {
    const both = AbortSignal.any([signal, this.#options.signal])
    const aborted = new Promise<void>((resolve) => both.addEventListener('abort', () => resolve(), { once: true }))
    await Promise.race([this.#complete, aborted])
    yield* this.#feed.follow(both)
  }

  async logs(
    ref: WorkspaceRef,
    { lines, workspaceUid }: { lines: number; workspaceUid: Uid },
  ): Promise<readonly string[]> {
    const pod = this.#table.podOf({ ref, workspaceUid })
    return pod ? readPodLog(this.#options.client, pod, lines) : []
  }

  readonly load: ReadLoad = async (of, signal) => {
    const pod = this.#table.podOf(of)
    if (pod?.instanceUid !== of.instanceUid) {
      return { kind: 'missing', problem: 'its pod is another one', isPassing: true }
    }
    return readPodLoad(this.#options.client, pod, signal)
  }

  dial(endpoint: Endpoint, signal: AbortSignal, reading?: OnReadOpts, hold?: HoldWish): Promise<Duplex> {
    const parts: PodDialParts = {
      routeTo: (instanceUid) => this.#table.routeTo(instanceUid),
      ageOf: (namespace) => this.#watches.age(namespace),
      ageLimit: this.#options.routeAgeLimit ?? defaultRouteAgeLimit,
      connectByAgent: this.#options.agents?.connect,
    }
    return dialPod(parts, endpoint, signal, reading, hold)
  }

  #hearPods(fact: Known<Pod>, namespace: string | undefined): void {
    switch (fact.type) {
      case 'synced':
        this.#tell(this.#table.syncPods(fact.objects, namespace))
        return
      case 'applied':
        this.#tell(this.#table.putPod(fact.object))
        return
      case 'deleted':
        this.#tell(this.#table.dropPod(fact.object.instanceUid))
        return
    }
  }

  #hearOwners(kind: OwnerKind, fact: Known<Owner>, namespace: string | undefined): void {
    switch (fact.type) {
      case 'synced':
        this.#tell(this.#table.syncOwners(kind, fact.objects, namespace))
        return
      case 'applied':
        this.#tell(this.#table.putOwner(fact.object))
        return
      case 'deleted':
        this.#tell(this.#table.dropOwner(fact.object.metadata.uid))
        return
    }
  }

  #tell(changes: readonly InstanceChange[]): void {
    for (const change of changes) {
      if (change.type === 'gone') {
        this.#events.forget(change.instanceUid)
        this.#feed.remove(change.ref, change.instanceUid)
      } else {
        this.#feed.apply(change.instance)
        const pod = this.#table.podOf(change.instance)
        if (pod) this.#events.look(pod, change.instance.phase)
      }
    }
  }

  /** Until the signal; `once` after the first time. Never rejects. */
  async #reserve(once: () => void): Promise<void> {
    const { clock, reserved = [], signal } = this.#options
    let known: readonly ReservedAddresses[] = []
    while (!signal.aborted) {
      const apiServer = await apiServerAddresses(this.#options)
      const now = [apiServer, { networks: reserved, why: 'is not for workspaces here' }]
      if (!isDeepStrictEqual(now, known)) this.#tell(this.#table.reserve(now))
      known = now
      once()
      await sleep(clock, addressesEvery, signal).catch(() => undefined)
    }
    once()
  }
}
