/**
 * Since when nobody works in a workspace, for the operator of somebody else's that asks in its pod, at whichever replica the question comes in. That it is idle
 * is said only where whoever decides has found it so just now, and all that was written since says nothing against it.
 */
import { sumOfRun, type WorkspaceActivity } from '#activity/activity-record.ts'
import type { Evidence } from '#activity/clocks.ts'
import type { IdleDecision } from '#activity/idle-decision.ts'
import type { IdlePolicy } from '#activity/idle-policy.ts'
import type { IdleRules } from '#activity/idle-rules.ts'
import { type Decided, type LastActive, lastActiveFor } from '#activity/last-active.ts'
import { decideByTraffic, standingByVerdict } from '#activity/standing.ts'
import { writePeriod } from '#activity/write-turn.ts'
import type { Milliseconds, Timestamp } from '#lib/clock.ts'
import type { Directory, WorkspaceEntry } from '#workspace/directory.ts'
import type { ActivityBoard } from './activity-board.ts'
import type { ActivityBook } from './activity-book.ts'
import { type KnowingParts, knownOf } from './known.ts'

export interface LastActivityParts extends KnowingParts {
  readonly directory: Pick<Directory, 'get'>
  readonly rules: Pick<IdleRules, 'of'>
  readonly board: Pick<ActivityBoard, 'followed'>
  readonly replica: string
}

/** Whoever decides asks the app, and reads what all have written, for so long at most. */
const decidingTime: Milliseconds = 30_000

/** Throws `store_unavailable`. */
export async function lastActivityOf(parts: LastActivityParts, asked: WorkspaceEntry): Promise<LastActive> {
  const { directory, rules, board, clock, aheadOfStore } = parts
  const rule = rules.of(asked.workspace)
  if (rule.kind === 'unknown') return { kind: 'unknown', message: rule.problem }
  if (rule.kind === 'off' || rule.policy.operatorTimeout === undefined) return { kind: 'not-told' }
  const book = await board.followed()
  const decision = await decide(parts, book, asked, rule.policy)
  // What was said of one run is of no other.
  if (directory.get(asked.ref) !== asked) return { kind: 'unknown', message: 'It has changed meanwhile.' }
  const ahead = aheadOfStore ? aheadOfStore() : 0
  if (ahead === undefined) return { kind: 'unknown', message: 'The time of the store is not known.' }
  return lastActiveFor(decision, { now: clock.now(), ahead, timeout: rule.policy.operatorTimeout })
}

async function decide(
  parts: LastActivityParts,
  book: ActivityBook | undefined,
  entry: WorkspaceEntry,
  policy: IdlePolicy,
): Promise<Decided> {
  const first = decideByTraffic(knownOf(parts, book, entry), policy)
  const run = entry.instance?.instanceUid
  if (!mayBeIdle(first) || !book || run === undefined) return first
  const records = await book.readAfresh(entry.uid, parts.replica)
  const activities = records.map((record) => book.read(record))
  const again = decideByTraffic(knownOf(parts, book, entry, sumOfRun(activities, run)), policy)
  if (!mayBeIdle(again)) return again
  return decided(verdictIn(parts, book, records, run), again, {
    policy,
    now: parts.clock.now(),
    since: book.heardSince,
  })
}

/** By traffic nobody works; or it has run for as long as it may. */
function mayBeIdle(decision: IdleDecision): boolean {
  return decision.kind === 'idle' || (decision.kind === 'unknown' && decision.reason === 'not-asked')
}

interface Found {
  readonly verdict: NonNullable<WorkspaceActivity['spec']['verdict']>
  readonly heardAt: Timestamp
  /** As the store dates it where it does; a process that stood still hears late of what was written long ago. */
  readonly writtenAt: Timestamp
  /** By then it was so long ago that it was found; `undefined`: that is not known. */
  readonly age: Milliseconds | undefined
}

/** The last one that was written of this run. */
function verdictIn(
  { aheadOfStore }: KnowingParts,
  book: ActivityBook,
  records: readonly WorkspaceActivity[],
  run: string,
): Found | undefined {
  const ahead = aheadOfStore ? aheadOfStore() : 0
  const found = records.flatMap(({ metadata, spec }): readonly Found[] => {
    const { verdict, writtenAt } = spec
    const page = book.pagesOf(spec.workspace.uid).find(({ name }) => name === metadata.name)
    if (!verdict || !page || spec.run?.instance !== run) return []
    const { idleAt } = verdict
    const { heardAt } = page
    const storedAt = ahead === undefined || metadata.updatedAt === undefined ? undefined : metadata.updatedAt + ahead
    const isDated = writtenAt !== undefined && idleAt !== undefined && (storedAt !== undefined || !aheadOfStore)
    const age = isDated ? Date.parse(writtenAt) - Date.parse(idleAt) : undefined
    return [{ verdict, heardAt, writtenAt: Math.min(heardAt, storedAt ?? heardAt), age }]
  })
  // The store dates by whole seconds.
  return found.sort((one, other) => other.writtenAt - one.writtenAt || other.heardAt - one.heardAt)[0]
}

interface Moment {
  readonly policy: IdlePolicy
  readonly now: Timestamp
  /** Nothing that was written since then was missed. */
  readonly since: Timestamp | undefined
}

/** `byTraffic`: nobody works, as far as that tells. */
function decided(found: Found | undefined, byTraffic: IdleDecision, moment: Moment): Decided {
  const standing = found && standingByVerdict(found.verdict)
  const { last } = byTraffic
  if (!found || !standing || !last) return undecided
  const { kind, message, idleAt } = standing
  switch (kind) {
    case 'not-idle':
      return idleAt === undefined ? { kind } : { kind, idleAt }
    case 'unknown':
      return { kind, message }
    case 'idle':
      if (!isOfNow(found, moment) || !isBy(moment.policy, found)) return undecided
      return byTraffic.kind === 'idle' ? byTraffic : idleBy(found, last)
  }
}

/** Whoever has lived for too long was not asked whether he works; a rule that has changed meanwhile may let him live on. */
function idleBy({ verdict }: Found, last: Evidence): Decided {
  return verdict.reason === 'inactivity' ? { kind: 'idle', because: 'inactivity', last } : undecided
}

const undecided: Decided = { kind: 'unknown', message: 'Nobody has found just now whether it is idle.' }

/**
 * It would be found so by this policy too, which may ask for more since. Who has lived for too long is judged by it anyway. Since when nobody works is not
 * told by a Gatehouse of before, nor kept by an API server that knows the definition of before.
 */
function isBy({ timeout }: IdlePolicy, { verdict: { reason, idleAt, lastAt } }: Found): boolean {
  if (reason !== 'inactivity') return true
  return idleAt !== undefined && lastAt !== undefined && Date.parse(idleAt) - Date.parse(lastAt) > timeout
}

/** It is found so again and again, and written; what was written before this process followed it may be long ago. */
function isOfNow({ heardAt, writtenAt, age }: Found, { policy, now, since }: Moment): boolean {
  if (age === undefined || age < 0 || since === undefined || heardAt <= since || now < heardAt) return false
  return now - writtenAt + age <= 2 * writePeriod(policy.timeout) + decidingTime
}
