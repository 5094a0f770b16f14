/** Spans of time as people write them: `30s`, `10m`, `1h30m`. */
import type { Milliseconds } from './clock.ts'

// Largest first, each at most once, as in Go's and Kubernetes' durations but without fractions and signs.
const written = /^(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m(?!s))?(?:(\d{1,6})s)?(?:(\d{1,9})ms)?$/
const units: readonly Milliseconds[] = [86_400_000, 3_600_000, 60_000, 1000, 1]

/** `undefined` unless `text` is one or more of days, hours, minutes, seconds and milliseconds, in this order. */
export function parseDuration(text: string): Milliseconds | undefined {
  const parts = written.exec(text)
  if (text === '' || parts === null) return undefined
  return units.reduce((sum, unit, index) => sum + Number(parts[index + 1] ?? 0) * unit, 0)
}
