/** Waiting for what comes in the end, on a machine and in a cluster that may be busy. */
import { setTimeout as delay } from 'node:timers/promises'

/** How long a cluster may take for anything, in milliseconds. */
export const patience = 60_000

/** Between two looks, in milliseconds. */
const usualPause = 50

/** `undefined` is not yet. */
export async function until<T>(
  look: () => T | undefined | Promise<T | undefined>,
  say: () => string = () => '',
  pause = usualPause,
): Promise<T> {
  const end = Date.now() + patience
  for (;;) {
    const found = await look()
    if (found !== undefined) return found
    if (Date.now() > end) throw new Error(`it did not come: ${say()}`)
    await delay(pause)
  }
}
