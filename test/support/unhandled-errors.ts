/** Writes down how many errors of a run no test waited for: the report of its tests, which may all have passed, has none of them. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Reporter, SerializedError, TestModule } from 'vitest/node'

export class UnhandledErrors implements Reporter {
  readonly #file: string

  constructor(file: string) {
    this.#file = file
  }

  onTestRunEnd(_modules: readonly TestModule[], errors: readonly SerializedError[]): void {
    mkdirSync(dirname(this.#file), { recursive: true })
    writeFileSync(this.#file, `${errors.length}\n`)
  }
}
