/** A key-value table that lives as long as the test; it keeps copies, as one on a disk does. */
import type { KeyValueTable } from '#idp/table.ts'
import { type Clock, systemClock } from '#lib/clock.ts'

export function memoryTable(clock: Clock = systemClock): KeyValueTable {
  const kept = new Map<string, { readonly text: string; readonly expiresAt: number }>()
  const read = (key: string): unknown => {
    const entry = kept.get(key)
    return entry && entry.expiresAt > clock.now() ? JSON.parse(entry.text) : undefined
  }
  return {
    get: read,
    set: (key, value, expiresAt) =>
      void kept.set(key, { text: JSON.stringify(value), expiresAt: expiresAt ?? Number.POSITIVE_INFINITY }),
    delete: (key) => kept.delete(key),
    entries: (prefix = '') =>
      [...kept.keys()]
        .filter((key) => key.startsWith(prefix))
        .map((key) => [key, read(key)] as const)
        .filter(([, value]) => value !== undefined),
  }
}
