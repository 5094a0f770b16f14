/**
 * Not a store: lends the lists and watches of a real one, and breaks them where a test says so, since a real connection breaks
 * when it likes. Counts what it was asked for.
 */
import type { Resource, Resources, ResourceVersion, WatchEvent } from '#resources/contract.ts'

/** What befalls one watch: it ends after so many events, with this error, or without one as a server does that restarts. */
export interface WatchFault {
  readonly afterEvents: number
  readonly error?: Error
}

export interface Faults {
  /** For each list, in order: what it throws. */
  list?: () => Error | undefined
  watch?: () => WatchFault | undefined
}

export interface FaultyResources extends Resources {
  /** Where each watch began. */
  readonly watchedFrom: readonly ResourceVersion[]
  readonly lists: number
  readonly openWatches: number
}

export function faultyResources(inner: Resources, faults: Faults): FaultyResources {
  const watchedFrom: ResourceVersion[] = []
  let lists = 0
  let openWatches = 0
  return {
    watchedFrom,
    get lists() {
      return lists
    },
    get openWatches() {
      return openWatches
    },
    async list(kind, options) {
      lists += 1
      const error = faults.list?.()
      if (error) throw error
      return inner.list(kind, options)
    },
    async *watch(kind, options) {
      watchedFrom.push(options.resourceVersion)
      openWatches += 1
      try {
        yield* until(inner.watch(kind, options), faults.watch?.())
      } finally {
        openWatches -= 1
      }
    },
    get: (kind, name) => inner.get(kind, name),
    create: (kind, object) => inner.create(kind, object),
    replace: (kind, object) => inner.replace(kind, object),
    patchSpec: (kind, name, patch, preconditions) => inner.patchSpec(kind, name, patch, preconditions),
    patchStatus: (kind, name, patch, preconditions) => inner.patchStatus(kind, name, patch, preconditions),
    delete: (kind, name, preconditions) => inner.delete(kind, name, preconditions),
  }
}

async function* until<T extends Resource>(
  watch: AsyncIterable<WatchEvent<T>>,
  fault: WatchFault | undefined,
): AsyncGenerator<WatchEvent<T>, void, void> {
  let events = 0
  const isOver = () => fault !== undefined && events >= fault.afterEvents
  if (!isOver()) {
    for await (const event of watch) {
      yield event
      events += 1
      if (isOver()) break
    }
  }
  if (isOver() && fault?.error) throw fault.error
}
