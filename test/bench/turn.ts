/**
 * Measuring asks for a quiet machine, making ready does not: with `--turns COMMAND` each measured round runs while that command holds something that
 * whoever else works on this machine waits for, such as `flock --exclusive /run/lock/measuring`.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'

/** Runs the work when it is its turn. Rejects where the turn was over before the work was. */
export type Turn = <T>(work: () => Promise<T>) => Promise<T>

/** `command`: of a shell, which runs what is written behind it. Nobody is waited for if absent. */
export function turnsBy(command: string | undefined): Turn {
  return command === undefined ? (work) => work() : (work) => inTurn(command, work)
}

async function inTurn<T>(command: string, work: () => Promise<T>): Promise<T> {
  const holder = spawn('sh', ['-c', `${command} sh -c 'echo; cat'`], { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = once(holder, 'exit').then(([code]) => {
    throw new Error(`'${command}' ended the turn with ${code}`)
  })
  ended.catch(() => undefined)
  holder.stdin.on('error', () => undefined)
  try {
    await Promise.race([once(holder.stdout, 'data'), ended])
    return await Promise.race([work(), ended])
  } finally {
    holder.stdin.end()
    await ended.catch(() => undefined)
  }
}
