/** A key-value table that lives as long as the test. */
import type { KeyValueTable } from '#idp/table.ts'

export function memoryTable(): KeyValueTable {
  const entries = new Map<string, string>()
  return {
    get: (key) => entries.get(key),
    set: (key, value) => void entries.set(key, value),
    delete: (key) => void entries.delete(key),
    entries: () => entries,
  }
}
