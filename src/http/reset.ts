/** Ends a connection so that nobody can take what was sent for all there is. */
import { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { ClientSocket } from './messages.ts'

/**
 * TCP: a reset, so that an answer that is delimited by the end of the connection is not mistaken for a whole one. TLS has its own sign of a
 * proper end, which is not given; a stream of HTTP/2 is reset by being destroyed; elsewhere there is nothing but to close. Does nothing to
 * what is closed already.
 */
export function reset(stream: ClientSocket): void {
  const isTcp = stream instanceof Socket && !(stream instanceof TLSSocket) && stream.remoteAddress !== undefined
  if (isTcp && !stream.destroyed && !isEnding(stream)) stream.resetAndDestroy()
  else stream.destroy()
}

/** All is said, and the kernel is just being told: a reset fails at that moment (libuv: EINVAL), and the socket would stay open for ever. */
function isEnding({ writableEnded, writableFinished, writableLength }: Socket): boolean {
  return writableEnded && !writableFinished && writableLength === 0
}
