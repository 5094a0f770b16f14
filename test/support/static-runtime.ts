/** A runtime whose instances are servers of the test: "started" means that the gateway is told where they listen. */

import { latest } from '#lib/latest.ts'
import type { Endpoint, Instance, InstanceEvent, InstanceStep, InstanceUid, Plan, Runtime } from '#runtime/contract.ts'
import { refKey, type WorkspaceRef } from '#surface/workspace-ref.ts'

export interface StaticRuntime extends Runtime {
  /** Where a workspace will listen once it is started. */
  provide(ref: WorkspaceRef, ports: Readonly<Record<number, Endpoint>>): void
  /** Changes what is said of a running instance. */
  tell(ref: WorkspaceRef, fields: Partial<Pick<Instance, 'phase' | 'reason' | 'message' | 'steps'>>): void
  readonly started: readonly string[]
}

export function staticRuntime(): StaticRuntime {
  const provided = new Map<string, ReadonlyMap<number, Endpoint>>()
  const instances = new Map<string, Instance>()
  const followers = new Set<(event: InstanceEvent) => void>()
  const started: string[] = []
  let count = 0
  const emit = (event: InstanceEvent) => {
    for (const follower of followers) follower(event)
  }
  const put = (instance: Instance) => {
    instances.set(refKey(instance.ref), instance)
    emit({ type: 'applied', instance })
  }
  return {
    started,
    provide: (ref, ports) =>
      void provided.set(
        refKey(ref),
        new Map(Object.entries(ports).map(([port, endpoint]) => [Number(port), endpoint])),
      ),
    tell(ref, fields) {
      const known = instances.get(refKey(ref))
      if (known) put({ ...known, ...fields })
    },
    async *instances(signal) {
      const queue: InstanceEvent[] = [{ type: 'synced', instances: [...instances.values()] }]
      const news = latest(signal)
      const follow = (event: InstanceEvent) => {
        queue.push(event)
        news.signal()
      }
      followers.add(follow)
      news.signal()
      try {
        for await (const _ of news) yield* queue.splice(0)
      } finally {
        followers.delete(follow)
      }
    },
    async apply(plan: Plan) {
      const key = refKey(plan.ref)
      if (instances.get(key)?.workspaceUid === plan.workspaceUid) return
      count += 1
      started.push(key)
      const steps: readonly InstanceStep[] = []
      // Brands what only a runtime makes.
      const instanceUid = `static-${count}` as InstanceUid
      const endpoints = provided.get(key) ?? new Map<number, Endpoint>()
      put({
        ref: plan.ref,
        workspaceUid: plan.workspaceUid,
        instanceUid,
        phase: 'running',
        reason: '',
        message: '',
        endpoints,
        steps,
      })
    },
    async remove(ref) {
      const known = instances.get(refKey(ref))
      if (!known) return
      instances.delete(refKey(ref))
      emit({ type: 'gone', ref, instanceUid: known.instanceUid })
    },
    logs: async () => ['the last line of its log'],
  }
}
