/** Fields behind the body of an answer. */
import type { ClientResponse } from '#http/messages.ts'

/** `fields`: names and values in turn. */
export function addTrailers(response: ClientResponse, fields: readonly string[]): void {
  const pairs: [string, string][] = []
  for (let index = 0; index < fields.length; index += 2) pairs.push([fields[index] ?? '', fields[index + 1] ?? ''])
  response.addTrailers(pairs)
}
