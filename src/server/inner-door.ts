/** A way in for what is in this same process: HTTP over a pair of streams, with no address that anybody else could reach. */
import { createServer } from 'node:http'
import { type Duplex, duplexPair } from 'node:stream'
import type { ListenerHandlers } from './door.ts'

/** Each call is a connection. Those that are open end with the signal. */
export type InnerDoor = () => Duplex

export function openInnerDoor(handlers: Pick<ListenerHandlers, 'request'>, signal: AbortSignal): InnerDoor {
  // It never listens, and so has no timers; what uses it is trusted to say what it came for.
  const server = createServer({ joinDuplicateHeaders: false, requireHostHeader: false })
  const here = { peer: '127.0.0.1', localPort: 0, isEncrypted: false }
  server.on('request', (request, response) => handlers.request(request, response, here))
  return () => {
    signal.throwIfAborted()
    const [near, far] = duplexPair()
    const end = () => far.destroy()
    signal.addEventListener('abort', end, { once: true })
    far.once('close', () => signal.removeEventListener('abort', end))
    far.on('error', () => undefined)
    server.emit('connection', far)
    return near
  }
}
