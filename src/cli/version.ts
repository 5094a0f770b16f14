/** `gatehouse version`, and `gatehouse --version`: which Gatehouse this is. Asks nobody. */
import { readArguments, takePositionals } from '#cli/client/arguments.ts'
import type { PersonIo } from '#cli/client/person-io.ts'
import { programVersion } from './program-version.ts'

export async function version(args: readonly string[], { stdout }: Pick<PersonIo, 'stdout'>): Promise<number> {
  takePositionals(readArguments(args, {}).positionals, { least: 0, names: [] })
  stdout.write(`${programVersion}\n`)
  return 0
}
