/**
 * What only the gateway says to an upstream: forwarded headers, identity, assertion. Most requests of a session to a port say the same, so it
 * is checked and written down once for all of them.
 */
import { GatewayError } from '#errors.ts'
import type { Brand } from '#lib/brand.ts'
import { fieldValue, token } from './field-syntax.ts'

/** Header lines, each with its line end. Made by {@link ownFields} alone. */
export type OwnFields = Brand<string, 'OwnFields'>

/** `list` is flat: name, value, name, value. Throws `internal` for what is no field. */
export function ownFields(list: readonly string[]): OwnFields {
  let text = ''
  for (let index = 0; index < list.length; index += 2) {
    const name = list[index] ?? ''
    const value = list[index + 1] ?? ''
    if (!token.test(name) || !fieldValue.test(value)) {
      throw new GatewayError('internal', `the value for ${name} is not a field value`)
    }
    text += `${name}: ${value}\r\n`
  }
  return text as OwnFields
}
