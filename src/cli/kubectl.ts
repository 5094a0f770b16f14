/** The person's own `kubectl`: his kubeconfig, his rights. */
import { spawn } from 'node:child_process'
import { CliFault } from '#cli/client/cli-fault.ts'
import type { PersonIo } from '#cli/client/person-io.ts'
import { codeOf } from '#cli/client/private-file.ts'

/** The exit code. What it says on standard error is said as it is. Throws `no_kubectl`. */
export function runKubectl(args: readonly string[], io: PersonIo, take: (text: string) => void): Promise<number> {
  return new Promise((resolve, reject) => {
    const stdio = ['ignore', 'pipe', 'pipe'] as const
    const child = spawn('kubectl', [...args], {
      env: { ...io.env },
      stdio: [...stdio],
      signal: io.signal,
      windowsHide: true,
    })
    child.stdout?.setEncoding('utf8').on('data', take)
    child.stderr?.setEncoding('utf8').on('data', (text: string) => io.stderr.write(text))
    child.once('error', (error) => reject(codeOf(error) === 'ENOENT' ? noKubectl() : error))
    child.once('close', (code) => resolve(code ?? 1))
  })
}

function noKubectl(): CliFault {
  return new CliFault('no_kubectl', 'following, and the run before, are read by kubectl, which is not here', {
    hint: 'Install it, with a kubeconfig of yours: https://kubernetes.io/docs/tasks/tools/',
  })
}
