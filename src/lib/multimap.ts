/** Any number of values for each key. A key without values takes no room. */
export class Multimap<Key, Value> {
  readonly #sets = new Map<Key, Set<Value>>()

  add(key: Key, value: Value): void {
    const known = this.#sets.get(key)
    if (known) known.add(value)
    else this.#sets.set(key, new Set([value]))
  }

  delete(key: Key, value: Value): void {
    const known = this.#sets.get(key)
    if (known?.delete(value) && known.size === 0) this.#sets.delete(key)
  }

  has(key: Key): boolean {
    return this.#sets.has(key)
  }

  /** In the order they were added. */
  of(key: Key): readonly Value[] {
    return [...(this.#sets.get(key) ?? [])]
  }

  count(key: Key): number {
    return this.#sets.get(key)?.size ?? 0
  }
}
