/** Reading back what was stored as JSON: anything that is not what was written counts as absent. */
import type { Static, TSchema } from 'typebox'
import { checkerOf } from '#lib/schema.ts'

export function storedAs<S extends TSchema>(schema: S): (text: string | undefined) => Static<S> | undefined {
  const check = checkerOf(schema)
  return (text) => {
    if (text === undefined) return undefined
    const checked = check(parseJson(text))
    return checked.ok ? checked.value : undefined
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
