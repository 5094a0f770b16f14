/**
 * Several places as one source: the namespaces of an installation that may see these and no others. Its version is that of each place, together;
 * when one of the watches ends, all do, and all are resumed where they were.
 */
import { GatewayError } from '#errors.ts'
import type { Listing, ResourceVersion, WatchEvent } from '#resources/contract.ts'
import type { Followed, Source } from '#resources/source.ts'

export function severalSources<T extends Followed>(sources: readonly Source<T>[]): Source<T> {
  const [only] = sources
  return only !== undefined && sources.length === 1 ? only : new Several(sources)
}

type Arrival<T> =
  | { readonly kind: 'event'; readonly from: number; readonly event: WatchEvent<T & Followed> }
  | { readonly kind: 'ended' }
  | { readonly kind: 'failed'; readonly error: unknown }

class Several<T extends Followed> implements Source<T> {
  readonly #sources: readonly Source<T>[]

  constructor(sources: readonly Source<T>[]) {
    this.#sources = sources
  }

  async list(signal: AbortSignal): Promise<Listing<T>> {
    const listings = await Promise.all(this.#sources.map((source) => source.list(signal)))
    return {
      items: listings.flatMap(({ items }) => items),
      resourceVersion: together(listings.map(({ resourceVersion }) => resourceVersion)),
    }
  }

  async *watch(resourceVersion: ResourceVersion, signal: AbortSignal): AsyncGenerator<WatchEvent<T>, void, void> {
    const versions = apart(resourceVersion, this.#sources.length)
    const ending = new AbortController()
    const both = AbortSignal.any([signal, ending.signal])
    const inbox = new Inbox<Arrival<T>>()
    const pumps = this.#sources.map((source, from) =>
      pump(source.watch(versions[from] ?? resourceVersion, both), from, inbox),
    )
    try {
      for (;;) {
        const arrival = await inbox.next()
        if (arrival.kind === 'failed') throw arrival.error
        if (arrival.kind === 'ended') return
        const { from, event } = arrival
        versions[from] = 'object' in event ? event.object.metadata.resourceVersion : event.resourceVersion
        if (event.type !== 'bookmark') yield event
        // Alone the version of an event is that of one place.
        yield { type: 'bookmark', resourceVersion: together(versions) }
      }
    } finally {
      ending.abort()
      await Promise.all(pumps)
    }
  }
}

async function pump<T extends Followed>(
  watch: AsyncIterable<WatchEvent<T>>,
  from: number,
  inbox: Inbox<Arrival<T>>,
): Promise<void> {
  try {
    for await (const event of watch) inbox.put({ kind: 'event', from, event })
    inbox.put({ kind: 'ended' })
  } catch (error) {
    inbox.put({ kind: 'failed', error })
  }
}

class Inbox<T> {
  readonly #waiting: T[] = []
  #wake: (() => void) | undefined

  put(item: T): void {
    this.#waiting.push(item)
    this.#wake?.()
  }

  async next(): Promise<T> {
    for (;;) {
      const item = this.#waiting.shift()
      if (item !== undefined) return item
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
      this.#wake = undefined
    }
  }
}

function together(versions: readonly ResourceVersion[]): ResourceVersion {
  // Versions are opaque to everybody but the one who made them, which is this file.
  return JSON.stringify(versions) as ResourceVersion
}

/** A version of one place alone is what is left after an event whose bookmark did not come: nothing can be resumed from it. */
function apart(version: ResourceVersion, count: number): ResourceVersion[] {
  const parts: unknown = version.startsWith('[') ? JSON.parse(version) : undefined
  const isWhole = Array.isArray(parts) && parts.length === count && parts.every((part) => typeof part === 'string')
  if (!isWhole) throw new GatewayError('expired_version', 'this is no version of all these places')
  // Each was taken from a listing or an event of its place, and came back as it was.
  return parts.map((part) => part as ResourceVersion)
}
