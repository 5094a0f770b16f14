/**
 * The end of a connection whose last request is still being sent. Node closes it behind the answer, which the kernel turns into a reset as
 * soon as more of the request comes: the client could lose the answer that way (RFC 9112 section 9.6).
 */
import { Socket } from 'node:net'
import type { Clock, Milliseconds } from '#lib/clock.ts'

/** How long a client may go on sending what nobody reads. */
const longestLinger: Milliseconds = 5_000

/** In place of Node's `destroySoon`, which is called behind the last answer of a connection. `isSending`: is a request still coming? */
export function lingeringEnd(clock: Clock, isSending: (socket: Socket) => boolean): (this: Socket) => void {
  return function endSoon() {
    if (this.destroyed || this.readableEnded || !isSending(this)) {
      Socket.prototype.destroySoon.call(this)
      return
    }
    const timer = clock.after(longestLinger, () => this.destroy())
    this.once('close', () => timer[Symbol.dispose]())
    // What still comes is parsed as what it is, the body of a request, and thrown away; when the client is done, both sides are.
    this.end()
    this.resume()
  }
}
