/** Tells any number of followers which instances there are. A slow follower misses states in between, never the last one. */
import { latest } from '#lib/latest.ts'
import type { WorkspaceRef } from '#surface/workspace-ref.ts'
import type { Instance, InstanceEvent, InstanceUid } from './contract.ts'

export class InstanceFeed {
  readonly #instances = new Map<InstanceUid, Instance>()
  readonly #followers = new Set<(uid: InstanceUid, event: InstanceEvent) => void>()

  apply(instance: Instance): void {
    this.#instances.set(instance.instanceUid, instance)
    this.#tell(instance.instanceUid, { type: 'applied', instance })
  }

  remove(ref: WorkspaceRef, instanceUid: InstanceUid): void {
    if (this.#instances.delete(instanceUid)) this.#tell(instanceUid, { type: 'gone', ref, instanceUid })
  }

  async *follow(signal: AbortSignal): AsyncGenerator<InstanceEvent, void, void> {
    const waiting = new Map<InstanceUid, InstanceEvent>()
    const news = latest(signal)
    const hear = (uid: InstanceUid, event: InstanceEvent) => {
      // Taken out first, so that the order is that of the last events: a successor comes after its predecessor has gone.
      waiting.delete(uid)
      waiting.set(uid, event)
      news.signal()
    }
    this.#followers.add(hear)
    try {
      if (signal.aborted) return
      yield { type: 'synced', instances: [...this.#instances.values()] }
      for await (const _ of news) {
        for (const [uid, event] of waiting) {
          waiting.delete(uid)
          yield event
          if (signal.aborted) return
        }
      }
    } finally {
      this.#followers.delete(hear)
    }
  }

  #tell(uid: InstanceUid, event: InstanceEvent): void {
    for (const hear of this.#followers) hear(uid, event)
  }
}
