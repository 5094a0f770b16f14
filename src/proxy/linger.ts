import type { ClientRequest } from '#http/messages.ts'
import type { Clock, Milliseconds } from '#lib/clock.ts'

/** How long a client may go on with a body that nobody reads any more, so that it gets to read the answer it already has. */
const longestLinger: Milliseconds = 10_000

/** What is left of a body is read over, or the connection would never come to its next request. */
export function readOver(request: ClientRequest, clock: Clock): void {
  request.resume()
  const timer = clock.after(longestLinger, () => request.socket.destroy())
  request.once('close', () => timer[Symbol.dispose]())
}
