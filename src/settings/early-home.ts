/**
 * The folder of state, as far as it is known before there are settings: these take a good part of a start to load, and what makes that shorter is
 * kept there. Weaker than the settings, which have the last word about everything else.
 */
import { resolve } from 'node:path'
import { type Flag, parseFlags } from './flags.ts'

/** Where nobody says anything else. */
export const usualHome = '.gatehouse'
export const homeVariable = 'GATEHOUSE_HOME'

export interface EarlyHomeOptions {
  /** What follows the command. */
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
}

/** `undefined`: nothing will be run, or a file of settings may say another one. */
export function earlyHome({ args, env, cwd }: EarlyHomeOptions): string | undefined {
  const parsed = args.includes('--help') ? undefined : parseFlags(args)
  if (parsed?.kind !== 'parsed') return undefined
  const named = flagged(parsed.flags) ?? env[homeVariable]
  if (named) return resolve(cwd, named)
  return parsed.file === undefined ? resolve(cwd, usualHome) : undefined
}

function flagged(flags: readonly Flag[]): string | undefined {
  const value = flags.find(({ path }) => path.join('.') === 'home')?.value
  return typeof value === 'string' ? value : undefined
}
