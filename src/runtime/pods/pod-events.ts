/**
 * Events of the pods that people wait for: they alone say that an image is being pulled. They are asked for while a pod starts, and once for each
 * new failure, since a cluster has far too many to follow them all. Where Gatehouse may not read them, pods tell of themselves alone.
 */
import { hasCode, messageOf } from '#errors.ts'
import { backoff } from '#lib/backoff.ts'
import { type Clock, type Milliseconds, sleep, type Timestamp } from '#lib/clock.ts'
import type { Log } from '#observe/log.ts'
import type { ApiClient } from '#resources/kubernetes/api-client.ts'
import { resourcePath } from '#resources/kubernetes/resource-path.ts'
import type { InstancePhase, InstanceStep, InstanceUid } from '#runtime/contract.ts'
import type { Pod } from './pod.ts'
import { readEvents } from './pod-steps.ts'

export interface PodEventsOptions {
  readonly client: ApiClient
  readonly clock: Clock
  readonly log: Log
  readonly signal: AbortSignal
  /** What is known of this pod now. */
  readonly onSteps: (instanceUid: InstanceUid, steps: readonly InstanceStep[]) => void
}

const firstPause: Milliseconds = 1_000
const longestPause: Milliseconds = 15_000
/** Pods that are asked about at the same time; others tell of themselves alone. */
const mostPods = 16
/** Events of one pod; the API server gives them in no order. */
const mostEvents = 200
/** How long a refusal is taken for an answer. */
const refusedFor: Milliseconds = 300_000

interface Asking {
  readonly end: AbortController
  pod: Pod
  phase: InstancePhase
}

export class PodEvents {
  readonly #options: PodEventsOptions
  readonly #asking = new Map<InstanceUid, Asking>()
  #refusedUntil: Timestamp = 0

  constructor(options: PodEventsOptions) {
    this.#options = options
  }

  /** A pod is another one than before. */
  look(pod: Pod, phase: InstancePhase): void {
    const known = this.#asking.get(pod.instanceUid)
    if (phase !== 'starting' && phase !== 'failed') {
      this.forget(pod.instanceUid)
      return
    }
    if (known) {
      known.pod = pod
      known.phase = phase
      return
    }
    const { clock, signal } = this.#options
    if (signal.aborted || this.#asking.size >= mostPods || clock.now() < this.#refusedUntil) return
    const asking: Asking = { end: new AbortController(), pod, phase }
    this.#asking.set(pod.instanceUid, asking)
    void this.#ask(asking, AbortSignal.any([signal, asking.end.signal]))
  }

  forget(instanceUid: InstanceUid): void {
    this.#asking.get(instanceUid)?.end.abort()
    this.#asking.delete(instanceUid)
  }

  /** Never rejects. */
  async #ask(asking: Asking, signal: AbortSignal): Promise<void> {
    const pauses = backoff({ first: firstPause, longest: longestPause })
    while (!signal.aborted) {
      const { pod, phase } = asking
      await this.#read(pod, signal)
      await sleep(this.#options.clock, pauses.next(), signal).catch(() => undefined)
      // One that has failed, and has said nothing new meanwhile, is asked about when it does.
      if (phase === 'failed' && asking.pod === pod) break
    }
    if (this.#asking.get(asking.pod.instanceUid) === asking) this.#asking.delete(asking.pod.instanceUid)
  }

  async #read({ metadata, instanceUid }: Pod, signal: AbortSignal): Promise<void> {
    const { client, clock, log, onSteps } = this.#options
    const fieldSelector = `involvedObject.kind=Pod,involvedObject.uid=${metadata.uid}`
    const place = { namespace: metadata.namespace, query: { fieldSelector, limit: mostEvents } }
    try {
      const list = await client.get(resourcePath({ group: '', version: 'v1', plural: 'events' }, place), { signal })
      if (!signal.aborted) onSteps(instanceUid, readEvents(list))
    } catch (error) {
      if (signal.aborted) return
      if (hasCode(error, 'store_refused')) {
        this.#refusedUntil = clock.now() + refusedFor
        for (const uid of [...this.#asking.keys()]) this.forget(uid)
      }
      log.info({ reason: messageOf(error) }, 'events of a pod that starts can not be read')
    }
  }
}
