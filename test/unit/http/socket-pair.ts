/** Two ends of one TCP connection on loopback. */
import { connect, createServer, type Socket } from 'node:net'

export interface SocketPair extends AsyncDisposable {
  /** The end that a proxy holds. */
  readonly near: Socket
  /** The end of whoever talks to the proxy. */
  readonly far: Socket
}

export async function socketPair(): Promise<SocketPair> {
  const server = createServer({ allowHalfOpen: true })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = address !== null && typeof address === 'object' ? address.port : 0
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve))
  const far = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  const near = await accepted
  server.close()
  far.on('error', () => undefined)
  near.on('error', () => undefined)
  return {
    near,
    far,
    async [Symbol.asyncDispose]() {
      near.destroy()
      far.destroy()
    },
  }
}

/** Everything a socket receives, and how it came to its end. */
export interface Record {
  bytes(): Buffer
  readonly ended: Promise<'end' | 'reset'>
  /** Resolves when at least so many bytes came. */
  length(bytes: number): Promise<void>
}

export function record(socket: Socket): Record {
  const chunks: Buffer[] = []
  let total = 0
  const waiting = new Set<{ bytes: number; resolve: () => void }>()
  socket.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    total += chunk.length
    for (const one of waiting) if (total >= one.bytes) one.resolve()
  })
  const ended = new Promise<'end' | 'reset'>((resolve) => {
    socket.once('end', () => resolve('end'))
    socket.once('error', () => resolve('reset'))
    socket.once('close', () => resolve('reset'))
  })
  return {
    bytes: () => Buffer.concat(chunks),
    ended,
    length: (bytes) =>
      new Promise((resolve) => {
        if (total >= bytes) resolve()
        else waiting.add({ bytes, resolve })
      }),
  }
}
