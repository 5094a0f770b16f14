/** What it means when somebody presses Ctrl-C, or a service manager sends SIGTERM: while all is being made ready, afterwards, and again. */
import { constants } from 'node:os'

export type StopSignal = 'SIGINT' | 'SIGTERM'

export interface StopWishes extends Disposable {
  /** Aborted by the first wish, where that one comes before {@link StopWishes.isReady}: nobody has begun anything that is worth waiting for. */
  readonly beforeReady: AbortSignal
  isReady(): void
  /** The first one has come. */
  readonly asked: Promise<void>
  /** Aborted by the second one, which means now. */
  readonly impatient: AbortSignal
  /** Of a program that the first one has ended, as shells number it. */
  exitCode(): number
}

export function stopWishes(onSignal: (handle: (name: StopSignal) => void) => Disposable): StopWishes {
  const beforeReady = new AbortController()
  const impatient = new AbortController()
  const asked = Promise.withResolvers<void>()
  let first: StopSignal | undefined
  let isReady = false
  const listening = onSignal((name) => {
    if (first !== undefined) impatient.abort()
    first ??= name
    if (!isReady) beforeReady.abort()
    asked.resolve()
  })
  return {
    beforeReady: beforeReady.signal,
    isReady: () => {
      isReady = true
    },
    asked: asked.promise,
    impatient: impatient.signal,
    exitCode: () => (first === undefined ? 0 : 128 + constants.signals[first]),
    [Symbol.dispose]: () => listening[Symbol.dispose](),
  }
}
