/** Housekeeping: deletes the records of sessions that are over. */

import { hasCode } from '#errors.ts'
import type { Clock } from '#lib/clock.ts'
import type { Resources } from '#resources/contract.ts'
import { mostClockDifference } from './clock-difference.ts'
import { parseSessionName } from './session-id.ts'
import { sessionKind, type WorkspaceSession } from './session-record.ts'
import type { SessionTable } from './session-table.ts'

interface Collection {
  readonly resources: Resources
  readonly namespace: string
  readonly clock: Clock
  readonly table: SessionTable
}

/** How many were deleted. Throws `store_unavailable`. */
export async function collectSessions(collection: Collection): Promise<number> {
  const { resources, namespace } = collection
  const { items } = await resources.list(sessionKind, { namespace })
  let collected = 0
  for (const record of items.filter((item) => isOver(item, collection))) {
    const { name, uid, resourceVersion } = record.metadata
    // As it was read: whoever has renewed it since keeps it.
    const deleting = resources.delete(sessionKind, { namespace, name }, { uid, resourceVersion })
    if (await deleting.catch(falseOnConflict)) collected += 1
  }
  return collected
}

/** Also what was ended here while the store could not be reached, and what locked people have. */
function isOver(record: WorkspaceSession, { table, clock }: Collection): boolean {
  const { expiresAt, notAfter } = record.spec
  const name = parseSessionName(record.metadata.name)
  const why = name && table.endOf(name)
  if (why !== undefined && why !== 'expired') return true
  // A replica whose clock is ahead does not delete what others still serve.
  return Math.min(Date.parse(expiresAt), Date.parse(notAfter)) + mostClockDifference <= clock.now()
}

function falseOnConflict(error: unknown): false {
  if (hasCode(error, 'conflict')) return false
  throw error
}
