/** OpenSSH's own programs in the terminal of the person: they have its input and output, and their exit code is ours. */
import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { CliFault } from '#cli/client/cli-fault.ts'
import type { PersonIo } from '#cli/client/person-io.ts'
import { codeOf } from '#cli/client/private-file.ts'

/** Throws `no_ssh`. */
export function runHere(program: 'ssh' | 'scp', args: readonly string[], { env, signal }: PersonIo): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, [...args], { env: { ...env }, stdio: 'inherit' })
    const stop = () => void child.kill('SIGTERM')
    signal.addEventListener('abort', stop, { once: true })
    const over = () => signal.removeEventListener('abort', stop)
    child.once('error', (error) => {
      over()
      reject(codeOf(error) === 'ENOENT' ? noSsh(program) : error)
    })
    child.once('close', (code, by) => {
      over()
      resolve(code ?? 128 + (by === null ? 0 : constants.signals[by]))
    })
  })
}

function noSsh(program: string): CliFault {
  return new CliFault('no_ssh', `there is no ${program} here`, { hint: '"gatehouse doctor" says how to install it.' })
}
