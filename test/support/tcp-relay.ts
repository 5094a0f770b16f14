/**
 * A piece of network between a client and a local server, or between a gateway and an app, which can be cut: what is on the way is lost, and
 * both sides see a reset. It can be slow, cut what it carries into bytes, or swallow it.
 */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { reset } from '#http/reset.ts'
import { carry, type LinkFaults } from './link-faults.ts'

export interface TcpRelay extends AsyncDisposable {
  readonly port: number
  /** Connections that are open at the client's side. */
  readonly size: number
  /** Towards the server, and back from it; also on connections that are open already. */
  faults: { readonly there?: LinkFaults; readonly back?: LinkFaults }
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
  to: { readonly host: string; readonly port: number } | { readonly path: string },
  { port: at = 0, greeting }: TcpRelayOptions = {},
): Promise<TcpRelay> {
  const sockets = new Set<Socket>()
  const connections = new Set<Socket>()
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (near) => {
    const far = connect({ ...to, noDelay: true, allowHalfOpen: true })
    if (greeting) far.write(greeting)
    connections.add(near)
    near.once('close', () => connections.delete(near))
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
    }
    carry(near, far, () => relay.faults.there ?? {})
    carry(far, near, () => relay.faults.back ?? {})
  })
  await new Promise<void>((resolve) => server.listen(at, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo // It listens on TCP.
  const cut = () => {
    const { size } = connections
    for (const socket of sockets) reset(socket)
    return size
  }
  const relay: TcpRelay = {
    port,
    get size() {
      return connections.size
    },
    faults: {},
    cut,
    async [Symbol.asyncDispose]() {
      cut()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return relay
}
