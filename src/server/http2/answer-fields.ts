/** The fields of an answer on their way into HTTP/2: names in lower case, and none that speaks of a connection (RFC 9113 section 8.2). */

import { connectionFields, fieldValue, token } from '#http/field-syntax.ts'

type Value = string | number | readonly string[]

export class AnswerFields {
  readonly #byName = new Map<string, string | readonly string[]>()

  /** In place of what it was. Throws a TypeError for what is no field. */
  set(name: string, value: Value): void {
    const lower = name.toLowerCase()
    // `te` is for requests alone.
    if (connectionFields.has(lower) || lower === 'te') return
    const text = typeof value === 'object' ? value : String(value)
    for (const one of typeof text === 'string' ? [text] : text) check(lower, one)
    this.#byName.set(lower, text)
  }

  /** Flat; each stands beside what has its name already. Throws a TypeError for what is no field. */
  append(fields: readonly string[]): void {
    for (let index = 0; index < fields.length; index += 2) {
      const [name = '', value = ''] = [fields[index], fields[index + 1]]
      const before = this.get(name)
      this.set(name, before === undefined ? value : [before, value].flat())
    }
  }

  get(name: string): string | readonly string[] | undefined {
    return this.#byName.get(name.toLowerCase())
  }

  delete(name: string): void {
    this.#byName.delete(name.toLowerCase())
  }

  flat(): string[] {
    const flat: string[] = []
    for (const [name, value] of this.#byName) {
      if (typeof value === 'string') flat.push(name, value)
      else for (const one of value) flat.push(name, one)
    }
    return flat
  }

  byName(): Record<string, string | string[]> {
    const fields: Record<string, string | string[]> = Object.create(null)
    for (const [name, value] of this.#byName) fields[name] = typeof value === 'string' ? value : [...value]
    return fields
  }
}

function check(name: string, value: string): void {
  if (!token.test(name) || !fieldValue.test(value)) throw new TypeError('a field that is none')
}
