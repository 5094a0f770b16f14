/** What a person's command sees of the machine it runs on. Nothing else of it is asked for, so that other machines can be played in tests. */
import type { Readable, Writable } from 'node:stream'
import type { Clock } from '#lib/clock.ts'
import type { Environment } from '#settings/environment.ts'

export interface Output {
  write(text: string): unknown
}

export interface PersonIo {
  /** Results, and nothing but results. */
  readonly stdout: Output
  /** Progress and faults. */
  readonly stderr: Output
  readonly env: Environment
  /** As `process.platform` has it. */
  readonly platform: string
  readonly homeFolder: string
  /** What the machine calls itself. */
  readonly machine: string
  /** What starts this program: by absolute paths, as far as a path can be counted on. */
  readonly program: () => readonly string[]
  readonly cwd: () => string
  readonly clock: Clock
  /** Aborted by Ctrl-C and by the end of whoever started it. */
  readonly signal: AbortSignal
  /** What the person types, up to the end of a line; `undefined` at the end of the input. Once: the rest of it is not read. */
  readonly readLine: () => Promise<string | undefined>
  /** Standard input and output as bytes, for a command that is a pipe and prints nothing else there. */
  readonly pipe: () => { readonly input: Readable; readonly output: Writable }
  /** `false`: there is none, or it could not be started. */
  readonly openBrowser: (url: string) => Promise<boolean>
}
