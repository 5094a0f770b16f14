/** Bodies that have to come in time. Node's own limit would count for every request of a server, uploads that take an hour among them. */
import type { Clock, Milliseconds } from '#lib/clock.ts'
import type { ClientRequest } from './messages.ts'

/** Closes the connection when the body of this request, which has only begun, is not here `within` that time; whether it is read or thrown away. */
export function expectBody(request: ClientRequest, clock: Clock, within: Milliseconds): void {
  const { headers } = request
  if (headers['transfer-encoding'] === undefined && (headers['content-length'] ?? '0') === '0') return
  const timer = clock.after(within, () => request.socket.destroy())
  const settle = () => timer[Symbol.dispose]()
  request.once('end', settle)
  request.once('close', settle)
}
