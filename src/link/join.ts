/** Two byte streams made one, with back-pressure and half-close; one that breaks breaks the other. */
import type { Duplex } from 'node:stream'

export function join(one: Duplex, other: Duplex): void {
  lead(one, other)
  lead(other, one)
}

function lead(from: Duplex, to: Duplex): void {
  from.pipe(to)
  // 'close' follows, and is acted on.
  from.on('error', () => undefined)
  from.once('close', () => {
    if (!from.readableEnded || !from.writableFinished) to.destroy()
  })
}
