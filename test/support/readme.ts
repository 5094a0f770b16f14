/** The commands of the README, run as they stand there but for names: what it promises is what was tried. */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { kubeconfigPath } from './cluster-api.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Every line of the shell blocks below this heading, up to the next one. */
export function readmeCommands(heading: string): readonly string[] {
  const [, section = ''] = readFileSync(`${root}/README.md`, 'utf8').split(new RegExp(`^#+ ${heading}$`, 'm'))
  const [own = ''] = section.split(/^#+ /m)
  const commands = [...own.matchAll(/^```sh\n(.*?)^```/gms)].flatMap(([, block = '']) => block.trim().split('\n'))
  if (commands.length === 0) throw new Error(`the README has no commands below '${heading}'`)
  return commands
}

export interface CommandResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Each of these texts stands for another one, the first that fits at a place. */
export type Names = readonly (readonly [written: string, meant: string])[]

/** In one shell, one after another until one fails, in the folder of the project, by the administrator of the cluster. */
export async function runCommands(
  commands: readonly string[],
  names: Names,
  env: Readonly<Record<string, string>> = {},
): Promise<CommandResult> {
  const pattern = new RegExp(names.map(([written]) => written.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('|'), 'g')
  const meaning = new Map(names)
  const script = commands.map((command) => command.replaceAll(pattern, (written) => meaning.get(written) ?? written))
  const child = spawn('bash', ['-euo', 'pipefail', '-c', script.join('\n')], {
    cwd: root,
    env: { ...process.env, KUBECONFIG: kubeconfigPath(), ...env },
  })
  const ended = new Promise<number>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve(code ?? -1))
  })
  child.stdin.end()
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), ended])
  return { code, stdout, stderr }
}
