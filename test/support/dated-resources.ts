/** A store that says of each object when it was written, in whole seconds by a clock of its own, as the API server does. */
import type { Clock, Timestamp } from '#lib/clock.ts'
import type {
  MergePatch,
  NewResource,
  ObjectName,
  Preconditions,
  Resource,
  ResourceKind,
  Resources,
} from '#resources/contract.ts'

/** Whatever is written passes through it. */
export function datedResources(inner: Resources, clock: Clock): Resources {
  const writtenAt = new Map<string, Timestamp>()
  const dated = <T extends Resource>(object: T): T => {
    const { uid, resourceVersion } = object.metadata
    const key = JSON.stringify([uid, resourceVersion])
    // It is seen for the first time by whoever writes it, or by a watch at the same moment.
    const at = writtenAt.get(key) ?? Math.floor(clock.now() / 1_000) * 1_000 + 1_000
    writtenAt.set(key, at)
    return { ...object, metadata: { ...object.metadata, updatedAt: at } }
  }
  return {
    async list(kind, options) {
      const listing = await inner.list(kind, options)
      return { ...listing, items: listing.items.map(dated) }
    },
    async *watch(kind, options) {
      for await (const event of inner.watch(kind, options))
        yield 'object' in event ? { ...event, object: dated(event.object) } : event
    },
    async get(kind, name) {
      const object = await inner.get(kind, name)
      return object && dated(object)
    },
    create: async <T extends Resource>(kind: ResourceKind<T>, object: NewResource<T>) =>
      dated(await inner.create(kind, object)),
    replace: async <T extends Resource>(kind: ResourceKind<T>, object: T) => dated(await inner.replace(kind, object)),
    patchSpec: async <T extends Resource>(
      kind: ResourceKind<T>,
      name: ObjectName,
      patch: MergePatch,
      only?: Preconditions,
    ) => dated(await inner.patchSpec(kind, name, patch, only)),
    patchStatus: async <T extends Resource>(
      kind: ResourceKind<T>,
      name: ObjectName,
      patch: MergePatch,
      only?: Preconditions,
    ) => dated(await inner.patchStatus(kind, name, patch, only)),
    delete: (kind, name, only) => inner.delete(kind, name, only),
  }
}
