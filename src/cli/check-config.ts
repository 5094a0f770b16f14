/** `gatehouse check-config FILE`: would Gatehouse start with these settings? Says every problem, and what is insecure on purpose. */
import { parseArgs } from 'node:util'
import { messageOf } from '#errors.ts'
import type { Environment } from '#settings/environment.ts'
import { insecureChoices } from '#settings/insecure.ts'
import { type Loaded, loadSettings } from '#settings/load.ts'
import { sayProblem } from '#settings/problem.ts'
import type { Face } from '#settings/rules.ts'

/** What a command sees of its process. */
export interface CommandIo {
  readonly stdout: { write(text: string): unknown }
  readonly stderr: { write(text: string): unknown }
  readonly env: Environment
  /** What relative paths start from; default: the folder of the process. */
  cwd?(): string
}

const usage = 'usage: gatehouse check-config [--face demo|serve] FILE\n'
const help = `${usage}
Would 'gatehouse demo' start with these settings, or with --face serve the gateway of a cluster?
The environment counts as it does at a start.
`

interface Request {
  readonly file: string
  readonly face: Face
}

/** The exit code: 0 when the settings are good, 1 when they are not, 2 when the command was not understood. */
export async function checkConfig(args: readonly string[], io: CommandIo): Promise<number> {
  if (args.includes('--help')) {
    io.stdout.write(help)
    return 0
  }
  const request = readArguments(args)
  if (typeof request === 'string') {
    io.stderr.write(`${request}\n${usage}`)
    return 2
  }
  const loaded = await loadSettings({ ...request, env: io.env, cwd: io.cwd?.() ?? '.' })
  for (const warning of loaded.warnings) io.stderr.write(`warning: ${warning}\n`)
  return report(loaded, request, io)
}

/** What was asked for, or why it isn't understood. */
function readArguments(args: readonly string[]): Request | string {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { face: { type: 'string', default: 'demo' } },
    })
    const [file, ...more] = positionals
    if (file === undefined || more.length > 0) return 'gatehouse check-config: name one settings file'
    const { face } = values
    if (face !== 'demo' && face !== 'serve') return `gatehouse check-config: --face is demo or serve, not '${face}'`
    return { file, face }
  } catch (error) {
    return `gatehouse check-config: ${messageOf(error)}`
  }
}

/** Names the face: what one of them starts with, the other may refuse. */
function report(loaded: Loaded, { file, face }: Request, io: CommandIo): number {
  if (loaded.kind === 'loaded') {
    for (const { name, meaning } of insecureChoices(loaded.settings)) io.stdout.write(`insecure: ${name}: ${meaning}\n`)
    io.stdout.write(`OK for 'gatehouse ${face}': ${file}\n`)
    return 0
  }
  for (const problem of loaded.problems) io.stderr.write(`${sayProblem(problem)}\n`)
  const count = loaded.problems.length
  io.stderr.write(`${file}: ${count} ${count === 1 ? 'problem' : 'problems'} for 'gatehouse ${face}'\n`)
  return 1
}
