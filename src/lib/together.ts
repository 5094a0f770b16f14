/**
 * Several pieces of work as one, which is over when all of them are: whoever waits for that finds nothing of it under way. One that fails ends the others,
 * and its error is thrown when they have ended; what fails after the signal is of no account.
 */
export async function together(
  signal: AbortSignal,
  ...works: readonly ((signal: AbortSignal) => Promise<void>)[]
): Promise<void> {
  const failing = new AbortController()
  const ending = AbortSignal.any([signal, failing.signal])
  const end = (error: unknown) => {
    if (!signal.aborted) failing.abort(error)
  }
  await Promise.all(works.map((work) => work(ending).catch(end)))
  if (failing.signal.aborted) throw failing.signal.reason
}
