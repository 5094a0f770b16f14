/** A value that must never be printed: every ordinary way of turning it into text gives `[redacted]`. */
import { inspect } from 'node:util'

const placeholder = '[redacted]'

export class Secret {
  readonly #value: string

  constructor(value: string) {
    this.#value = value
  }

  /** The value itself. Every call is a place to look at in a review. */
  reveal(): string {
    return this.#value
  }

  toString(): string {
    return placeholder
  }

  toJSON(): string {
    return placeholder
  }

  [inspect.custom](): string {
    return placeholder
  }
}
