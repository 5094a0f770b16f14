/** Runs `end` once the signal says so. Settles as it does. */
export function endAfter(signal: AbortSignal, end: () => Promise<void>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  if (signal.aborted) resolve(end())
  else signal.addEventListener('abort', () => resolve(end()), { once: true })
  return promise
}
