/** Two byte streams made one, with back-pressure and half-close; one that breaks breaks the other. */
import type { Duplex } from 'node:stream'
import type { Clock, Milliseconds } from '#lib/clock.ts'

/** For what one said to its end, before it broke, to get to the other. */
const longestFlush: Milliseconds = 10_000

export function join(one: Duplex, other: Duplex, clock: Clock): void {
  lead(one, other, clock)
  lead(other, one, clock)
}

function lead(from: Duplex, to: Duplex, clock: Clock): void {
  from.pipe(to)
  // 'close' follows, and is acted on.
  from.on('error', () => undefined)
  from.once('close', () => {
    if (from.readableEnded && from.writableFinished) return
    const isLeft = from.readableEnded && !to.writableFinished && !to.destroyed
    if (!isLeft) {
      to.destroy()
      return
    }
    const timer = clock.after(longestFlush, () => to.destroy())
    to.once('finish', () => to.destroy()).once('close', () => timer[Symbol.dispose]())
  })
}
