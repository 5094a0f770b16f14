/** Probes of this machine. Programs run without a shell of ours, with a limit, and what they print is only read. */
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { release } from 'node:os'
import type { PersonIo } from '#cli/client/person-io.ts'
import { codeOf } from '#cli/client/private-file.ts'
import type { Probes, ProgramAnswer } from './probes.ts'

const limit = 30_000
const longest = 4 * 1024 * 1024

export function machineProbes({ platform, env, signal }: Pick<PersonIo, 'platform' | 'env' | 'signal'>): Probes {
  return {
    platform,
    release: release(),
    environment: env,
    run: (program, args) => run(...commandOf(platform, program, args), { env, signal }),
    async read(path) {
      try {
        return await readFile(path, 'utf8')
      } catch {
        return undefined
      }
    },
  }
}

/**
 * Windows starts scripts by its command processor alone, which obeys what is in their arguments: VS Code's `code.cmd` is one, and is asked by words of ours. Paths
 * and names of workspaces are among those of ssh, which is none.
 */
export function commandOf(platform: string, program: string, args: readonly string[]): [string, readonly string[]] {
  if (platform !== 'win32' || /\.exe$/i.test(program)) return [program, args]
  if (program === 'ssh') return ['ssh.exe', args]
  return ['cmd.exe', ['/d', '/s', '/c', program, ...args]]
}

function run(
  program: string,
  args: readonly string[],
  { env, signal }: Pick<PersonIo, 'env' | 'signal'>,
): Promise<ProgramAnswer | undefined> {
  return new Promise((resolve) => {
    const options = { env: { ...env }, signal, timeout: limit, maxBuffer: longest, windowsHide: true }
    const child = execFile(program, [...args], options, (error, stdout, stderr) => {
      if (error && codeOf(error) === 'ENOENT') return resolve(undefined)
      const code = error ? error.code : 0
      resolve({ code: typeof code === 'number' ? code : undefined, stdout, stderr })
    })
    child.stdin?.end()
  })
}
