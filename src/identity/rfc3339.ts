/** Times in records: RFC 3339 in UTC. */
import Type from 'typebox'
import type { Timestamp } from '#lib/clock.ts'

/** `2027-01-31T00:00:00Z`, with or without fractions. The pattern lets days pass that do not exist: check with {@link isInstant} as well. */
export const rfc3339 = Type.String({
  pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(\\.\\d{1,9})?Z$',
  maxLength: 30,
})

export function isInstant(text: string): boolean {
  return !Number.isNaN(Date.parse(text))
}

export function rfc3339Of(time: Timestamp): string {
  return new Date(time).toISOString()
}
