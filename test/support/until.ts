/** Waiting for what comes in the end, on a machine and in a cluster that may be busy. */
import { connect } from 'node:net'
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

/** Until a connection is taken there. What stands behind a Service is ready a moment before its node leads anybody to it. */
export async function untilReachable(host: string, port: number): Promise<void> {
  const look = () =>
    new Promise<true | undefined>((resolve) => {
      const socket = connect({ host, port, timeout: 1_000 })
      const end = (isTaken?: true) => {
        socket.destroy()
        resolve(isTaken)
      }
      socket.once('connect', () => end(true))
      socket.once('timeout', () => end())
      socket.once('error', () => end())
    })
  await until(look, () => `${host}:${port} takes no connection`)
}
