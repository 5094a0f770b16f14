/** Connections to pods. An address is no identity: it is the pod's only as long as the watch says so, and only while the watch is fresh. */
import type { OnReadOpts } from 'node:net'
import type { Duplex } from 'node:stream'
import { GatewayError } from '#errors.ts'
import type { Milliseconds } from '#lib/clock.ts'
import type { HoldWish } from '#resume/hold.ts'
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
  /** To a port on loopback of that pod; absent where there are no agents. */
  readonly connectByAgent?: ConnectByAgent | undefined
}

export type ConnectByAgent = (
  instanceUid: InstanceUid,
  port: number,
  signal: AbortSignal,
  hold?: HoldWish,
) => Promise<Duplex>

/**
 * A connection to a port of the very pod that the endpoint names, at the address it has now, or through its agent. Throws `upstream_unreachable`, and
 * `store_unavailable` when what is known of the pod is too old.
 */
export async function dialPod(
  parts: PodDialParts,
  endpoint: Endpoint,
  signal: AbortSignal,
  reading?: OnReadOpts,
  hold?: HoldWish,
): Promise<Duplex> {
  const socket = await opened(parts, endpoint, signal, reading, hold)
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

function opened(
  parts: PodDialParts,
  endpoint: Endpoint,
  signal: AbortSignal,
  reading: OnReadOpts | undefined,
  hold: HoldWish | undefined,
): Promise<Duplex> {
  const { connect = connectTo, connectByAgent } = parts
  const { instanceUid, host, port } = confirm(parts, endpoint)
  if (host !== undefined) return connect({ host, port }, signal, reading)
  if (!connectByAgent) throw unreachable('no agents are let in here')
  return connectByAgent(instanceUid, port, signal, hold)
}

/** What is reached through an agent is never reached at its address, nor the other way round. */
function confirm({ routeTo, ageOf, ageLimit }: PodDialParts, endpoint: Endpoint) {
  if (endpoint.kind !== 'pod' && endpoint.kind !== 'agent') throw unreachable('what is no pod is not reached from here')
  const { instanceUid, port } = endpoint
  const host = endpoint.kind === 'pod' ? endpoint.host : undefined
  if (refusedPorts.includes(port)) throw unreachable(`port ${port} is never reached`)
  const route = routeTo(instanceUid)
  if (!route || route.host !== host) throw unreachable('the pod is gone')
  if (ageOf(route.namespace) > ageLimit) {
    throw new GatewayError('store_unavailable', 'nobody knows any more whose address this is')
  }
  return { instanceUid, host, port }
}

function unreachable(message: string): GatewayError {
  return new GatewayError('upstream_unreachable', message)
}
