/** What it means when somebody presses Ctrl-C, or a service manager sends SIGTERM: while all is being made ready, afterwards, and again. A fault may wish it, too. */
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
  /** The process is not to be trusted any more: as the first wish, and a failure whatever comes of it. Is this the first time? */
  fail(): 'first' | 'again'
  /** Of a program that ended before it was ready; as shells number it where a signal ended it. */
  earlyExitCode(): number
  /** Of a program that was drained. */
  exitCode(): number
}

export function stopWishes(onSignal: (handle: (name: StopSignal) => void) => Disposable): StopWishes {
  const beforeReady = new AbortController()
  const impatient = new AbortController()
  const asked = Promise.withResolvers<void>()
  let first: StopSignal | undefined
  let isReady = false
  let hasFailed = false
  const stop = () => {
    if (!isReady) beforeReady.abort()
    asked.resolve()
  }
  const listening = onSignal((name) => {
    if (first !== undefined) impatient.abort()
    first ??= name
    stop()
  })
  return {
    beforeReady: beforeReady.signal,
    isReady: () => {
      isReady = true
    },
    asked: asked.promise,
    impatient: impatient.signal,
    fail() {
      if (hasFailed) return 'again'
      hasFailed = true
      stop()
      return 'first'
    },
    earlyExitCode: () => (hasFailed || first === undefined ? Number(hasFailed) : 128 + constants.signals[first]),
    exitCode: () => Number(hasFailed),
    [Symbol.dispose]: () => listening[Symbol.dispose](),
  }
}
