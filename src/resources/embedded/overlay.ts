/**
 * Who owns which field of an object that a manifest file declares: the file, except for the few fields that people change while it runs.
 * What they chose is kept beside what the file says, so that it outlives a restart and edits of other fields.
 */
import { isDeepStrictEqual } from 'node:util'
import { GatewayError } from '#errors.ts'
import { isJsonObject, mergePatch } from '#lib/merge-patch.ts'
import type { Resource, ResourceKind } from '#resources/contract.ts'
import type { ObjectContent } from './object-writer.ts'
import { describeKey, type StoredObject, specText } from './stored-object.ts'

/** Fields of `spec` whose value in a file is a beginning, not a command. */
const personalFields: readonly string[] = ['desiredStatus']

/**
 * The content of a file's object after people have set `spec` to `wanted` (in stored form).
 * Throws `managed_by_file` when that changes more than they may.
 */
export function overlaid(
  kind: ResourceKind<Resource>,
  current: StoredObject,
  wanted: string,
): Pick<ObjectContent, 'spec' | 'overlay'> {
  if (current.declared === null) return { spec: wanted, overlay: null }
  const before = fieldsOf(current.spec)
  const after = fieldsOf(wanted)
  const changed = [...new Set([...before.keys(), ...after.keys()])].filter((field) => isChanged(field, before, after))
  const foreign = changed.filter((field) => !personalFields.includes(field))
  if (foreign.length > 0) throw managedByFile(current, `spec.${foreign.join(', spec.')}`)
  const fromFile = fieldsOf(specText(kind, JSON.parse(current.declared)))
  const chosen = personalFields.filter((field) => isChanged(field, fromFile, after))
  const overlay = Object.fromEntries(chosen.map((field) => [field, after.get(field) ?? null]))
  return { spec: wanted, overlay: chosen.length > 0 ? JSON.stringify(overlay) : null }
}

/** The content after a file says `declared` (JSON): what people chose stays, unless the file now says something else about that very field. */
export function redeclared(
  kind: ResourceKind<Resource>,
  current: StoredObject | undefined,
  declared: string,
): Pick<ObjectContent, 'spec' | 'overlay' | 'declared'> {
  const said = fieldsOf(current?.declared ?? null)
  const says = fieldsOf(declared)
  const chosen = [...fieldsOf(current?.overlay ?? null)].filter(([field]) => !isChanged(field, said, says))
  const fromFile: unknown = JSON.parse(declared)
  const overlay = Object.fromEntries(chosen)
  const spec = chosen.length > 0 ? acceptable(kind, mergePatch(fromFile, overlay)) : undefined
  if (spec === undefined) return { spec: specText(kind, fromFile), overlay: null, declared }
  return { spec, overlay: JSON.stringify(overlay), declared }
}

export function managedByFile(object: StoredObject, what: string): GatewayError {
  return new GatewayError(
    'managed_by_file',
    `${describeKey(object)}: ${what} is set by the file ${object.source ?? ''}`,
  )
}

/** `undefined` for a choice that the kind does not know any more: it must not keep the file out of force. */
function acceptable(kind: ResourceKind<Resource>, spec: unknown): string | undefined {
  try {
    return specText(kind, spec)
  } catch {
    return undefined
  }
}

function fieldsOf(json: string | null): ReadonlyMap<string, unknown> {
  const value: unknown = json === null ? undefined : JSON.parse(json)
  return new Map(isJsonObject(value) ? Object.entries(value) : [])
}

function isChanged(field: string, a: ReadonlyMap<string, unknown>, b: ReadonlyMap<string, unknown>): boolean {
  return !isDeepStrictEqual(a.get(field), b.get(field))
}
