/**
 * Writes down what this replica saw of workspaces, so that it outlives the replica and the one who decides knows of it. Of a workspace at most one write
 * in a while; while the store is away everything is kept in memory and written afterwards.
 */
import { hasCode, messageOf } from '#errors.ts'
import { eachOf } from '#lib/at-once.ts'
import { type Clock, type Milliseconds, sleep, type Timestamp } from '#lib/clock.ts'
import type { Log } from '#observe/log.ts'
import type { Resources } from '#resources/contract.ts'
import { boundClocks, type Draft, dateMoved, newDraft, runOf, toldBy } from './activity-draft.ts'
import {
  type Activity,
  activityKind,
  activityName,
  activityOf,
  activitySpec,
  adopt,
  mergeActivity,
  type Run,
  type WorkspaceActivity,
} from './activity-record.ts'
import type { Clocks } from './clocks.ts'
import { DateMoves } from './date-moves.ts'
import { type History, mark, marks, marksAt, mostSpans, sayHistory, spanOf } from './history.ts'
import type { IdlePolicy } from './idle-policy.ts'
import type { ActivityRecorder } from './recorder.ts'
import type { WatchedWorkspace } from './workspace-record.ts'
import { mayWrite, newsOf, turnAfter, type Weight, writePeriod } from './write-turn.ts'

export interface ActivityWriterParts {
  readonly recorder: Pick<ActivityRecorder, 'takeChanged' | 'clocksOf' | 'keep' | 'forget' | 'dateMoved'>
  readonly resources: Resources
  /** Gatehouse's own. */
  readonly namespace: string
  /** Of this replica; the same one after a restart, where there is such a name. */
  readonly replica: string
  /** By which it will be decided whether it is idle, as far as is known. */
  readonly policyOf: (uid: string) => Pick<IdlePolicy, 'timeout' | 'connectedCounts'> | undefined
  /** Where people open it. */
  readonly accessUrlOf: (uid: string) => string | undefined
  readonly clock: Clock
  readonly log: Log
}

const lookEvery: Milliseconds = 1_000
/** Writes under way at a time. */
const mostAtOnce = 16
const pauseAfterFault: Milliseconds = 5_000
const mostTries = 3
/** Marks of the past are in no hurry. */
const longestUnwritten: Milliseconds = 30 * 60_000
/** Of the last round: who ends a process waits no longer. */
const longestEnd: Milliseconds = 5_000
/** What is written is heard of by whoever decides. */
const seenWithin: Milliseconds = 30_000

export class ActivityWriter {
  readonly #parts: ActivityWriterParts
  readonly #drafts = new Map<string, Draft>()
  readonly #date: DateMoves
  #pausedUntil: Timestamp = 0
  #isAway = false

  constructor(parts: ActivityWriterParts) {
    this.#parts = parts
    this.#date = new DateMoves(parts.clock)
  }

  get replica(): string {
    return this.#parts.replica
  }

  /** Until the signal; what was not written by then is written by a last round. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts
    while (!signal.aborted) {
      await this.#round(false)
      await sleep(clock, lookEvery, signal).catch(() => undefined)
    }
    await this.#round(true)
  }

  /** This run of it goes on, and no record says since when. What was written of it and is gone again is begun anew. */
  sawRun(workspace: WatchedWorkspace, run: Run): void {
    const draft = this.#draftOf(workspace)
    const isLost = draft.stored !== undefined && this.#parts.clock.now() - draft.turn.writtenAt > seenWithin
    if (draft.run?.instance !== run.instance || isLost) draft.run = run
    if (isLost) draft.stored = undefined
    draft.isWanted = true
  }

  /** This run of it goes on, as is written somewhere: what is said from here on is said of this run. */
  knowsRun(workspace: WatchedWorkspace, run: Run): void {
    const draft = this.#draftOf(workspace)
    draft.knownRun = run
    if (draft.run?.instance !== run.instance) draft.run = undefined
  }

