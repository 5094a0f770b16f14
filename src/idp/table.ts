/** Where the identity provider keeps what must outlive it: keys, logins, grants. What the embedded store's tables offer, and all that is needed of them. */
import type { Timestamp } from '#lib/clock.ts'

export interface KeyValueTable {
  /** `undefined` when there is none, or it has expired. */
  get(key: string): unknown
  /** `value` must be what JSON can say. At `expiresAt` it is gone; without one it stays. */
  set(key: string, value: unknown, expiresAt?: Timestamp): void
  /** `false` when there was nothing to delete. */
  delete(key: string): boolean
  /** Those whose key begins with `prefix`. */
  entries(prefix?: string): Iterable<readonly [key: string, value: unknown]>
}
