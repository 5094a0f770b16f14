/** Tells any number of followers which instances there are. A slow follower misses states in between, never the last one. */
import { latest } from '#lib/latest.ts'
import { refKey, type WorkspaceRef } from '#surface/workspace-ref.ts'
import type { Instance, InstanceEvent, InstanceUid } from './contract.ts'

export class InstanceFeed {
  readonly #instances = new Map<InstanceUid, Instance>()
  readonly #followers = new Set<(key: string, event: InstanceEvent) => void>()

  apply(instance: Instance): void {
    this.#instances.set(instance.instanceUid, instance)
    this.#tell(instance.ref, instance.instanceUid, { type: 'applied', instance })
  }

  remove(ref: WorkspaceRef, instanceUid: InstanceUid): void {
    if (this.#instances.delete(instanceUid)) this.#tell(ref, instanceUid, { type: 'gone', ref, instanceUid })
  }

  async *follow(signal: AbortSignal): AsyncGenerator<InstanceEvent, void, void> {
    const waiting = new Map<string, InstanceEvent>()
    const news = latest(signal)
    const hear = (key: string, event: InstanceEvent) => {
      // Taken out first, so that the order is that of the last events: a successor comes after its predecessor has gone.
      waiting.delete(key)
      waiting.set(key, event)
      news.signal()
    }
    this.#followers.add(hear)
    try {
      if (signal.aborted) return
      yield { type: 'synced', instances: [...this.#instances.values()] }
      for await (const _ of news) {
        for (const [key, event] of waiting) {
          waiting.delete(key)
          yield event
          if (signal.aborted) return
        }
      }
    } finally {
      this.#followers.delete(hear)
    }
  }

  /** An instance that changes hands is told of at both workspaces. */
  #tell(ref: WorkspaceRef, uid: InstanceUid, event: InstanceEvent): void {
    for (const hear of this.#followers) hear(`${refKey(ref)} ${uid}`, event)
  }
}
