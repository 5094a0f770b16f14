/**
 * Strings at known places of a JSON text of which only the beginning is there: who looks at messages in passing holds no more of them.
 * Nested texts that look alike are not taken for the wanted ones, since keys and strings are read as such.
 */

/** Members of objects within objects, `header.msg_type`. */
export type MemberPath = string

/** What is nested deeper than this is not looked into, and nothing behind it is found. */
const deepest = 32

/** The strings found at `wanted` before the text ends or stops to be JSON. */
export function stringsOf(head: string, wanted: ReadonlySet<MemberPath>): ReadonlyMap<MemberPath, string> {
  const reader = new HeadReader(head, wanted)
  reader.read()
  return reader.found
}

class HeadReader {
  readonly found = new Map<MemberPath, string>()
  readonly #text: string
  readonly #wanted: ReadonlySet<MemberPath>
  #at = 0

  constructor(text: string, wanted: ReadonlySet<MemberPath>) {
    this.#text = text
    this.#wanted = wanted
  }

  read(): void {
    this.#value('', 0)
  }

  /** Whether all of it was there. `path`: `undefined` where nothing can be wanted. */
  #value(path: MemberPath | undefined, depth: number): boolean {
    const first = this.#next()
    if (first === '{' || first === '[') {
      this.#at += 1
      if (depth === deepest) return false
      return first === '{'
        ? this.#list('}', () => this.#member(path, depth))
        : this.#list(']', () => this.#value(undefined, depth + 1))
    }
    if (first !== '"') return this.#literal()
    const text = this.#string()
    if (text !== undefined && path !== undefined && this.#wanted.has(path)) this.found.set(path, text)
    return text !== undefined
  }

  /** What stands between commas. */
  #list(end: string, element: () => boolean): boolean {
    if (this.#skips(end)) return true
    do {
      if (!element()) return false
    } while (this.#skips(','))
    return this.#skips(end)
  }

  #member(path: MemberPath | undefined, depth: number): boolean {
    const key = this.#next() === '"' ? this.#string() : undefined
    if (key === undefined || !this.#skips(':')) return false
    return this.#value(pathOf(path, key, depth), depth + 1) && this.found.size < this.#wanted.size
  }

  /** A number, `true`, `false` or `null`; which one is nobody's affair here. */
  #literal(): boolean {
    const begin = this.#at
    while (/[-+.\w]/.test(this.#text[this.#at] ?? '')) this.#at += 1
    return this.#at > begin && this.#at < this.#text.length
  }

  #string(): string | undefined {
    const begin = this.#at
    for (this.#at += 1; this.#at < this.#text.length; this.#at += 1) {
      const letter = this.#text[this.#at]
      if (letter === '\\') this.#at += 1
      else if (letter === '"') {
        this.#at += 1
        return unquote(this.#text.slice(begin, this.#at))
      }
    }
    return undefined
  }

  /** The first letter that is no space. */
  #next(): string | undefined {
    while (isSpace(this.#text.charCodeAt(this.#at))) this.#at += 1
    return this.#text[this.#at]
  }

  #skips(letter: string): boolean {
    if (this.#next() !== letter) return false
    this.#at += 1
    return true
  }
}

/** Of JSON. */
function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09
}

function pathOf(path: MemberPath | undefined, key: string, depth: number): MemberPath | undefined {
  if (depth === 0) return key.includes('.') ? undefined : key
  return path === undefined || key.includes('.') ? undefined : `${path}.${key}`
}

function unquote(quoted: string): string | undefined {
  try {
    const text: unknown = JSON.parse(quoted)
    return typeof text === 'string' ? text : undefined
  } catch {
    return undefined
  }
}
