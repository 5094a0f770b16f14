/**
 * Heartbeats: one object for each kind that authorises, in Gatehouse's own namespace, whose annotation is touched every 5 s. It grants nothing
 * and is handed to no consumer; a watch that does not bring its changes brings nothing else either, which is how readers notice.
 * Whoever keeps house writes them; the time in them is for people's eyes alone, since clocks of replicas differ.
 */
import { hasCode } from '#errors.ts'
import { type Clock, type Milliseconds, sleep } from '#lib/clock.ts'
import type { Log } from '#observe/log.ts'
import type { Resource, ResourceKind } from '#resources/contract.ts'
import type { ApiClient } from './api-client.ts'
import { apiVersionOf, resourcePath } from './resource-path.ts'

export const heartbeatName = 'gatehouse-heartbeat'
export const heartbeatAnnotation = 'gatehouse.dev/heartbeat-at'

const beatEvery: Milliseconds = 5_000

/** A kind, and the spec of an object of it that grants nothing. */
export interface HeartbeatKind {
  readonly kind: ResourceKind<Resource>
  readonly spec: unknown
}

export interface HeartbeatParts {
  readonly client: ApiClient
  /** Gatehouse's own. */
  readonly namespace: string
  readonly kinds: readonly HeartbeatKind[]
  readonly clock: Clock
  readonly log: Log
}

/** Until the signal is aborted, by whoever holds the Lease; never rejects. What can't be written is said once, and again when it can. */
export async function keepBeating(parts: HeartbeatParts, signal: AbortSignal): Promise<void> {
  await Promise.all(parts.kinds.map((one) => beatOne(parts, one, signal)))
}

async function beatOne(parts: HeartbeatParts, { kind, spec }: HeartbeatKind, signal: AbortSignal): Promise<void> {
  const { clock, log } = parts
  let isFailing = false
  while (!signal.aborted) {
    try {
      await beat(parts, { kind, spec }, signal)
      if (isFailing) log.info({ component: 'heartbeat', kind: kind.kind }, 'heartbeats are written again')
      isFailing = false
    } catch (error) {
      if (signal.aborted) return
      if (!isFailing) log.warn({ component: 'heartbeat', kind: kind.kind, error }, 'heartbeats can not be written')
      isFailing = true
    }
    // It rejects when the signal is aborted, which ends the loop.
    await sleep(clock, beatEvery, signal).catch(() => undefined)
  }
}

/** Touches the object, or makes it. */
export async function beat(
  { client, namespace, clock }: Omit<HeartbeatParts, 'kinds' | 'log'>,
  { kind, spec }: HeartbeatKind,
  signal?: AbortSignal,
): Promise<void> {
  const call = { signal, within: beatEvery }
  const annotations = { [heartbeatAnnotation]: new Date(clock.now()).toISOString() }
  const path = resourcePath(kind, { namespace, name: heartbeatName })
  try {
    await client.patch(path, 'application/merge-patch+json', { metadata: { annotations } }, call)
  } catch (error) {
    if (!hasCode(error, 'not_found')) throw error
    const apiVersion = apiVersionOf(kind)
    const object = { apiVersion, kind: kind.kind, metadata: { name: heartbeatName, namespace, annotations }, spec }
    await client.post(resourcePath(kind, { namespace }), object, call).catch((reason: unknown) => {
      if (!hasCode(reason, 'already_exists')) throw reason
    })
  }
}
