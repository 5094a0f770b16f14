/** Settings before they are checked: nested plain objects, laid over one another. Prototype-free, because keys come from outside. */

export type Tree = { [key: string]: unknown }

export function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** `upper` over `lower`: objects are merged, everything else is replaced. Both stay as they are. */
export function overlay(lower: unknown, upper: unknown): unknown {
  if (upper === undefined) return copy(lower)
  if (!isTree(lower) || !isTree(upper)) return copy(upper)
  const merged: Tree = Object.create(null)
  for (const key of new Set([...Object.keys(lower), ...Object.keys(upper)])) {
    merged[key] = overlay(lower[key], upper[key])
  }
  return merged
}

function copy(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(copy)
  if (!isTree(value)) return value
  const result: Tree = Object.create(null)
  for (const [key, child] of Object.entries(value)) result[key] = copy(child)
  return result
}

/** Puts `value` at `path` into `tree`, making the objects on the way. */
export function putAt(tree: Tree, path: readonly string[], value: unknown): void {
  const [key, ...rest] = path
  if (key === undefined) return
  if (rest.length === 0) {
    tree[key] = value
    return
  }
  const child = tree[key]
  const holder: Tree = isTree(child) ? child : Object.create(null)
  tree[key] = holder
  putAt(holder, rest, value)
}
