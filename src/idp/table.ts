/** Where the identity provider keeps what must outlive it: keys, logins, grants. A table of text by name, such as one of SQLite. */

export interface KeyValueTable {
  get(key: string): string | undefined
  set(key: string, value: string): void
  delete(key: string): void
  /** Every entry, in any order; entries may be deleted while it is read. */
  entries(): Iterable<readonly [key: string, value: string]>
}