  /**
   * What was decided of it. Nothing is written for a decision that says the same again. `isAsked`: by what the app itself said, which is written
   * nowhere else.
   */
  say(workspace: WatchedWorkspace, verdict: NonNullable<Activity['verdict']>, { isAsked = false } = {}): void {
    const draft = this.#draftOf(workspace)
    const isSaid = draft.verdict?.idle === verdict.idle && draft.verdict.reason === verdict.reason
    const isSame = isSaid && (!isAsked || draft.verdict?.idleAt === verdict.idleAt)
    draft.verdict = verdict
    if (!isSame) draft.isWanted = true
  }

  /** It ran from one moment to the other, and does not any more. */
  ran(workspace: WatchedWorkspace, from: Timestamp, to: Timestamp): void {
    const draft = this.#draftOf(workspace)
    const first = Math.max(spanOf(from), spanOf(to) - mostSpans)
    for (let span = first; span <= spanOf(to); span += 1) mark(draft.recent, [[span, marks.ran]])
    draft.isWanted = true
  }

  /** It was not idle, by what was asked for and passes by nobody. Waits for another reason to write for a while. */
  held(workspace: WatchedWorkspace, at: Timestamp): void {
    const draft = this.#draftOf(workspace)
    const now = this.#parts.clock.now()
    if (draft.recent.size === 0) draft.recentSince = now
    mark(draft.recent, [[spanOf(Math.min(at, now)), marks.unknown]])
    if (now - draft.recentSince > longestUnwritten) draft.isWanted = true
  }

  /** Somebody else decides from here on. */
  unsay(): void {
    for (const draft of this.#drafts.values()) {
      if (draft.verdict) draft.isWanted = true
      draft.verdict = undefined
    }
  }

  /** Takes over what another replica wrote, in the store as well. `false`: it could not. */
  async adopt(workspace: WatchedWorkspace, activity: Activity): Promise<boolean> {
    const draft = this.#draftOf(workspace)
    if (draft.underWay) return false
    draft.adopted = adopt(draft.adopted, activity, this.#parts.clock.now())
    return this.#write(draft)
  }

  /** Somebody asked that it is kept until then: written at once. `false`: it could not be, and is tried again by itself. */
  async keep(workspace: WatchedWorkspace, until: Timestamp, user: string): Promise<boolean> {
    const draft = this.#draftOf(workspace)
    this.#parts.recorder.keep(workspace, until, user)
    // What is being written was put together before.
    while (draft.underWay) await draft.underWay
    return (draft.written.kept?.at ?? 0) >= until || this.#write(draft)
  }

  /** The workspace is gone. */
  forget(uid: string): void {
    this.#parts.recorder.forget(uid)
    this.#drafts.delete(uid)
  }

  #draftOf(workspace: WatchedWorkspace): Draft {
    const known = this.#drafts.get(workspace.uid)
    if (known) return known
    const draft = newDraft(workspace)
    this.#drafts.set(workspace.uid, draft)
    return draft
  }

