/** A signal that is aborted after some time, or when another one is: for what has to come in time. */
import type { Clock, Milliseconds } from './clock.ts'

export interface Deadline extends Disposable {
  readonly signal: AbortSignal
  /** Whether it was the time that ended it. */
  isPast(): boolean
}

/**
 * Disposing it ends nothing: it only stops the count.
 *
 * @example
 * using deadline = deadlineOf(clock, 10_000, signal)
 * await fetchSomething(deadline.signal)
 */
export function deadlineOf(clock: Clock, limit: Milliseconds, outer?: AbortSignal): Deadline {
  const own = new AbortController()
  const timer = clock.after(limit, () => own.abort(new DOMException('it took too long', 'TimeoutError')))
  return {
    signal: outer === undefined ? own.signal : AbortSignal.any([own.signal, outer]),
    isPast: () => own.signal.aborted,
    [Symbol.dispose]: () => timer[Symbol.dispose](),
  }
}
