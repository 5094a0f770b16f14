/** A proxy (CONNECT) that leads whoever comes to one address, whatever it was asked for: a program reaches one replica by it, as if a balancer had chosen. */
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import type { Duplex } from 'node:stream'

export interface ReplicaProxy extends AsyncDisposable {
  /** For `HTTPS_PROXY`. */
  readonly url: string
}

/** `address`: of the moment at which somebody comes. `onSent`: how many bytes more went there. */
export async function replicaProxy(
  address: string | (() => string),
  port: number,
  onSent: (bytes: number) => void = () => undefined,
): Promise<ReplicaProxy> {
  const ends = new Set<Duplex>()
  const server = createServer()
  server.on('connect', (_request, socket, head: Buffer) => {
    const host = typeof address === 'string' ? address : address()
    const far = connect({ port, host }, () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
      far.write(head)
      socket.on('data', ({ length }: Buffer) => onSent(length))
      far.pipe(socket).pipe(far)
    })
    const both = [far, socket]
    for (const end of both) {
      ends.add(end)
      const cut = () => {
        for (const one of both) one.destroy()
      }
      end.on('error', cut).once('close', () => {
        ends.delete(end)
        cut()
      })
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port: own } = server.address() as AddressInfo // It listens on TCP.
  return {
    url: `http://127.0.0.1:${own}`,
    async [Symbol.asyncDispose]() {
      for (const end of ends) end.destroy()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
