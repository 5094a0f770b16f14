/** Checks outside data against a TypeBox schema with ajv, and says every fault with its path. */
import { Ajv, type ErrorObject } from 'ajv'
import type { Static, TSchema } from 'typebox'

export interface SchemaFault {
  /** JSON pointer of the offending value; `''` is the whole. */
  readonly path: string
  readonly message: string
}

export type Checked<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly faults: readonly SchemaFault[] }

/** A check that fills in defaults into a copy, and leaves unknown keys alone unless the schema forbids them. */
export function checkerOf<S extends TSchema>(schema: S): (value: unknown) => Checked<Static<S>> {
  // A schema is this program's own: to compile the schema of schemas first, to check it, would take longer than all else here.
  const ajv = new Ajv({ allErrors: true, useDefaults: true, strict: false, meta: false, validateSchema: false })
  const validate = ajv.compile<Static<S>>(schema)
  return (value) => {
    const copy: unknown = structuredClone(value)
    return validate(copy) ? { ok: true, value: copy } : { ok: false, faults: (validate.errors ?? []).map(faultOf) }
  }
}

function faultOf(error: ErrorObject): SchemaFault {
  const extra: unknown = error.params.additionalProperty
  const hint = typeof extra === 'string' ? ` '${extra}'` : ''
  return { path: error.instancePath, message: `${error.message ?? error.keyword}${hint}` }
}

export function sayFaults(faults: readonly SchemaFault[]): string {
  return faults.map((fault) => `${fault.path === '' ? '/' : fault.path} ${fault.message}`).join('; ')
}
