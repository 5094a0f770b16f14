/**
 * What people are told of who works in a workspace, at any replica. Whoever decides has read what all have written; elsewhere it is followed while
 * somebody asks, and for a while after: one list and one watch for all who look, and nothing where nobody does.
 */
import type { IdleDecision } from '#activity/idle-decision.ts'
import type { IdleRules } from '#activity/idle-rules.ts'
import {
  type Ending,
  type Reading,
  readingOf,
  type Standing,
  standingBy,
  standingByVerdict,
} from '#activity/standing.ts'
import { messageOf } from '#errors.ts'
import { type Milliseconds, sleep, type Timestamp } from '#lib/clock.ts'
import { type Latest, latest } from '#lib/latest.ts'
import type { Log } from '#observe/log.ts'
import type { Resources } from '#resources/contract.ts'
import { refKey, type WorkspaceRef } from '#surface/workspace-ref.ts'
import type { Directory, WorkspaceEntry } from '#workspace/directory.ts'
import { ActivityBook } from './activity-book.ts'
import { type KnowingParts, knownOf } from './known.ts'

export interface ActivityBoardParts extends KnowingParts {
  readonly directory: Pick<Directory, 'get' | 'subscribe'>
  readonly rules: Pick<IdleRules, 'of'>
  readonly resources: Resources
  /** Gatehouse's own. */
  readonly namespace: string
  /** Of whoever decides, while it is this process. */
  readonly stops: {
    readonly book: ActivityBook | undefined
    whyNotIdle(ref: WorkspaceRef): IdleDecision | undefined
  }
  readonly log: Log
}

/** It is followed for so long after the last question. */
const wantedFor: Milliseconds = 120_000
/** So for those who ask again and again, minutes apart, and to whom it is of use only once it was followed for a while. */
const wantedLong: Milliseconds = 3_600_000
const lookEvery: Milliseconds = 15_000
/** Who asks first waits no longer than that for what is written. */
const longestWait: Milliseconds = 2_000
/** Between two looks at what is watched, however many watch. */
const tickEvery: Milliseconds = 5_000
/** Times that move by less are no news. */
const finest: Milliseconds = 30_000

/** One workspace that is watched by somebody. */
interface Topic {
  readonly ref: WorkspaceRef
  readonly listeners: Set<() => void>
  told: string
}

export class ActivityBoard {
  readonly #parts: ActivityBoardParts
  readonly #topics = new Map<string, Topic>()
  #book: ActivityBook | undefined
  #questions: Latest | undefined
  #wantedUntil: Timestamp = Number.NEGATIVE_INFINITY
  #tick: Disposable | undefined

  constructor(parts: ActivityBoardParts) {
    this.#parts = parts
  }

