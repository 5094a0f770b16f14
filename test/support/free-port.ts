/** A TCP port that nobody listens on, on either loopback address, a moment ago. */
import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'

/**
 * Below those that systems hand out by themselves (32768 and up on Linux): one of them could be an outgoing connection's, or another
 * test's, before the caller listens.
 */
const first = 16_384
const last = 32_767

export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(first, last + 1)
    if ((await isFree(port, '127.0.0.1')) && (await isFree(port, '::1'))) return port
  }
}

/** An address that this machine doesn't have is nobody's. */
function isFree(port: number, host: string): Promise<boolean> {
  const server = createServer()
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(false)
      else if (error.code === 'EADDRNOTAVAIL' || error.code === 'EAFNOSUPPORT') resolve(true)
      else reject(error)
    })
    server.listen({ port, host, ipv6Only: true }, () => server.close(() => resolve(true)))
  })
}
