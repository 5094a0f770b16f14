/** What each command that runs Gatehouse does first: reads its flags and settings, and says on standard error what is wrong with them. */
import { GatewayError } from '#errors.ts'
import { describeFlags, parseFlags } from '#settings/flags.ts'
import { loadSettings } from '#settings/load.ts'
import { sayProblem } from '#settings/problem.ts'
import type { Secrets, Settings } from '#settings/settings.ts'
import type { CommandIo } from './check-config.ts'
import type { FaultIo } from './faults.ts'

export interface FaceIo extends CommandIo, FaultIo {
  cwd(): string
}

/** Runs `run` with settings that are valid. The exit code: its own, 1 when it can't begin, 2 when the command was not understood. */
export async function runFace(
  face: 'demo' | 'serve',
  args: readonly string[],
  io: FaceIo,
  run: (settings: Settings, secrets: Secrets) => Promise<number>,
): Promise<number> {
  const command = `gatehouse ${face}`
  const usage = `usage: ${command} [FLAG ...]\n`
  if (args.includes('--help')) {
    io.stdout.write(`${usage}\n${describeFlags().join('\n')}\n`)
    return 0
  }
  const flags = parseFlags(args)
  if (flags.kind === 'invalid') {
    io.stderr.write(`${command}: ${flags.message}\n${usage}`)
    return 2
  }
  const loaded = await loadSettings({ face, file: flags.file, flags: flags.flags, env: io.env, cwd: io.cwd() })
  for (const warning of loaded.warnings) io.stderr.write(`warning: ${warning}\n`)
  if (loaded.kind === 'invalid') {
    for (const problem of loaded.problems) io.stderr.write(`${sayProblem(problem)}\n`)
    return 1
  }
  try {
    return await run(loaded.settings, loaded.secrets)
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error
    io.stderr.write(`${command}: ${error.message} (${error.code})\n`)
    return 1
  }
}