  /** Follows what is written while it is wanted, until the signal. */
  async run(signal: AbortSignal): Promise<void> {
    const questions = latest(signal)
    this.#questions = questions
    // Who may look may have changed with it, which is news to each of them.
    using _ = this.#parts.directory.subscribe(({ ref }) => this.#look(this.#topics.get(refKey(ref)), true))
    for await (const _question of questions) if (this.#book) await this.#follow(this.#book, signal)
    this.#tick?.[Symbol.dispose]()
  }

  /** Of now. */
  reading(entry: WorkspaceEntry): Reading {
    const { rules } = this.#parts
    this.#ask()
    const book = this.#bookOfNow()
    return readingOf(knownOf(this.#parts, book, entry), rules.of(entry.workspace), this.#decided(book, entry))
  }

  /** Where nothing asks that it stops, nothing is followed for it. */
  endingOf(entry: WorkspaceEntry): Ending | undefined {
    return this.#parts.rules.of(entry.workspace).kind === 'on' ? this.reading(entry).end : undefined
  }

  /** As {@link reading}; who is the first to ask for a while waits for what is written, but not for long. */
  async ask(entry: WorkspaceEntry): Promise<Reading> {
    await this.#bookFor(wantedFor)
    return this.reading(entry)
  }

  /** What all have written, followed for an hour from now. Waits as {@link ask} does. */
  followed(): Promise<ActivityBook | undefined> {
    return this.#bookFor(wantedLong)
  }

  async #bookFor(span: Milliseconds): Promise<ActivityBook | undefined> {
    this.#ask(span)
    const waiting = new AbortController()
    const isLongEnough = sleep(this.#parts.clock, longestWait, waiting.signal).catch(() => undefined)
    await Promise.race([this.#bookOfNow()?.listed, isLongEnough])
    waiting.abort()
    return this.#bookOfNow()
  }

  /** After every change that is news: one look for all who listen. */
  subscribe(ref: WorkspaceRef, listener: () => void): Disposable {
    const key = refKey(ref)
    const topic = this.#topics.get(key) ?? { ref, listeners: new Set(), told: this.#newsOf(ref) }
    this.#topics.set(key, topic)
    topic.listeners.add(listener)
    this.#tickOn()
    return {
      [Symbol.dispose]: () => {
        topic.listeners.delete(listener)
        if (topic.listeners.size === 0 && this.#topics.get(key) === topic) this.#topics.delete(key)
      },
    }
  }

  #bookOfNow(): ActivityBook | undefined {
    return this.#parts.stops.book ?? this.#book
  }

  #ask(span = wantedFor): void {
    const { clock, stops } = this.#parts
    this.#wantedUntil = Math.max(this.#wantedUntil, clock.now() + span)
    if (stops.book || this.#book || !this.#questions) return
    this.#book = new ActivityBook(this.#parts)
    this.#questions.signal()
  }

  #isWanted(): boolean {
    const { clock, stops } = this.#parts
    return !stops.book && clock.now() < this.#wantedUntil
  }

  /** Nothing that fails on the way ends it before nobody asks any more: who asks on would begin it again and again. */
  async #follow(book: ActivityBook, signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#parts
    const ending = new AbortController()
    const failed = (error: unknown) =>
      log.debug({ component: 'idle', reason: messageOf(error) }, 'activity can not be read now')
    const following = book.follow(AbortSignal.any([signal, ending.signal])).catch(failed)
    while (!signal.aborted && this.#isWanted()) {
      await sleep(clock, lookEvery, signal).catch(() => undefined)
      if (book.heardSince === undefined && !signal.aborted) await book.catchUp(signal).catch(failed)
    }
    this.#book = undefined
    ending.abort()
    await following
  }

  /** By whoever decides, here or elsewhere. */
  #decided(book: ActivityBook | undefined, entry: WorkspaceEntry): Standing | undefined {
    const { stops } = this.#parts
    const decision = stops.book && stops.whyNotIdle(entry.ref)
    if (decision) return standingBy(decision)
    const verdict = entry.instance && book?.of(entry.uid, entry.instance.instanceUid)?.verdict
    return verdict && standingByVerdict(verdict)
  }

  #tickOn(): void {
    if (this.#tick || this.#topics.size === 0) return
    this.#tick = this.#parts.clock.after(tickEvery, () => {
      this.#tick = undefined
      for (const topic of this.#topics.values()) this.#look(topic)
      this.#tickOn()
    })
  }

  /** Once for all who watch it. */
  #look(topic: Topic | undefined, isNews = false): void {
    if (!topic) return
    const now = this.#newsOf(topic.ref)
    if (now === topic.told && !isNews) return
    topic.told = now
    for (const listener of topic.listeners) listener()
  }

  #newsOf(ref: WorkspaceRef): string {
    const entry = this.#parts.directory.get(ref)
    return entry ? newsIn(this.reading(entry), entry) : 'gone'
  }
}

/** Equal texts are no news to anybody. */
function newsIn({ rule, standing, clocks, stopsAt, end }: Reading, { state }: WorkspaceEntry): string {
  const roughly = (at: Timestamp | undefined) => (at === undefined ? undefined : Math.floor(at / finest))
  const seen = Object.values(clocks).map(({ at, source, user }) => [roughly(at), source, user])
  return JSON.stringify([
    ...[rule, state.phase, state.reason, state.message, standing.kind, standing.reason, roughly(standing.idleAt)],
    ...[seen, clocks.kept?.at, roughly(stopsAt), end?.isNear, end?.because],
  ])
}
