/** Runs `end` once the signal says so. Settles as it does. */
export function endAfter(signal: AbortSignal, end: () => Promise<void>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  if (signal.aborted) resolve(end())
  else signal.addEventListener('abort', () => resolve(end()), { once: true })
  return promise
}

/** When the last one has ended, rejects as the first of those that failed. */
export async function allEnded(ends: readonly Promise<unknown>[]): Promise<void> {
  const outcomes = await Promise.allSettled(ends)
  const failed = outcomes.find((outcome) => outcome.status === 'rejected')
  if (failed) throw failed.reason
}