  async #round(isLast: boolean): Promise<void> {
    const { recorder, clock } = this.#parts
    const now = clock.now()
    const moved = this.#date.next()
    if (moved !== 0) this.#dateMoved(moved, now)
    for (const { workspace, clocks } of recorder.takeChanged()) {
      const draft = this.#draftOf(workspace)
      mark(draft.recent, marksAt(clocks, now))
      // Whoever decides has it written that it runs: until then that a tab is open is nothing worth knowing.
      if (draft.stored || this.#newsOf(draft, clocks) !== 'none') draft.isWanted = true
    }
    if (now < this.#pausedUntil && !isLast) return
    const due = [...this.#drafts.values()].filter(
      (draft) => draft.isWanted && !draft.underWay && (isLast || this.#isDue(draft, now)),
    )
    await eachOf(due, mostAtOnce, async (draft) => {
      const isTooLate = isLast && clock.now() - now > longestEnd
      if (!isTooLate && (isLast || clock.now() >= this.#pausedUntil)) await this.#write(draft)
    })
  }

  /**
   * Put back: beside what was seen at times that are yet to come nothing would be news, and it would be nobody's turn. Right again: what was seen until
   * then would look as old as the date was wrong.
   */
  #dateMoved(span: Milliseconds, now: Timestamp): void {
    this.#parts.recorder.dateMoved(Math.max(0, span), (clocks) => boundClocks(clocks, now))
    this.#pausedUntil = 0
    for (const draft of this.#drafts.values()) dateMoved(draft, span, now)
  }

  #isDue(draft: Draft, now: Timestamp): boolean {
    const { uid } = draft.workspace
    const period = writePeriod(this.#parts.policyOf(uid)?.timeout)
    return (
      now >= draft.retryAt && mayWrite(draft.turn, this.#newsOf(draft, this.#parts.recorder.clocksOf(uid)), now, period)
    )
  }

  /** What is known here and not yet written. */
  #newsOf(draft: Draft, clocks: Clocks): Weight {
    const { workspace, written, stored } = draft
    const connectedCounts = this.#parts.policyOf(workspace.uid)?.connectedCounts === true
    const startedAt = (runOf(draft) ?? (stored && activityOf(stored).run))?.since
    return newsOf(clocks, written, { connectedCounts, startedAt })
  }

  #write(draft: Draft): Promise<boolean> {
    draft.underWay = this.#writeNow(draft).finally(() => {
      draft.underWay = undefined
      // Gone meanwhile: whoever keeps house deletes what came too late.
      if (this.#drafts.get(draft.workspace.uid) !== draft) draft.isWanted = false
    })
    return draft.underWay
  }

  async #writeNow(draft: Draft): Promise<boolean> {
    const { clock, log } = this.#parts
    const { uid } = draft.workspace
    draft.isWanted = false
    const before = draft.turn
    const news = this.#newsOf(draft, this.#parts.recorder.clocksOf(uid))
    const turn = turnAfter(before, news, clock.now(), writePeriod(this.#parts.policyOf(uid)?.timeout))
    draft.turn = turn
    const { recent, adopted } = draft
    draft.recent = new Map()
    try {
      draft.stored = await this.#put(draft, recent)
      draft.written = activityOf(draft.stored).clocks
      // It is in the store from now on.
      if (draft.adopted === adopted) draft.adopted = undefined
      this.#isAway = false
      return true
    } catch (error) {
      mark(draft.recent, recent)
      draft.isWanted = true
      // Else the date was moved meanwhile.
      if (draft.turn === turn) draft.turn = before
      draft.retryAt = clock.now() + pauseAfterFault
      if (hasCode(error, 'store_unavailable')) this.#pausedUntil = draft.retryAt
      if (!this.#isAway)
        log.warn({ component: 'activity', reason: messageOf(error) }, 'activity can not be written now')
      this.#isAway = true
      return false
    }
  }

  async #put(draft: Draft, recent: History): Promise<WorkspaceActivity> {
    const { resources, namespace, replica } = this.#parts
    const name = activityName(draft.workspace.uid, replica)
    for (let attempt = 1; ; attempt += 1) {
      const { stored } = draft
      const spec = this.#specOf(draft, recent)
      try {
        if (!stored) return await resources.create(activityKind, { metadata: { namespace, name }, spec })
        // Fields of a newer Gatehouse stay.
        const { verdict: _, unreadable: __, ...kept } = stored.spec
        return await resources.replace(activityKind, { ...stored, spec: { ...kept, ...spec } })
      } catch (error) {
        const isOutdated = hasCode(error, 'already_exists', 'conflict', 'not_found')
        if (!isOutdated || attempt === mostTries) throw error
        draft.stored = await resources.get(activityKind, { namespace, name })
        this.#date.wasWrittenAt(draft.stored?.spec.writtenAt)
      }
    }
  }

  /** With what was in the store before, so that a process that was restarted takes nothing back. */
  #specOf(draft: Draft, recent: History) {
    const { workspace, stored, verdict, adopted } = draft
    const run = runOf(draft)
    const { recorder, replica, accessUrlOf, clock } = this.#parts
    const accessURL = accessUrlOf(workspace.uid)
    const now = clock.now()
    const own: Activity = {
      clocks: recorder.clocksOf(workspace.uid),
      run,
      verdict,
      accessURL,
      history: [sayHistory(recent, now)],
    }
    const others = [stored && toldBy(stored, now), adopted].filter((one) => one !== undefined)
    const sum = others.reduce(mergeActivity, own)
    // What was written of another run says nothing of this one.
    const latest = run && sum.run?.instance !== run.instance ? run : sum.run
    return activitySpec(workspace, replica, { ...sum, run: latest, verdict }, now)
  }
}
