/** Connects to a port of a local instance. What it connects to is decided here too: no name, no other machine, no port of the system. */
import { BlockList, isIP, type OnReadOpts, type Socket } from 'node:net'
import { GatewayError } from '#errors.ts'
import { connectTo, refusedPorts } from '#runtime/connection.ts'
import type { Endpoint } from '#runtime/contract.ts'

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

/** As {@link connectTo}. */
export function dialEndpoint(endpoint: Endpoint, signal: AbortSignal, reading?: OnReadOpts): Promise<Socket> {
  if (endpoint.kind === 'pod' || endpoint.kind === 'agent')
    return Promise.reject(new GatewayError('upstream_unreachable', 'a pod is nothing local'))
  const refusal = refusalOf(endpoint)
  if (refusal !== undefined) return Promise.reject(new GatewayError('upstream_unreachable', refusal))
  const target = endpoint.kind === 'unix' ? { path: endpoint.path } : { host: endpoint.host, port: endpoint.port }
  return connectTo(target, signal, reading)
}

function refusalOf(endpoint: Exclude<Endpoint, { kind: 'pod' | 'agent' }>): string | undefined {
  if (endpoint.kind === 'unix')
    return endpoint.path.startsWith('/') ? undefined : 'the path of a socket must be absolute'
  const family = isIP(endpoint.host)
  if (family === 0 || !loopback.check(endpoint.host, family === 6 ? 'ipv6' : 'ipv4')) {
    return 'a local instance is reached on loopback only'
  }
  return refusedPorts.includes(endpoint.port) ? `port ${endpoint.port} is never reached` : undefined
}
