/**
 * What only the gateway says to an upstream: forwarded headers, identity, assertion. Most requests of a session to a port say the same, so it
 * is checked and written down once for all of them.
 */
import { GatewayError } from '#errors.ts'
import type { Brand } from '#lib/brand.ts'

/** Header lines, each with its line end. Made by {@link ownFields} alone. */
export type OwnFields = Brand<string, 'OwnFields'>

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
/** RFC 9112 section 6.2 and RFC 9110 section 5.5; a character above U+00FF would be cut down to another one when written. */
const fieldValue = /^[\t\x20-\x7e\x80-\xff]*$/

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
