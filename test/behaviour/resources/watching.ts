/** Follows a watch in the background and lets a test wait for what it has seen. */
import type { Resource, ResourceKind, Resources, ResourceVersion, WatchEvent } from '#resources/contract.ts'

export type ObjectEvent<T extends Resource> = Extract<WatchEvent<T>, { object: T }>

export interface Watching<T extends Resource> extends AsyncDisposable {
  /** The events so far, without bookmarks, of the objects that `isMine` names. */
  readonly events: readonly ObjectEvent<T>[]
  /** Resolves with all events as soon as there are `count`; rejects when the watch has failed. */
  seen(count: number): Promise<readonly ObjectEvent<T>[]>
  /** Resolves when the watch has ended after an abort. */
  stop(): Promise<void>
}

export function watching<T extends Resource>(
  resources: Resources,
  kind: ResourceKind<T>,
  options: {
    namespace?: string
    resourceVersion: ResourceVersion
    isMine: (object: T, type: ObjectEvent<T>['type']) => boolean
  },
): Watching<T> {
  const stopping = new AbortController()
  const events: ObjectEvent<T>[] = []
  let news = Promise.withResolvers<void>()
  const { isMine, ...scope } = options
  const run = async () => {
    for await (const event of resources.watch(kind, { ...scope, signal: stopping.signal })) {
      if (!('object' in event) || !isMine(event.object, event.type)) continue
      events.push(event)
      news.resolve()
      news = Promise.withResolvers()
    }
  }
  const running = run()
  const stop = async () => {
    stopping.abort()
    await running
  }
  return {
    events,
    async seen(count) {
      while (events.length < count) await Promise.race([news.promise, running.then(() => endedTooSoon(count))])
      return events
    },
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

function endedTooSoon(count: number): never {
  throw new Error(`the watch ended before there were ${count} events`)
}

/** What a reader of these events would tell another one. */
export function outline<T extends Resource>(events: readonly ObjectEvent<T>[]): readonly string[] {
  return events.map(({ type, object }) => `${type} ${object.metadata.name}`)
}
