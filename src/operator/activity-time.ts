/** Times as apps tell them: RFC 3339 in either case and with any offset, or seconds or milliseconds since 1970. */
import type { Timestamp } from '#lib/clock.ts'

const rfc3339 = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)$/
const number = /^\d{1,16}(\.\d{1,9})?$/
/** Of the year 5138 in seconds, of 1973 in milliseconds: nothing that runs was used last before or after. */
const leastMilliseconds = 1e11

/** `undefined`: it is none. */
export function timeIn(value: unknown): Timestamp | undefined {
  if (typeof value === 'number') return ofNumber(value)
  if (typeof value !== 'string') return undefined
  if (number.test(value)) return ofNumber(Number(value))
  if (!rfc3339.test(value)) return undefined
  const at = Date.parse(value.toUpperCase().replace(' ', 'T'))
  return Number.isNaN(at) ? undefined : at
}

function ofNumber(value: number): Timestamp | undefined {
  if (!Number.isFinite(value) || value <= 0 || value > 1e15) return undefined
  return value < leastMilliseconds ? value * 1000 : value
}
