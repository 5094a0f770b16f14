/** A replica that can be killed as a machine or a kernel kills: a process of its own, which has the time to say nothing. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Milliseconds } from '#lib/clock.ts'

export interface ServedProcess extends AsyncDisposable {
  /** Every line of its log and audit trail. */
  readonly lines: readonly string[]
  /** Its clock is put ahead by that much. Nothing, of one that was killed. */
  leap(span: Milliseconds): void
  /** With SIGKILL. */
  kill(): Promise<void>
  /** Rejects when it ends by itself. */
  readonly ended: Promise<never>
}

const program = join(import.meta.dirname, 'served-program.ts')

export function startServedProcess(file: string): ServedProcess {
  const child = fork(program, [file], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] })
  const lines: string[] = []
  for (const stream of [child.stdout, child.stderr]) {
    if (stream) createInterface(stream).on('line', (line) => void lines.push(line))
  }
  const exit = once(child, 'exit')
  const ended = exit.then(([code]) => {
    throw new Error(`gatehouse serve ended with ${code}: ${lines.join('\n')}`)
  })
  ended.catch(() => undefined)
  const kill = async () => {
    child.kill('SIGKILL')
    await exit
  }
  const leap = (span: Milliseconds) => {
    if (child.connected) child.send(span)
  }
  return { lines, leap, kill, ended, [Symbol.asyncDispose]: kill }
}
