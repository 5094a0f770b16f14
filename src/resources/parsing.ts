/** How kinds read what the store holds: by a schema, every fault said at once. */
import type { Static, TSchema } from 'typebox'
import { GatewayError } from '#errors.ts'
import { checkerOf, sayFaults } from '#lib/schema.ts'

/** Throws `invalid_resource`. Its message names paths and rules, never a value: nothing secret gets into it. */
export function parserOf<S extends TSchema>(schema: S): (value: unknown) => Static<S> {
  const check = checkerOf(schema)
  return (value) => {
    const checked = check(value)
    if (!checked.ok) throw new GatewayError('invalid_resource', sayFaults(checked.faults))
    return checked.value
  }
}
