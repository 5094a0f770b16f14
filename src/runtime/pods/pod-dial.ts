/** Connections to pods. An address is no identity: it is the pod's only as long as the watch says so, and only while the watch is fresh. */
import type { OnReadOpts } from 'node:net'
import type { Duplex } from 'node:stream'
import { GatewayError } from '#errors.ts'
import type { Milliseconds } from '#lib/clock.ts'
import { connectTo, refusedPorts } from '#runtime/connection.ts'
import type { Endpoint, InstanceUid } from '#runtime/contract.ts'
import type { PodRoute } from './pod-table.ts'

export interface PodDialParts {
  /** Where the instance is now, as far as is known. */
  readonly routeTo: (instanceUid: InstanceUid) => PodRoute | undefined
  /** How old what is known of a namespace's pods may be. */
  readonly ageOf: (namespace: string) => Milliseconds
  /** Older than this, nothing new is opened. */
  readonly ageLimit: Milliseconds
  readonly connect?: (
    target: { host: string; port: number },
    signal: AbortSignal,
    reading?: OnReadOpts,
  ) => Promise<Duplex>
}

/**
 * A connection to a port of the very pod that the endpoint names, at the address it has now. Throws `upstream_unreachable`, and
 * `store_unavailable` when what is known of the pod is too old.
 */
export async function dialPod(
  parts: PodDialParts,
  endpoint: Endpoint,
  signal: AbortSignal,
  reading?: OnReadOpts,
): Promise<Duplex> {
  const { connect = connectTo } = parts
  const socket = await connect(confirm(parts, endpoint), signal, reading)
  try {
    // While it was opened, the address may have become another pod's: nothing has been said yet.
    confirm(parts, endpoint)
    return socket
  } catch (error) {
    socket.on('error', () => undefined)
    socket.destroy()
    throw error
  }
}

function confirm({ routeTo, ageOf, ageLimit }: PodDialParts, endpoint: Endpoint): { host: string; port: number } {
  if (endpoint.kind !== 'pod') throw unreachable('what is no pod is not reached from here')
  const { instanceUid, host, port } = endpoint
  if (refusedPorts.includes(port)) throw unreachable(`port ${port} is never reached`)
  const route = routeTo(instanceUid)
  if (route?.host !== host) throw unreachable('the pod is gone')
  if (ageOf(route.namespace) > ageLimit) {
    throw new GatewayError('store_unavailable', 'nobody knows any more whose address this is')
  }
  return { host, port }
}

function unreachable(message: string): GatewayError {
  return new GatewayError('upstream_unreachable', message)
}
