/**
 * An app may answer, and close the connection, before it has taken all of what it is sent (RFC 9112 section 9.6). What is written to it then fails, and
 * Node destroys a socket at its first failed write, whatever it has yet to read. Here it is read first.
 */
import type { Duplex } from 'node:stream'

type Done = (error?: Error | null) => void

/** From here on, `socket` ends by a failed write only once all that it said is read. What is written meanwhile is nobody's. */
export function hearOut(socket: Duplex): void {
  let isDeaf = false
  const outcome =
    (done: Done): Done =>
    (error) => {
      if (!isFailedWrite(error) || socket.readableEnded) return done(error)
      if (!isDeaf) socket.once('end', () => socket.destroy(error))
      isDeaf = true
      done()
    }
  const { _write: write, _writev: writeAll } = socket
  socket._write = (bytes: unknown, encoding: BufferEncoding, done: Done) =>
    write.call(socket, bytes, encoding, outcome(done))
  if (writeAll) socket._writev = (pieces, done: Done) => writeAll.call(socket, pieces, outcome(done))
}

function isFailedWrite(error: Error | null | undefined): error is Error {
  return error instanceof Error && 'syscall' in error && error.syscall === 'write'
}
