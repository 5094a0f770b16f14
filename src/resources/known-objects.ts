/** What a reader holds at the moment, so that it tells only of objects that it told of before, and of what becomes of each. */
import type { ObjectName } from './contract.ts'
import type { Followed } from './source.ts'

export type Change<T> =
  | { readonly type: 'applied'; readonly object: T }
  | { readonly type: 'deleted'; readonly object: T }

export class KnownObjects<T extends Followed> {
  readonly #objects = new Map<string, T>()

  /** These are all there are. */
  replaceAll(objects: readonly T[]): void {
    this.#objects.clear()
    for (const object of objects) this.#objects.set(keyOf(object.metadata), object)
  }

  /** A namesake that nobody said goodbye to is gone first. */
  apply(object: T): readonly Change<T>[] {
    const key = keyOf(object.metadata)
    const former = this.#objects.get(key)
    this.#objects.set(key, object)
    const isNamesake = former !== undefined && former.metadata.uid !== object.metadata.uid
    return isNamesake ? [deleted(former), { type: 'applied', object }] : [{ type: 'applied', object }]
  }

  /** `object` is the last of it. Nothing where it is not known, or somebody else has its name by now. */
  delete(object: T): readonly Change<T>[] {
    const key = keyOf(object.metadata)
    if (this.#objects.get(key)?.metadata.uid !== object.metadata.uid) return []
    this.#objects.delete(key)
    return [deleted(object)]
  }

  /** It can't be read any more, so for readers it is gone: what it last was may grant what it no longer does. */
  forget(name: ObjectName): readonly Change<T>[] {
    const key = keyOf(name)
    const former = this.#objects.get(key)
    this.#objects.delete(key)
    return former === undefined ? [] : [deleted(former)]
  }
}

function deleted<T>(object: T): Change<T> {
  return { type: 'deleted', object }
}

/** Names of namespaces have no slash. */
function keyOf({ namespace, name }: ObjectName): string {
  return `${namespace}/${name}`
}
