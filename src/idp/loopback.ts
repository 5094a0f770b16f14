/** Listening on both loopback addresses, and nowhere else. Can be stopped and started again on the same port. */
import type { Server } from 'node:http'
import { GatewayError, messageOf } from '#errors.ts'

/** Throws `listen_failed` when either address is taken; one that this machine doesn't have is left out, because nobody else can listen there. */
export async function listenOnLoopback(servers: readonly [Server, Server], port: number): Promise<void> {
  const [v4, v6] = servers
  await listen(v4, '127.0.0.1', port).catch((error: unknown) => {
    throw taken('127.0.0.1', port, error)
  })
  await listen(v6, '::1', port).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code === 'EADDRNOTAVAIL' || error.code === 'EAFNOSUPPORT') return
    await stopListening([v4])
    throw taken('::1', port, error)
  })
}

function taken(host: string, port: number, cause: unknown): GatewayError {
  const message = `identity provider: can't listen on ${host} port ${port}: ${messageOf(cause)}`
  return new GatewayError('listen_failed', message, { cause })
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port, ipv6Only: true }, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

/** Closes what listens, and every connection. */
export async function stopListening(servers: readonly Server[]): Promise<void> {
  await Promise.all(
    servers.map((server) => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeAllConnections()
      return closed
    }),
  )
}
