/** Deletes records of activity that nobody needs: those of workspaces that are gone, and of replicas that are, once somebody else has what they said. */
import { type Activity, activityKind, activityOf } from '#activity/activity-record.ts'
import type { ActivityWriter } from '#activity/activity-writer.ts'
import { hasCode, messageOf } from '#errors.ts'
import { type Clock, type Milliseconds, sleep } from '#lib/clock.ts'
import type { Log } from '#observe/log.ts'
import type { Resources } from '#resources/contract.ts'
import type { Directory } from '#workspace/directory.ts'
import type { ActivityBook, Page } from './activity-book.ts'

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

async function collectOf(parts: ActivityCollectionParts, uid: string): Promise<void> {
  const { book, directory, writer, resources } = parts
  const isGone = directory.findByUid(uid) === undefined
  if (isGone) writer.forget(uid)
  for (const page of book.pagesOf(uid)) {
    if (!isGone && !(await isTakenOver(parts, page))) continue
    const { namespace, name, resourceVersion } = page
    await resources.delete(activityKind, { namespace, name }, { resourceVersion }).catch((error: unknown) => {
      // Somebody writes to it after all.
      if (!hasCode(error, 'conflict')) throw error
    })
  }
}

/** That of a replica that is gone, by whoever keeps house. */
async function isTakenOver(parts: ActivityCollectionParts, page: Page): Promise<boolean> {
  const { writer, clock } = parts
  const isSilent = page.replica !== writer.replica && clock.now() - page.heardAt > replicaGoneAfter
  // What nobody understands can't be taken over.
  if (!isSilent || page.activity.isUnreadable) return false
  const whole = await wholeOf(parts, page)
  return whole !== undefined && writer.adopt(page.workspace, whole)
}

/** With its history, which is kept nowhere but in the store. `undefined`: somebody has written to it. */
async function wholeOf({ resources }: ActivityCollectionParts, page: Page): Promise<Activity | undefined> {
  const record = await resources.get(activityKind, { namespace: page.namespace, name: page.name })
  return record?.metadata.resourceVersion === page.resourceVersion
    ? { ...activityOf(record), ...page.activity }
    : undefined
}
