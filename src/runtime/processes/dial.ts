/** Connects to a port of a local instance. What it connects to is decided here too: no name, no other machine, no port of the system. */
import { BlockList, connect, isIP, type Socket } from 'node:net'
import { GatewayError } from '#errors.ts'
import type { Endpoint } from '#runtime/contract.ts'

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

/** Never reached, also where an app names them: SSH has tunnels of its own. */
const refusedPorts: readonly number[] = [22]

/**
 * Half-open: when the other side has said all it has to say, this side may still speak, and has to end by itself.
 * Aborting the signal tears the connection down, now and later. Throws `upstream_unreachable`.
 */
export function dialEndpoint(endpoint: Endpoint, signal: AbortSignal): Promise<Socket> {
  const refusal = refusalOf(endpoint)
  if (refusal !== undefined) return Promise.reject(new GatewayError('upstream_unreachable', refusal))
  if (signal.aborted) return Promise.reject(unreachable(signal.reason))
  const target = endpoint.kind === 'unix' ? { path: endpoint.path } : { host: endpoint.host, port: endpoint.port }
  return new Promise((resolve, reject) => {
    const socket = connect({ ...target, allowHalfOpen: true, noDelay: true })
    const abort = () => socket.destroy()
    signal.addEventListener('abort', abort, { once: true })
    socket.once('close', () => {
      signal.removeEventListener('abort', abort)
      reject(unreachable(signal.aborted ? signal.reason : undefined)) // without effect once connected
    })
    const fail = (error: Error) => reject(unreachable(error))
    socket.once('error', fail)
    socket.once('connect', () => {
      socket.off('error', fail)
      resolve(socket)
    })
  })
}

function refusalOf(endpoint: Endpoint): string | undefined {
  if (endpoint.kind === 'unix')
    return endpoint.path.startsWith('/') ? undefined : 'the path of a socket must be absolute'
  const family = isIP(endpoint.host)
  if (family === 0 || !loopback.check(endpoint.host, family === 6 ? 'ipv6' : 'ipv4')) {
    return 'a local instance is reached on loopback only'
  }
  return refusedPorts.includes(endpoint.port) ? `port ${endpoint.port} is never reached` : undefined
}

function unreachable(cause: unknown): GatewayError {
  const code = cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? ` (${cause.code})` : ''
  return new GatewayError('upstream_unreachable', `nothing answers at the port${code}`, { cause })
}
