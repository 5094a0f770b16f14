/**
 * A watch that never gives up: lists, follows, resumes where it was, and lists again when the version has expired.
 * The consumer sees one sequence of facts; it holds the truth from the first `synced` on and is told when that is older than it looks.
 */

import { backoff } from '#lib/backoff.ts'
import { type Clock, sleep } from '#lib/clock.ts'
import { GatewayError } from '../errors.ts'
import type { Resource, ResourceKind, Resources, ResourceVersion } from './contract.ts'

export type Reflected<T extends Resource> =
  | { readonly type: 'synced'; readonly objects: readonly T[] }
  | { readonly type: 'applied'; readonly object: T }
  | { readonly type: 'deleted'; readonly object: T }
  /** The connection is lost; what is known stays in force until the next event. */
  | { readonly type: 'stale'; readonly error: unknown }

export interface ReflectOptions {
  readonly namespace?: string
  readonly clock: Clock
  readonly signal: AbortSignal
}

/** Ends (without an error) when the signal is aborted. */
export async function* reflect<T extends Resource>(
  resources: Resources,
  kind: ResourceKind<T>,
  options: ReflectOptions,
): AsyncGenerator<Reflected<T>, void, void> {
  const { clock, signal } = options
  const scope = options.namespace === undefined ? {} : { namespace: options.namespace }
  const delays = backoff({ first: 100, longest: 10_000 })
  let from: ResourceVersion | undefined
  while (!signal.aborted) {
    try {
      if (from === undefined) {
        const listing = await resources.list(kind, { ...scope, signal })
        from = listing.resourceVersion
        yield { type: 'synced', objects: listing.items }
      }
      for await (const event of resources.watch(kind, { ...scope, resourceVersion: from, signal })) {
        delays.reset()
        if (event.type === 'bookmark') {
          from = event.resourceVersion
          continue
        }
        from = event.object.metadata.resourceVersion
        yield { type: event.type === 'deleted' ? 'deleted' : 'applied', object: event.object }
      }
    } catch (error) {
      if (signal.aborted) return
      if (error instanceof GatewayError && error.code === 'expired_version') from = undefined
      yield { type: 'stale', error }
      await sleep(clock, delays.next(), signal).catch(() => undefined)
    }
  }
}
