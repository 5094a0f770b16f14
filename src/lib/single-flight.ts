/** One run at a time for each key: whoever asks meanwhile waits for the same answer, success or failure. */

export type SingleFlight<Key, Value> = (key: Key, run: () => Promise<Value>) => Promise<Value>

/**
 * Nothing is kept after a run has ended; whoever asks then starts a new one. Keys are compared as Map keys are: where a key has several parts,
 * give their JSON, never their concatenation (`a` + `bc` is `ab` + `c`: CVE-2026-71326, CVE-2026-33496).
 *
 * The run belongs to all who wait for it, so it must not be ended by one caller's signal.
 *
 * @example
 * const fetchOnce = singleFlight<string, Session>()
 * const session = await fetchOnce(name, () => store.get(name))
 */
export function singleFlight<Key, Value>(): SingleFlight<Key, Value> {
  const running = new Map<Key, Promise<Value>>()
  return (key, run) => {
    const current = running.get(key)
    if (current) return current
    // Inside the constructor a synchronous throw of `run` is a rejection like any other; `finally` runs after `set` in every case.
    const flight = new Promise<Value>((resolve) => resolve(run())).finally(() => running.delete(key))
    running.set(key, flight)
    return flight
  }
}
