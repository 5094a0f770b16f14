/**
 * Stops what nobody uses; in one process alone. From memory it is known who might be idle; of those the app itself is asked, and what all replicas
 * wrote is read afresh, right before the wish is written. Whatever fails on the way leaves the workspace running, and is tried again.
 */
import { type Activity, sumOfRun } from '#activity/activity-record.ts'
import type { ActivityWriter } from '#activity/activity-writer.ts'
import { type AppAnswer, type IdleDecision, lookAgainAt, needsLoad, needsTheApp } from '#activity/idle-decision.ts'
import type { IdlePolicy, IdleRule } from '#activity/idle-policy.ts'
import type { IdleRules } from '#activity/idle-rules.ts'
import type { ActivityRecorder } from '#activity/recorder.ts'
import { sight } from '#activity/sight.ts'
import { decideKnown } from '#activity/standing.ts'
import type { WatchedWorkspace } from '#activity/workspace-record.ts'
import { writeEvery } from '#activity/write-turn.ts'
import { hasCode, messageOf } from '#errors.ts'
import { eachOf } from '#lib/at-once.ts'
import { type Clock, type Milliseconds, sleep, type Timestamp } from '#lib/clock.ts'
import { together } from '#lib/together.ts'
import type { Audit } from '#observe/audit.ts'
import type { Log } from '#observe/log.ts'
import type { Resources } from '#resources/contract.ts'
import { refKey, type WorkspaceRef } from '#surface/workspace-ref.ts'
import type { Directory, WorkspaceEntry } from '#workspace/directory.ts'
import { ActivityBook } from './activity-book.ts'
import { collectActivity } from './activity-collection.ts'
import { GapWatch } from './gap-watch.ts'
import { verdictOf } from './idle-words.ts'
import { knownOf } from './known.ts'
import type { LoadWatch } from './load-watch.ts'
import { recordRuns } from './run-history.ts'
import { isOurs, isOverdue } from './stop-owner.ts'
import { StopsUnderWay } from './stops-under-way.ts'

export interface IdleStopsParts {
  readonly directory: Pick<Directory, 'all' | 'get' | 'findByUid' | 'isComplete'>
  readonly rules: Pick<IdleRules, 'of'>
  readonly recorder: Pick<ActivityRecorder, 'clocksOf' | 'record'>
  readonly writer: ActivityWriter
  readonly loads: LoadWatch
  readonly resources: Resources
  /** Gatehouse's own. */
  readonly namespace: string
  /** As {@link file://./app-inquiry.ts}. */
  readonly ask: (entry: WorkspaceEntry, policy: IdlePolicy, signal: AbortSignal) => Promise<AppAnswer>
  /** Whether the store keeps true what stops lean on. */
  readonly mayStop: () => boolean
  /** As {@link ActivityBookParts.aheadOfStore}. */
  readonly aheadOfStore?: (() => Milliseconds | undefined) | undefined
  /** Tells those who look at the workspace, once for each stop. */
  readonly announce: (entry: WorkspaceEntry, message: string) => Promise<void>
  readonly clock: Clock
  readonly log: Log
  readonly audit: Audit
}

const lookEvery: Milliseconds = 1_000
/** Apps that are asked at a time. */
const mostAtOnce = 8

/** What is known of a workspace besides what was written. */
interface Case {
  readonly entry: WorkspaceEntry
  readonly rule: IdleRule
  readonly run: string
  readonly decision: IdleDecision
  /** Until then nothing that happens could make it idle. */
  readonly lookAt: Timestamp
  /** It is asked again from then on. */
  askAt: Timestamp
}

export class IdleStops {
  readonly #parts: IdleStopsParts
  readonly #cases = new Map<string, Case>()
  readonly #stops: StopsUnderWay
  readonly #gaps: GapWatch
  #book: ActivityBook | undefined

  constructor(parts: IdleStopsParts) {
    this.#parts = parts
    this.#stops = new StopsUnderWay(parts)
    this.#gaps = new GapWatch(parts.clock)
  }

