/** Work that goes on in the background until a signal ends it. One that fails is logged and begun again; nothing floats. */
import { messageOf } from '#errors.ts'
import { backoff } from '#lib/backoff.ts'
import { type Clock, sleep } from '#lib/clock.ts'
import type { Log } from '#observe/log.ts'

export interface Tasks {
  /** `work` returns when the signal ends it; whatever else it does, it is begun again after a growing delay. */
  run(name: string, work: (signal: AbortSignal) => Promise<void>): void
  /** All have ended. */
  readonly ended: Promise<void>
}

export function startTasks(parts: { readonly clock: Clock; readonly log: Log; readonly signal: AbortSignal }): Tasks {
  const { clock, log, signal } = parts
  const running = new Set<Promise<void>>()
  const keepRunning = async (name: string, work: (signal: AbortSignal) => Promise<void>) => {
    const delays = backoff({ first: 200, longest: 10_000 })
    while (!signal.aborted) {
      try {
        await work(signal)
      } catch (error) {
        if (!signal.aborted) log.error({ component: name, reason: messageOf(error), error }, 'a background task failed')
      }
      // The signal ends the wait, and with it the loop.
      await sleep(clock, delays.next(), signal).catch(() => undefined)
    }
  }
  return {
    run(name, work) {
      const task = keepRunning(name, work)
      running.add(task)
      task.finally(() => running.delete(task)).catch(() => undefined)
    },
    get ended() {
      return Promise.all(running).then(() => undefined)
    },
  }
}
