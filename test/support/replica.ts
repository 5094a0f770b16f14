/** One gateway of a test's world: the real composition, behind real listeners. */

import { type OpenGateway, openGateway } from '#compose/gateway.ts'
import type { Ground } from '#compose/ground.ts'
import { systemClock } from '#lib/clock.ts'
import { createMetrics, type Metrics } from '#observe/metrics.ts'
import { createRequestIds } from '#observe/request-id.ts'
import { openListeners } from '#server/listeners.ts'
import type { ListenerSettings } from '#settings/settings.ts'

export interface Replica {
  /** Where to connect to it; what is asked for stays the same. */
  readonly port: number
  readonly open: OpenGateway
}

/** A gateway that is ready and listens. */
export async function openReplica(
  ground: Omit<Ground, 'metrics'>,
  listeners: readonly ListenerSettings[],
  metrics: Metrics = createMetrics(),
  opening: (ground: Ground) => Promise<OpenGateway> | OpenGateway = openGateway,
): Promise<OpenGateway> {
  const open = await opening({ ...ground, metrics })
  const { gateway, keyRing, sessions } = open
  await Promise.all([keyRing.ready, sessions.ready])
  await openListeners(
    listeners,
    {
      request: (request, response, connection) => gateway.request(request, response, connection),
      checkContinue: (request, response, connection) => gateway.request(request, response, connection, true),
      upgrade: (request, socket, head, connection) => gateway.upgrade(request, socket, head, connection),
      refused: (refusal) => gateway.refused(refusal),
    },
    {
      limits: ground.settings.limits,
      trustedProxies: ground.settings.trustedProxies,
      clock: systemClock,
      log: ground.log,
      newRequestId: createRequestIds(),
      insecureWideBind: false,
      isBehindTls: false,
      signal: ground.signal,
    },
  )
  return open
}
