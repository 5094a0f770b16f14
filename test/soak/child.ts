/** A process that does what it is asked for by messages. */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { constants, setPriority } from 'node:os'

interface Waiting {
  readonly resolve: (answer: never) => void
  readonly reject: (error: Error) => void
}

/** Questions are `{id, order}`, answers `{id, answer}` or `{id, error}`. The answer is what the order's function gives. */
export function asker(child: ChildProcess): <Answer>(order: object) => Promise<Answer> {
  const waiting = new Map<number, Waiting>()
  let last = 0
  child.on('message', ({ id, answer, error }: { id: number; answer: never; error?: string }) => {
    const one = waiting.get(id)
    waiting.delete(id)
    if (error === undefined) one?.resolve(answer)
    else one?.reject(new Error(error))
  })
  child.once('exit', (code) => {
    for (const { reject } of waiting.values()) reject(new Error(`the process ended with ${code}`))
  })
  return (order) =>
    new Promise((resolve, reject) => {
      last += 1
      waiting.set(last, { resolve, reject })
      child.send({ id: last, order })
    })
}

/**
 * It would have a machine of its own: as long as anybody else has something to do here, it does not compete with him for the processors. What it costs
 * the gateway is as much as ever.
 */
export function comesFromElsewhere({ pid }: ChildProcess): void {
  if (pid !== undefined) setPriority(pid, constants.priority.PRIORITY_BELOW_NORMAL)
}

/** Ends it without a word. */
export async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}
