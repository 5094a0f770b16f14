/**
 * What nobody caught. A rejected promise belongs to one request, for which no other one is to end. After an exception nobody knows what else
 * was left half done; but thousands have something open here, most of it untouched: so the process drains, as for an update, and ends as
 * failed, that whoever runs it starts another. After a second one it can't be trusted with that either, and ends at once.
 */
import type { StopWishes } from '#cli/demo-parts/stop-wishes.ts'
import { messageOf } from '#errors.ts'
import type { Log } from '#observe/log.ts'
import { printable } from '#observe/printable.ts'

export type FaultKind = 'exception' | 'rejection'

export interface FaultIo {
  readonly stderr: { write(text: string): unknown }
  readonly onFault: (handle: (kind: FaultKind, error: unknown) => void) => Disposable
  /** Ends the process without waiting for anything. */
  readonly exitNow: (code: number) => void
}

export interface Faults extends Disposable {
  /** Of each kind, so far. */
  counts(): ReadonlyMap<FaultKind, number>
}

export function watchFaults(io: FaultIo, log: Pick<Log, 'error'>, stopping: Pick<StopWishes, 'fail'>): Faults {
  const counts = new Map<FaultKind, number>([
    ['exception', 0],
    ['rejection', 0],
  ])
  const listening = io.onFault((kind, error) => {
    counts.set(kind, (counts.get(kind) ?? 0) + 1)
    if (kind === 'rejection') return log.error({ error }, 'a promise failed that nobody waited for')
    log.error({ error }, 'an exception that nobody caught: this process ends, and lets what is open come to its end')
    if (stopping.fail() === 'first') return
    // The log is written in the background, for which there is no time.
    io.stderr.write(
      `gatehouse: a further exception that nobody caught ends it at once: ${printable(messageOf(error))}\n`,
    )
    io.exitNow(1)
  })
  return { counts: () => counts, [Symbol.dispose]: () => listening[Symbol.dispose]() }
}
