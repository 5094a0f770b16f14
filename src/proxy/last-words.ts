/**
 * A server may answer, and close the connection, before it has read all of a body (RFC 9112 section 9.6). What is sent to it then fails, and Node
 * destroys a socket at its first failed write, whatever it has yet to read. Here it is read first.
 */
import type { Duplex } from 'node:stream'
import { setImmediate } from 'node:timers'

export interface LastWords {
  /** Nothing more is to be written. */
  readonly onDeaf: () => void
  /** Has it said nothing? */
  readonly isSilent: () => boolean
}

/** From here on, `socket` ends by a failed write only when there is nothing to hear. */
export function hearLastWords(socket: Duplex, { onDeaf, isSilent }: LastWords): void {
  const end = socket.destroy.bind(socket)
  socket.destroy = (error) => {
    socket.destroy = end
    if (!isFailedWrite(error)) return end(error)
    onDeaf()
    // All that it said is here by now. What is ready to be read is read between one turn and the next.
    setImmediate(() =>
      setImmediate(() => {
        if (isSilent()) end(error)
      }),
    )
    return socket
  }
}

function isFailedWrite(error: Error | undefined): boolean {
  return error !== undefined && 'syscall' in error && error.syscall === 'write'
}
