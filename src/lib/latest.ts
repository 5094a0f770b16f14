/** Turns callbacks into an async loop that sees the newest state: while the consumer is busy, any number of signals become one. */

export interface Latest extends AsyncIterable<void> {
  /** Something changed. */
  signal(): void
}

/** Yields once for every burst of signals, and ends when `stop` is aborted. */
export function latest(stop: AbortSignal): Latest {
  let isPending = false
  let wake: (() => void) | undefined
  const ring = () => {
    wake?.()
    wake = undefined
  }
  return {
    signal() {
      isPending = true
      ring()
    },
    async *[Symbol.asyncIterator]() {
      stop.addEventListener('abort', ring, { once: true })
      try {
        while (!stop.aborted) {
          if (!isPending) await new Promise<void>((resolve) => (wake = resolve))
          if (stop.aborted) return
          isPending = false
          yield
        }
      } finally {
        stop.removeEventListener('abort', ring)
      }
    },
  }
}
