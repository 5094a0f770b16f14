/** Writes an Event about an object, for whoever describes that object or lists what happened in its namespace. */
import { randomUUID } from 'node:crypto'
import type { Clock } from '#lib/clock.ts'
import type { Resource } from '#resources/contract.ts'
import type { ApiClient } from './api-client.ts'

export interface EventText {
  /** CamelCase. */
  readonly reason: string
  /** For people; of more than 1,024 characters the rest is cut off. */
  readonly message: string
}

/** Throws as every write does. */
export async function writeEvent(
  { client, clock }: { readonly client: ApiClient; readonly clock: Clock },
  { apiVersion, kind, metadata }: Resource,
  { reason, message }: EventText,
): Promise<void> {
  const { namespace, name, uid, resourceVersion } = metadata
  const now = new Date(clock.now()).toISOString().replace(/\.\d+Z$/, 'Z')
  await client.post(`/api/v1/namespaces/${encodeURIComponent(namespace)}/events`, {
    apiVersion: 'v1',
    kind: 'Event',
    // 253 characters at most.
    metadata: { namespace, name: `${name.slice(0, 200)}.${randomUUID()}` },
    involvedObject: { apiVersion, kind, namespace, name, uid, resourceVersion },
    ...{ reason, message: message.slice(0, 1024), type: 'Normal', count: 1 },
    ...{ firstTimestamp: now, lastTimestamp: now, source: { component: 'gatehouse' } },
    reportingComponent: 'gatehouse',
    reportingInstance: 'gatehouse',
  })
}
