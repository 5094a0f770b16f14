/** Fields of JSON that somebody else wrote: what has another type than expected counts as absent. */
import type { Timestamp } from '#lib/clock.ts'
import { isJsonObject } from '#lib/merge-patch.ts'

export type Fields = Readonly<Record<string, unknown>>

/** `{}` for anything else than an object. */
export function fieldsOf(value: unknown): Fields {
  return isJsonObject(value) ? value : {}
}

/** `''` for anything else than text. */
export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

export function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined
}

/** The objects of a list. */
export function objectsOf(value: unknown): readonly Fields[] {
  return Array.isArray(value) ? value.filter(isJsonObject) : []
}

/** RFC 3339. */
export function timeOf(value: unknown): Timestamp | undefined {
  const time = Date.parse(textOf(value))
  return Number.isNaN(time) ? undefined : time
}
