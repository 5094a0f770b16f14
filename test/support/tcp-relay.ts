/** A piece of network between a client and a local server, which can be cut: what is on the way is lost, and both sides see a reset. */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export interface TcpRelay extends AsyncDisposable {
  readonly port: number
  /** Resets every connection; new ones are taken as before. Returns how many there were. */
  cut(): number
}

export interface TcpRelayOptions {
  /** A free one when absent. */
  readonly port?: number
  /** What it says to the server before a client's own bytes. */
  readonly greeting?: Uint8Array
}

export async function tcpRelay(
  to: { readonly host: string; readonly port: number },
  { port: at = 0, greeting }: TcpRelayOptions = {},
): Promise<TcpRelay> {
  const pairs = new Set<readonly [Socket, Socket]>()
  const server = createServer((near) => {
    const far = connect(to)
    if (greeting) far.write(greeting)
    const pair = [near, far] as const
    pairs.add(pair)
    for (const [one, other] of [pair, [far, near] as const]) {
      one.on('error', () => other.destroy())
      one.once('close', () => {
        pairs.delete(pair)
        // What was said before the end is on its way still.
        other.destroySoon()
      })
      one.pipe(other)
    }
  })
  await new Promise<void>((resolve) => server.listen(at, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo // It listens on TCP.
  const cut = () => {
    const cutting = [...pairs]
    for (const socket of cutting.flat()) socket.resetAndDestroy()
    return cutting.length
  }
  return {
    port,
    cut,
    async [Symbol.asyncDispose]() {
      cut()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
