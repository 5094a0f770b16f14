/** Deletes records of activity that nobody needs: those of workspaces that are gone, and of replicas that are, once somebody else has what they said. */
import { activityKind } from '#activity/activity-record.ts'
import type { ActivityWriter } from '#activity/activity-writer.ts'
import { hasCode, messageOf } from '#errors.ts'
import { type Clock, type Milliseconds, sleep } from '#lib/clock.ts'
import type { Log } from '#observe/log.ts'
import type { Resources } from '#resources/contract.ts'
import type { Directory } from '#workspace/directory.ts'
import type { ActivityBook } from './activity-book.ts'

export interface ActivityCollectionParts {
  readonly book: ActivityBook
  readonly directory: Pick<Directory, 'findByUid' | 'isComplete'>
  readonly writer: ActivityWriter
  readonly resources: Resources
  readonly clock: Clock
  readonly log: Log
}

const collectEvery: Milliseconds = 60_000
/** A record that has not changed for so long is that of a replica that is gone. */
const replicaGoneAfter: Milliseconds = 3_600_000

/** Until the signal. Nothing is deleted on a guess. */
export async function collectActivity(parts: ActivityCollectionParts, signal: AbortSignal): Promise<void> {
  const { book, directory, clock, log } = parts
  while (!signal.aborted) {
    try {
      if (book.heardSince !== undefined && directory.isComplete) await collect(parts)
    } catch (error) {
      log.debug({ component: 'idle', reason: messageOf(error) }, 'records of activity could not be collected')
    }
    await sleep(clock, collectEvery, signal).catch(() => undefined)
  }
}

async function collect(parts: ActivityCollectionParts): Promise<void> {
  for (const uid of parts.book.workspaces()) await collectOf(parts, uid)
}

async function collectOf(
  { book, directory, writer, resources, clock }: ActivityCollectionParts,
  uid: string,
): Promise<void> {
  const isGone = directory.findByUid(uid) === undefined
  if (isGone) writer.forget(uid)
  for (const { record, activity, heardAt } of book.pagesOf(uid)) {
    const { namespace, name, resourceVersion } = record.metadata
    const isSilent = record.spec.replica !== writer.replica && clock.now() - heardAt > replicaGoneAfter
    // What nobody understands can't be taken over.
    const isLeft = isSilent && !activity.isUnreadable
    const isNeeded = !isGone && !(isLeft && (await writer.adopt(record.spec.workspace, activity)))
    if (isNeeded) continue
    await resources.delete(activityKind, { namespace, name }, { resourceVersion }).catch((error: unknown) => {
      // Somebody writes to it after all.
      if (!hasCode(error, 'conflict')) throw error
    })
  }
}
