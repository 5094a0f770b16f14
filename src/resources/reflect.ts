/** Follows one kind of any {@link Resources}. */
import type { Resource, ResourceKind, Resources } from './contract.ts'
import { type Fact, type FollowOptions, follow } from './follow.ts'
import type { Source } from './source.ts'

export type Reflected<T extends Resource> = Fact<T>

export interface ReflectOptions extends FollowOptions {
  /** Absent: all that the store may show. */
  readonly namespace?: string
  /** A list or a watch, of this kind, failed or fell silent, and is begun again. */
  readonly onInterruption?: ((kind: string) => void) | undefined
}

/** As {@link follow}. */
export async function* reflect<T extends Resource>(
  resources: Resources,
  kind: ResourceKind<T>,
  options: ReflectOptions,
): AsyncGenerator<Reflected<T>, void, void> {
  const scope = options.namespace === undefined ? {} : { namespace: options.namespace }
  const source: Source<T> = {
    list: (signal) => resources.list(kind, { ...scope, signal }),
    watch: (resourceVersion, signal) => resources.watch(kind, { ...scope, resourceVersion, signal }),
  }
  for await (const fact of follow(source, options)) {
    if (fact.type === 'stale') options.onInterruption?.(kind.kind)
    yield fact
  }
}