  /** Decides until the signal; what was known is forgotten then. */
  async run(signal: AbortSignal): Promise<void> {
    const book = new ActivityBook(this.#parts)
    this.#book = book
    try {
      await together(
        signal,
        (ending) => book.follow(ending),
        (ending) => this.#decideAll(book, ending),
        (ending) => collectActivity({ ...this.#parts, book }, ending),
        (ending) => this.#parts.loads.run(ending),
        (ending) => recordRuns(this.#parts, ending),
      )
    } finally {
      // Its turn may have come again while something of the last one was under way.
      if (this.#book === book) {
        this.#book = undefined
        this.#cases.clear()
        this.#parts.writer.unsay()
      }
    }
  }

  /** What all have written, while this process decides by it. */
  get book(): ActivityBook | undefined {
    return this.#book
  }

  /** The last decision about it. `undefined`: nobody asks for one, or another process decides. */
  whyNotIdle(ref: WorkspaceRef): IdleDecision | undefined {
    const entry = this.#parts.directory.get(ref)
    return entry && this.#cases.get(entry.uid)?.decision
  }

  async #decideAll(book: ActivityBook, signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#parts
    this.#gaps.hasGap()
    while (!signal.aborted) {
      if (this.#gaps.hasGap()) this.#forget(book)
      try {
        if (book.heardSince === undefined) await book.catchUp(signal)
      } catch (error) {
        if (!signal.aborted) log.debug({ component: 'idle', reason: messageOf(error) }, 'activity can not be read now')
      }
      await this.#round(book, signal)
      this.#gaps.rests(lookEvery)
      await sleep(clock, lookEvery, signal).catch(() => undefined)
    }
  }

  /** The date was moved, perhaps, by which everything was put down. */
  #forget(book: ActivityBook): void {
    book.forget()
    this.#parts.loads.forget()
    this.#cases.clear()
  }

  async #round(book: ActivityBook, signal: AbortSignal): Promise<void> {
    await this.#stops.tellLost()
    const candidates: { readonly entry: WorkspaceEntry; readonly policy: IdlePolicy }[] = []
    for (const [entry, rule] of this.#wanted()) {
      if (this.#isSettled(entry, rule)) continue
      if (rule.kind === 'unknown')
        this.#note(entry, { kind: 'unknown', reason: 'policy-unknown', message: rule.problem })
      else if (this.#mightBeIdle(book, entry, rule.policy)) candidates.push({ entry, policy: rule.policy })
    }
    await eachOf(candidates, mostAtOnce, ({ entry, policy }) => this.#settle(book, entry, policy, signal))
  }

  /** Those that are to run and to be stopped some time; what was known of others is forgotten. */
  #wanted(): readonly (readonly [WorkspaceEntry, Exclude<IdleRule, { kind: 'off' }>])[] {
    const { directory, rules } = this.#parts
    const wanted = [...directory.all()].flatMap((entry) => {
      const rule = rules.of(entry.workspace)
      return rule.kind === 'off' || entry.workspace.spec.desiredStatus === 'Stopped' ? [] : [[entry, rule] as const]
    })
    const present = new Set<string>(wanted.map(([{ uid }]) => uid))
    for (const uid of this.#cases.keys()) if (!present.has(uid)) this.#cases.delete(uid)
    return wanted
  }

  /** What was decided holds on. */
  #isSettled(entry: WorkspaceEntry, rule: IdleRule): boolean {
    const known = this.#cases.get(entry.uid)
    return known?.entry === entry && known.rule === rule && this.#parts.clock.now() < known.lookAt
  }

  /** By what is in memory, and it is its turn to be asked. */
  #mightBeIdle(book: ActivityBook, entry: WorkspaceEntry, policy: IdlePolicy): boolean {
    const { clock, loads } = this.#parts
    const decision = this.#decide(book, entry, policy, { kind: 'not-asked' })
    const run = entry.instance && book.of(entry.uid, entry.instance.instanceUid)?.run
    if (needsLoad(decision, policy, clock.now())) loads.want({ entry, timeout: policy.timeout, startedAt: run?.since })
    const isAsked = needsTheApp(decision) || decision.kind === 'idle'
    if (!isAsked) this.#note(entry, decision)
    return isAsked && (this.#cases.get(entry.uid)?.askAt ?? 0) <= clock.now()
  }

  /** From what is known; `fresh`: instead of what the watch brought. */
  #decide(
    book: ActivityBook,
    entry: WorkspaceEntry,
    policy: IdlePolicy,
    app: AppAnswer,
    fresh?: Activity,
  ): IdleDecision {
    const { writer, loads } = this.#parts
    const known = knownOf(this.#parts, book, entry, fresh)
    const { instance } = entry
    // Whoever sees a run first writes down since when: to have been started counts as a gesture.
    const isUnheardOf = known.written?.run === undefined && fresh === undefined && book.heardSince !== undefined
    if (instance && isUnheardOf && known.isRunning && (known.mayStop || !isOurs(policy)))
      writer.sawRun(watched(entry), { instance: instance.instanceUid, since: known.now })
    if (known.written?.run) writer.knowsRun(watched(entry), known.written.run)
    return decideKnown(known, policy, app, loads.of({ entry, timeout: policy.timeout }))
  }

  /** Asks, reads, decides, and stops. */
  async #settle(book: ActivityBook, entry: WorkspaceEntry, policy: IdlePolicy, signal: AbortSignal): Promise<void> {
    const { ask, recorder, log, clock } = this.#parts
    try {
      const app = await ask(entry, policy, signal)
      if (app.kind === 'busy') {
        recorder.record(watched(entry), sight('busy', app.source))
        const said = { component: 'idle', workspace: refKey(entry.ref), reason: app.source }
        log.debug(said, 'it says itself that it works')
      }
      const first = this.#decide(book, entry, policy, app)
      const decision = first.kind === 'idle' ? await this.#decideAfresh(book, entry, policy, app) : first
      signal.throwIfAborted()
      this.#note(entry, decision, { isAsked: true })
      if (decision.kind === 'not-idle' && decision.last) this.#parts.writer.held(watched(entry), decision.last.at)
      if (decision.kind === 'idle') await this.#stop(entry, policy, decision)
    } catch (error) {
      if (signal.aborted) return
      const message = `It could not be decided, or not be stopped: ${messageOf(error)}.`
      this.#note(entry, { kind: 'unknown', reason: 'not-heard', message })
      if (!hasCode(error, 'conflict', 'store_unavailable', 'not_found'))
        log.warn(
          { component: 'idle', workspace: refKey(entry.ref), reason: messageOf(error) },
          'an idle workspace runs on',
        )
    } finally {
      const known = this.#cases.get(entry.uid)
      if (known) known.askAt = clock.now() + writeEvery(policy.timeout)
    }
  }

  async #stop(entry: WorkspaceEntry, policy: IdlePolicy, decision: IdleDecision & { kind: 'idle' }): Promise<void> {
    if (isOurs(policy)) await this.#stops.stop(entry, decision)
    else if (isOverdue(policy, decision) && this.#parts.mayStop()) await this.#stopForOther(entry, decision)
  }

  /** It may be that no operator asks, whatever the workspace says: its longest life ends all the same. Who asks is told what was decided, also where this fails. */
  async #stopForOther(entry: WorkspaceEntry, decision: IdleDecision & { kind: 'idle' }): Promise<void> {
    try {
      await this.#stops.stop(entry, decision)
    } catch (error) {
      const said = { component: 'idle', workspace: refKey(entry.ref), reason: messageOf(error) }
      this.#parts.log.warn(said, 'no operator stops it, and Gatehouse can not: it runs on longer than it may')
    }
  }

  /** Once more, with what the store says now: every replica's record is read by its name. */
  async #decideAfresh(
    book: ActivityBook,
    entry: WorkspaceEntry,
    policy: IdlePolicy,
    app: AppAnswer,
  ): Promise<IdleDecision> {
    const { writer, directory } = this.#parts
    const records = await book.readAfresh(entry.uid, writer.replica)
    const told = records.map((record) => book.read(record))
    const fresh = sumOfRun(told, entry.instance?.instanceUid ?? '')
    if (this.#gaps.hasGap()) {
      this.#forget(book)
      return { kind: 'unknown', reason: 'not-heard', message: 'The date of who decides was moved meanwhile.' }
    }
    if (!fresh) return { kind: 'unknown', reason: 'no-record', message: 'There is no record of it.' }
    // What is stopped is what was looked at.
    if (directory.get(entry.ref) !== entry) {
      return { kind: 'unknown', reason: 'not-heard', message: 'It has changed meanwhile.' }
    }
    return this.#decide(book, entry, policy, app, fresh)
  }

  #note(entry: WorkspaceEntry, decision: IdleDecision, { isAsked = false } = {}): void {
    const { writer, log, rules, clock } = this.#parts
    const known = this.#cases.get(entry.uid)
    const run = entry.instance?.instanceUid ?? ''
    const rule = rules.of(entry.workspace)
    const askAt = known?.run === run ? known.askAt : 0
    this.#cases.set(entry.uid, {
      entry,
      rule,
      run,
      decision,
      askAt,
      lookAt: rule.kind === 'on' ? lookAgainAt(decision, rule.policy, clock.now()) : 0,
    })
    const verdict = verdictOf(decision)
    const before = known && verdictOf(known.decision)
    writer.say(watched(entry), verdict, { isAsked })
    if (before?.reason === verdict.reason) return
    const said = { component: 'idle', workspace: refKey(entry.ref), reason: verdict.reason }
    if (decision.kind === 'unknown' && trouble.has(decision.reason)) log.warn(said, verdict.message)
    else log.debug(said, verdict.message)
  }
}

const trouble: ReadonlySet<string> = new Set(['app-failed', 'policy-unknown', 'stops-off'])

function watched({ ref, uid }: WorkspaceEntry): WatchedWorkspace {
  return { ...ref, uid }
}
