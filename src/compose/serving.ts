/** What is listened on: for those who run Gatehouse from the very start, for everybody else once all is known; and how both end. */
import type { Clock } from '#lib/clock.ts'
import type { Log } from '#observe/log.ts'
import type { Metrics } from '#observe/metrics.ts'
import { createRequestIds } from '#observe/request-id.ts'
import { drain } from '#server/drain.ts'
import type { Listener } from '#server/listener.ts'
import { openListeners } from '#server/listeners.ts'
import { type Condition, listenForOperations } from '#server/operations.ts'
import type { Settings } from '#settings/settings.ts'
import { endAfter } from './end-after.ts'
import type { OpenGateway } from './gateway.ts'

export interface ServingParts {
  readonly settings: Settings
  readonly open: OpenGateway
  readonly metrics: Metrics
  readonly clock: Clock
  readonly log: Log
  /** Ends everything at once. */
  readonly signal: AbortSignal
}

export interface Serving {
  /** Takes nothing new, lets requests come to their end within the grace, and tells sockets to come back. */
  drain(impatient: AbortSignal): Promise<void>
  /** After the signal: nothing is listened on any more. */
  readonly ended: Promise<void>
}

/** Visitors are let in once `known` is settled, which says that what the gateway decides by is complete. */
export async function serve(parts: ServingParts, known: Promise<unknown>): Promise<Serving> {
  const { settings, open, metrics, clock, log, signal } = parts
  const { directory } = open.workspaces
  let isKnown = false
  let isDraining = false
  const conditions: readonly Condition[] = [
    { name: 'state-known', isMet: () => isKnown },
    ...open.conditions,
    { name: 'workspaces-known', isMet: () => directory.isComplete },
    { name: 'keys-loaded', isMet: () => open.keyRing.all().length > 0 },
    { name: 'not-draining', isMet: () => !isDraining },
  ]
  const { hosts, port } = settings.operations
  await using opened = new AsyncDisposableStack()
  opened.use(await listenForOperations({ hosts, port, conditions, metrics, log }))
  await known
  const listeners = await listen(parts)
  // Not before: whoever reads that it is ready comes at once.
  isKnown = true
  const operations = opened.move()
  return {
    async drain(impatient) {
      isDraining = true
      open.endNews()
      const { grace } = settings.drain
      await drain({ listeners, streams: open.streams, clock, random: Math.random, grace, signal: impatient })
    },
    ended: endAfter(signal, async () => {
      await operations.disposeAsync()
      await Promise.all(listeners.map((listener) => listener.closed))
    }),
  }
}

function listen({ settings, open: { gateway }, clock, log, signal }: ServingParts): Promise<readonly Listener[]> {
  const insecureWideBind = settings.insecure.includes('insecureWideBind')
  const isBehindTls = settings.external.scheme === 'https'
  const { limits, trustedProxies } = settings
  const newRequestId = createRequestIds()
  return openListeners(
    settings.listeners,
    {
      request: (request, response, connection) => gateway.request(request, response, connection),
      checkContinue: (request, response, connection) => gateway.request(request, response, connection, true),
      upgrade: (request, socket, head, connection) => gateway.upgrade(request, socket, head, connection),
      refused: (refusal) => gateway.refused(refusal),
    },
    { limits, trustedProxies, clock, log, newRequestId, insecureWideBind, isBehindTls, signal },
  )
}
