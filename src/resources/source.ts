/** Objects of one kind from one place, as a reader needs them: a list, and what happened after it. */
import type { Listing, ObjectMeta, ResourceVersion, WatchEvent } from './contract.ts'

/** What every object has that can be followed. */
export interface Followed {
  readonly metadata: Pick<ObjectMeta, 'namespace' | 'name' | 'uid' | 'resourceVersion'>
}

export interface Source<T extends Followed> {
  /** Throws as {@link Resources.list}. */
  list(signal: AbortSignal): Promise<Listing<T>>
  /**
   * Changes after `resourceVersion`, until the signal, or the server, ends it. Throws as {@link Resources.watch}: a watch that hangs is among
   * the connections that are lost.
   */
  watch(resourceVersion: ResourceVersion, signal: AbortSignal): AsyncIterable<WatchEvent<T>>
}
