/** The person's own `kubectl`: his kubeconfig, his rights. What it says came from elsewhere, and is made fit for a terminal. */
import { spawn } from 'node:child_process'
import { CliFault } from '#cli/client/cli-fault.ts'
import type { PersonIo } from '#cli/client/person-io.ts'
import { codeOf } from '#cli/client/private-file.ts'
import { printable } from '#observe/printable.ts'

/** Longer ones are cut, in characters. */
export const longestLine = 16_384

/** The exit code. `take` gets the lines of its standard output, and is waited for before more is read. Throws `no_kubectl`. */
export async function runKubectl(
  args: readonly string[],
  io: PersonIo,
  take: (line: string) => Promise<void> | void,
): Promise<number> {
  const { env, signal, stderr } = io
  const child = spawn('kubectl', [...args], {
    env: { ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    signal,
    windowsHide: true,
  })
  const ended = new Promise<number>((resolve, reject) => {
    child.once('error', (error) => reject(codeOf(error) === 'ENOENT' ? noKubectl() : error))
    child.once('close', (code) => resolve(code ?? 1))
  })
  const [code] = await Promise.all([
    ended,
    eachLine(child.stdout, take),
    eachLine(child.stderr, (line) => void stderr.write(`${printable(line, longestLine)}\n`)),
  ])
  return code
}

async function eachLine(bytes: NodeJS.ReadableStream, take: (line: string) => Promise<void> | void): Promise<void> {
  let open = ''
  for await (const text of bytes.setEncoding('utf8')) {
    const lines = (open + text).split('\n')
    // Of a line without an end no more is kept than is shown, and that it was longer.
    open = (lines.pop() ?? '').slice(0, longestLine + 1)
    for (const line of lines) await take(line.replace(/\r$/, ''))
  }
  if (open !== '') await take(open)
}

function noKubectl(): CliFault {
  return new CliFault('no_kubectl', 'following, and the run before, are read by kubectl, which is not here', {
    hint: 'Install it, with a kubeconfig of yours: https://kubernetes.io/docs/tasks/tools/',
  })
}
