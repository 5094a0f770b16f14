/** Follows pods and what owns them at the API server, and hands on what it hears. Labels only keep the watches small; they prove nothing. */
import { hasCode, messageOf } from '#errors.ts'
import { type Clock, type Milliseconds, sleep } from '#lib/clock.ts'
import type { Log } from '#observe/log.ts'
import { type Fact, follow } from '#resources/follow.ts'
import { Freshness } from '#resources/freshness.ts'
import type { ApiClient } from '#resources/kubernetes/api-client.ts'
import { type ListWatchOptions, listWatch } from '#resources/kubernetes/list-watch.ts'
import type { Followed } from '#resources/source.ts'
import { type Owner, type OwnerKind, ownerKinds, readOwner } from './owner.ts'
import { type Pod, readPod } from './pod.ts'

export interface PodWatchesOptions {
  readonly client: ApiClient
  /** Absent: all namespaces. */
  readonly namespaces?: readonly string[] | undefined
  readonly clock: Clock
  readonly log: Log
  readonly signal: AbortSignal
  readonly onPods: (fact: Known<Pod>, namespace: string | undefined) => void
  readonly onOwners: (kind: OwnerKind, fact: Known<Owner>, namespace: string | undefined) => void
  /** A watch, of this kind, was interrupted and goes on. */
  readonly onInterruption?: ((kind: string) => void) | undefined
  /** An object of this kind can't be read; once for each version of it. */
  readonly onUnreadable?: ((kind: string) => void) | undefined
}

/** A fact that says what there is. */
export type Known<T> = Exclude<Fact<T>, { type: 'stale' }>

/** Upstream's label, on workspaces' Deployments, ReplicaSets and Pods alike. */
const label = 'workspace.jupyter.org/workspace-name'
const plurals = { ReplicaSet: 'replicasets', Deployment: 'deployments', StatefulSet: 'statefulsets' } as const
/** Upstream has none of these, so Gatehouse does without the right to see them. */
const dispensable: ReadonlySet<OwnerKind> = new Set(['StatefulSet'])
const refusedPause: Milliseconds = 300_000

export class PodWatches {
  /** Everything was heard of, once. */
  readonly synced: Promise<void>
  /** After the signal: nothing is followed any more. */
  readonly ended: Promise<void>
  readonly #options: PodWatchesOptions
  readonly #freshness = new Map<string | undefined, Freshness>()

  constructor(options: PodWatchesOptions) {
    this.#options = options
    const { namespaces } = options
    const watches = (namespaces ?? [undefined]).flatMap((namespace) => [
      this.#followPods(namespace),
      ...ownerKinds.map((kind) => this.#followOwners(kind, namespace)),
    ])
    this.synced = Promise.all(watches.map((watch) => watch.synced)).then(() => undefined)
    this.ended = Promise.all(watches.map((watch) => watch.ended)).then(() => undefined)
  }

  /** For how long it has not been proven that nothing is missing of what is known of the pods of a namespace. */
  age(namespace: string): Milliseconds {
    const freshness = this.#freshness.get(this.#options.namespaces === undefined ? undefined : namespace)
    return freshness?.age() ?? Number.POSITIVE_INFINITY
  }

  /** Of the namespace that is known least well. */
  get oldest(): Milliseconds {
    return Math.max(...[...this.#freshness.values()].map((freshness) => freshness.age()))
  }

  #followPods(namespace: string | undefined): Watch {
    const freshness = new Freshness(this.#options.clock)
    this.#freshness.set(namespace, freshness)
    const type = { group: '', version: 'v1', plural: 'pods' }
    const hear = (fact: Known<Pod>) => this.#options.onPods(fact, namespace)
    return this.#follow({ type, namespace, parse: readPod }, freshness, hear, false)
  }

  #followOwners(kind: OwnerKind, namespace: string | undefined): Watch {
    const type = { group: 'apps', version: 'v1', plural: plurals[kind] }
    const parse: ListWatchOptions<Owner>['parse'] = (object) => readOwner(kind, object)
    const hear = (fact: Known<Owner>) => this.#options.onOwners(kind, fact, namespace)
    const source = { type, namespace, parse, form: 'metadata' } as const
    return this.#follow(source, new Freshness(this.#options.clock), hear, dispensable.has(kind))
  }

  #follow<T extends Followed>(
    source: ApiSource<T>,
    freshness: Freshness,
    hear: (fact: Known<T>) => void,
    isDispensable: boolean,
  ): Watch {
    const { promise: synced, resolve } = Promise.withResolvers<void>()
    const { clock, signal } = this.#options
    const hearAndNote = (fact: Known<T>) => {
      hear(fact)
      if (fact.type === 'synced') resolve()
    }
    const run = async () => {
      while (!signal.aborted) {
        await this.#hearAll(source, freshness, hearAndNote, isDispensable)
        if (!signal.aborted) hearAndNote({ type: 'synced', objects: [] })
        await sleep(clock, refusedPause, signal).catch(() => undefined)
      }
      resolve()
    }
    return { synced, ended: run() }
  }

  /** Until the signal, or until a dispensable one is refused. */
  async #hearAll<T extends Followed>(
    source: ApiSource<T>,
    freshness: Freshness,
    hear: (fact: Known<T>) => void,
    isDispensable: boolean,
  ): Promise<void> {
    const { log, onInterruption } = this.#options
    const kind = source.type.plural
    for await (const fact of this.#factsOf(source, freshness)) {
      if (fact.type !== 'stale') {
        hear(fact)
        continue
      }
      if (isDispensable && isRefused(fact.error)) return
      log.warn({ kind, reason: messageOf(fact.error) }, 'a watch was interrupted')
      onInterruption?.(kind)
    }
  }

  #factsOf<T extends Followed>(source: ApiSource<T>, freshness: Freshness): AsyncGenerator<Fact<T>, void, void> {
    const { client, clock, log, signal } = this.#options
    const kind = source.type.plural
    const onUnreadable: ListWatchOptions<T>['onUnreadable'] = ({ namespace, name, reason }) => {
      this.#options.onUnreadable?.(kind)
      log.warn({ kind, name: `${namespace}/${name}`, reason }, 'an object can not be read')
    }
    return follow(listWatch({ ...source, client, labelSelector: label, onUnreadable }), { clock, signal, freshness })
  }
}

type ApiSource<T extends Followed> = Pick<ListWatchOptions<T>, 'type' | 'namespace' | 'parse' | 'form'>

interface Watch {
  readonly synced: Promise<void>
  readonly ended: Promise<void>
}

function isRefused(error: unknown): boolean {
  return hasCode(error, 'store_refused')
}
