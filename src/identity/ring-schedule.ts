/** When keys of the ring come and go: decisions over their ages alone. */
import type { Milliseconds, Timestamp } from '#lib/clock.ts'
import type { KeySpec } from './key-ring-record.ts'

export interface RingTimes {
  /** A key signs for that long. */
  readonly rotateEvery: Milliseconds
  /** A key verifies for that long: `rotateEvery` and the longest life of a cookie. */
  readonly keep: Milliseconds
  /** A new key is not used before that, so that every replica has heard of it. */
  readonly settle: Milliseconds
}

/** The newest that every replica knows by now; the oldest where all are new. */
export function currentKey<Key extends { readonly createdAt: Timestamp }>(
  oldestFirst: readonly Key[],
  now: Timestamp,
  times: RingTimes,
): Key | undefined {
  return oldestFirst.findLast((key) => key.createdAt + times.settle <= now) ?? oldestFirst[0]
}

/** At once where there is no key. */
export function rotationDue(keys: readonly KeySpec[], times: RingTimes): Timestamp {
  return newestOf(keys) + times.rotateEvery
}

/** The keys that still have to verify something. */
export function retained(keys: readonly KeySpec[], now: Timestamp, times: RingTimes): readonly KeySpec[] {
  return keys.filter((key) => now < retirement(key, keys, times))
}

/** When the ring has to be looked at next. */
export function nextDue(keys: readonly KeySpec[], times: RingTimes): Timestamp {
  return Math.min(rotationDue(keys, times), ...keys.map((key) => retirement(key, keys, times)))
}

/**
 * Not before its successor has signed for the whole life of a cookie: a key whose rotation came late
 * (no replica ran, the store was away) has cookies younger than its age says.
 */
function retirement(key: KeySpec, keys: readonly KeySpec[], times: RingTimes): Timestamp {
  const created = Date.parse(key.createdAt)
  const successors = keys.map((other) => Date.parse(other.createdAt)).filter((time) => time > created)
  const succeeded = Math.min(...successors)
  return Math.max(created + times.keep, succeeded + times.settle + times.keep - times.rotateEvery)
}

function newestOf(keys: readonly KeySpec[]): Timestamp {
  return Math.max(...keys.map((key) => Date.parse(key.createdAt)))
}
