/** The arguments of one command: `parseArgs` of Node, with faults that a person understands, and what all commands have in common. */
import { type ParseArgsOptionsConfig, parseArgs } from 'node:util'
import { messageOf } from '#errors.ts'
import { usageFault } from './cli-fault.ts'

/** Of every command that asks a gateway. */
export const commonOptions = {
  /** Which gateway. */
  deployment: { type: 'string', short: 'd' },
} as const satisfies ParseArgsOptionsConfig

/** Of every command that prints what a script may want. */
export const formatOptions = { output: { type: 'string', short: 'o', default: 'table' } } as const

type Parsed<T extends ParseArgsOptionsConfig> = ReturnType<
  typeof parseArgs<{ args: string[]; allowPositionals: true; options: T }>
>

/** Throws `usage`. */
export function readArguments<T extends ParseArgsOptionsConfig>(args: readonly string[], options: T): Parsed<T> {
  try {
    return parseArgs({ args: [...args], allowPositionals: true, options })
  } catch (error) {
    // Of its sentences the first says what is wrong, the others how to write something else.
    throw usageFault(messageOf(error).split(/\. (?=[A-Z])/)[0] ?? '')
  }
}

/** Exactly those. `names`: what they stand for, in messages. Throws `usage`. */
export function takePositionals(
  given: readonly string[],
  { least, names }: { least: number; names: readonly string[] },
): void {
  if (given.length < least) throw usageFault(`name the ${names[given.length] ?? 'rest'}`)
  const extra = given[names.length]
  if (extra !== undefined) throw usageFault(`'${extra}' is one argument too many`)
}
