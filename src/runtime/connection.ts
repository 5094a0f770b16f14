/** A connection to a port of an instance, on this machine or another one. Whether it may be reached at all was decided before. */
import { connect, type OnReadOpts, type Socket, type TcpNetConnectOpts } from 'node:net'
import { GatewayError } from '#errors.ts'

/** Never reached, also where an app names them: SSH has tunnels of its own. */
export const refusedPorts: readonly number[] = [22]

/** A Unix socket, or an address, which is never a name. */
export type Target = { readonly path: string } | Required<Pick<TcpNetConnectOpts, 'host' | 'port'>>

/**
 * Half-open: when the other side has said all it has to say, this side may still speak, and has to end by itself.
 * Aborting the signal tears the connection down, now and later. `reading`: what is read goes there, and does not come as 'data'. Throws
 * `upstream_unreachable`.
 */
export function connectTo(target: Target, signal: AbortSignal, reading?: OnReadOpts): Promise<Socket> {
  if (signal.aborted) return Promise.reject(unreachable(signal.reason))
  return new Promise((resolve, reject) => {
    const socket = connect({ ...target, allowHalfOpen: true, noDelay: true, ...(reading && { onread: reading }) })
    const abort = () => socket.destroy()
    signal.addEventListener('abort', abort, { once: true })
    socket.once('close', () => signal.removeEventListener('abort', abort))
    const failed = () => reject(unreachable(signal.aborted ? signal.reason : undefined))
    const fail = (error: Error) => reject(unreachable(error))
    socket.once('close', failed)
    socket.once('error', fail)
    socket.once('connect', () => {
      socket.off('error', fail).off('close', failed)
      resolve(socket)
    })
  })
}

function unreachable(cause: unknown): GatewayError {
  const code = cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? ` (${cause.code})` : ''
  return new GatewayError('upstream_unreachable', `nothing answers at the port${code}`, { cause })
}
