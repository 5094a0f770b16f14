/** A sink that keeps lines, for tests that read what was logged. */
import type { LineSink } from '#observe/log.ts'

export interface MemoryLines extends LineSink {
  /** Everything written so far. */
  readonly text: string
  /** Each line as the object it holds. */
  readonly entries: readonly Readonly<Record<string, unknown>>[]
}

export function memoryLines(): MemoryLines {
  const lines: string[] = []
  return {
    write: (line) => void lines.push(line),
    get text() {
      return lines.join('')
    },
    get entries() {
      return lines.map((line) => JSON.parse(line))
    },
  }
}
