/**
 * A watch that never gives up: lists, follows, resumes where it was, and lists again when the version has expired.
 * The consumer sees one sequence of facts; it holds the truth from the first `synced` on and is told when that is older than it looks.
 */
import { GatewayError } from '#errors.ts'
import { backoff } from '#lib/backoff.ts'
import { type Clock, type Milliseconds, sleep } from '#lib/clock.ts'
import type { Resource, ResourceKind, Resources, ResourceVersion } from './contract.ts'

export type Reflected<T extends Resource> =
  | { readonly type: 'synced'; readonly objects: readonly T[] }
  | { readonly type: 'applied'; readonly object: T }
  | { readonly type: 'deleted'; readonly object: T }
  /** The connection is lost; what is known stays in force until the next event. Once for every try that failed. */
  | { readonly type: 'stale'; readonly error: unknown }

export interface ReflectOptions {
  readonly namespace?: string
  readonly clock: Clock
  readonly signal: AbortSignal
}

const firstDelay: Milliseconds = 100
const longestDelay: Milliseconds = 10_000

/**
 * Ends (without an error) when the signal is aborted.
 *
 * Between two tries it waits, whether the last one failed or only ended, as API servers end a watch now and then; the waits grow until
 * a connection has lasted. Events prove nothing here: a server that says one thing and then breaks would be asked without pause.
 */
export async function* reflect<T extends Resource>(
  resources: Resources,
  kind: ResourceKind<T>,
  options: ReflectOptions,
): AsyncGenerator<Reflected<T>, void, void> {
  const { clock, signal } = options
  const delays = backoff({ first: firstDelay, longest: longestDelay })
  const position: Position = { version: undefined }
  while (!signal.aborted) {
    const began = clock.now()
    try {
      yield* follow(resources, kind, options, position)
    } catch (error) {
      if (signal.aborted) return
      if (error instanceof GatewayError && error.code === 'expired_version') position.version = undefined
      yield { type: 'stale', error }
    }
    if (clock.now() - began >= longestDelay) delays.reset()
    // It rejects when the signal is aborted, which ends the loop.
    await sleep(clock, delays.next(), signal).catch(() => undefined)
  }
}

/** Where to resume; `undefined`: with a list. */
interface Position {
  version: ResourceVersion | undefined
}

/** One connection: from the position until the watch ends or fails. Keeps the position true at every step. */
async function* follow<T extends Resource>(
  resources: Resources,
  kind: ResourceKind<T>,
  { namespace, signal }: ReflectOptions,
  position: Position,
): AsyncGenerator<Reflected<T>, void, void> {
  const scope = namespace === undefined ? { signal } : { namespace, signal }
  if (position.version === undefined) {
    const listing = await resources.list(kind, scope)
    position.version = listing.resourceVersion
    yield { type: 'synced', objects: listing.items }
  }
  for await (const event of resources.watch(kind, { ...scope, resourceVersion: position.version })) {
    if (signal.aborted) return
    if (event.type === 'bookmark') {
      position.version = event.resourceVersion
    } else {
      position.version = event.object.metadata.resourceVersion
      yield { type: event.type === 'deleted' ? 'deleted' : 'applied', object: event.object }
    }
  }
}
