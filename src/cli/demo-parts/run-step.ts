/** Runs one command of an installation: its lines as they come, and its last ones when it fails. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

export interface StepOptions {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly onLine: (line: string) => void
  /** Ends the command at once, with all that it started: it is not asked, so nothing of what it makes may be worth keeping. */
  readonly signal: AbortSignal
}

export type StepOutcome =
  | { readonly kind: 'done' }
  /** There is no such program. */
  | { readonly kind: 'absent' }
  | { readonly kind: 'failed'; readonly lastLines: readonly string[] }

const keptLines = 15

export async function runStep(command: string, args: readonly string[], options: StepOptions): Promise<StepOutcome> {
  const { env, onLine, signal } = options
  signal.throwIfAborted()
  const lastLines: string[] = []
  const child = spawn(command, args, { env: { ...env }, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  const end = () => killGroup(child.pid)
  signal.addEventListener('abort', end, { once: true })
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      lastLines.push(line)
      lastLines.splice(0, lastLines.length - keptLines)
      onLine(line)
    })
  }
  try {
    const code = await new Promise<number | string | undefined>((resolve) => {
      child.once('error', (error: NodeJS.ErrnoException) => resolve(error.code))
      child.once('close', (exitCode) => resolve(exitCode ?? undefined))
    })
    signal.throwIfAborted()
    if (code === 0) return { kind: 'done' }
    return code === 'ENOENT' ? { kind: 'absent' } : { kind: 'failed', lastLines }
  } finally {
    signal.removeEventListener('abort', end)
  }
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // It ended by itself meanwhile.
  }
}
