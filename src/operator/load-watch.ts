/**
 * Reads how busy the processors of workspaces are: of those alone that are about to be stopped, a few a second, and never on the way of a request.
 * What can't be read is said to be missing, and asked for again.
 */
import {
  type Load,
  type LoadRule,
  type LoadStory,
  loadAfter,
  loadOf,
  longestStale,
  nothingRead,
  readLoadEvery,
} from '#activity/load.ts'
import { messageOf } from '#errors.ts'
import { eachOf } from '#lib/at-once.ts'
import { type Clock, type Milliseconds, sleep, type Timestamp } from '#lib/clock.ts'
import { deadlineOf } from '#lib/deadline.ts'
import type { Instance, LoadReading, ReadLoad } from '#runtime/contract.ts'
import type { WorkspaceEntry } from '#workspace/directory.ts'

export interface LoadWatchParts {
  /** `undefined`: nobody can tell, or is to. */
  readonly readLoad: ReadLoad | undefined
  readonly rule: LoadRule
  /** It works, as far as its processors tell. */
  readonly isBusy: (entry: WorkspaceEntry) => void
  readonly clock: Clock
}

/** Of one that is looked at. */
export interface LoadQuestion {
  readonly entry: WorkspaceEntry
  readonly timeout: Milliseconds
  /** Of this run, as far as is known. */
  readonly startedAt: Timestamp | undefined
}

const lookEvery: Milliseconds = 1_000
/** Readings that are begun in one look, and those under way at a time. */
const mostInALook = 8
const mostAtOnce = 4
const answerWithin: Milliseconds = 5_000
/** What nobody can tell is not asked for again for so long. */
const pauseAfterFault: Milliseconds = 60_000
/** Whoever wants it says so once a minute at least. */
const wantedFor: Milliseconds = 90_000
/** What nobody wants any more is forgotten then: it may be wanted again soon. */
const keptFor: Milliseconds = 10 * 60_000

interface Watched {
  question: LoadQuestion
  readonly instance: Instance
  story: LoadStory
  readAt: Timestamp
  wantedAt: Timestamp
}

type Missing = Extract<LoadReading, { readonly kind: 'missing' }>

export class LoadWatch {
  readonly #parts: LoadWatchParts
  readonly #watched = new Map<string, Watched>()
  #fault: { readonly reading: Missing; readonly until: Timestamp } | undefined

  constructor(parts: LoadWatchParts) {
    this.#parts = parts
  }

  /** Reads until the signal; what was read is forgotten then. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, readLoad } = this.#parts
    while (readLoad && !signal.aborted) {
      await eachOf(this.#due(), mostAtOnce, (watched) => this.#read(watched, readLoad, signal))
      await sleep(clock, lookEvery, signal).catch(() => undefined)
    }
    this.forget()
  }

  /** It will be stopped soon, or could be: to be said as long as that holds. */
  want(question: LoadQuestion): void {
    const { uid, instance } = question.entry
    if (!instance) return
    const wantedAt = this.#parts.clock.now()
    const known = this.#watched.get(uid)
    if (known?.instance.instanceUid !== instance.instanceUid) {
      const readAt = Number.NEGATIVE_INFINITY
      this.#watched.set(uid, { question, instance, story: nothingRead, readAt, wantedAt })
    } else {
      known.question = question
      known.wantedAt = wantedAt
    }
  }

  /** The date was moved, perhaps, by which everything was put down. */
  forget(): void {
    this.#watched.clear()
    this.#fault = undefined
  }

  of({ entry, timeout }: Pick<LoadQuestion, 'entry' | 'timeout'>): Load {
    const { readLoad, clock } = this.#parts
    if (!readLoad) return { kind: 'missing', problem: 'nobody reads it here' }
    const known = this.#watched.get(entry.uid)
    const isOfNow =
      known !== undefined &&
      known.instance.instanceUid === entry.instance?.instanceUid &&
      clock.now() - known.readAt <= longestStale
    if (isOfNow) return loadOf(known.story, timeout)
    // What nobody can tell, nobody can tell of it; that another one could not be read says nothing of it.
    const fault = this.#fault?.reading
    return fault && !fault.isPassing ? { kind: 'missing', problem: fault.problem } : { kind: 'not-read' }
  }

  /** Those that were read longest ago, first. */
  #due(): readonly Watched[] {
    const now = this.#parts.clock.now()
    for (const [uid, { wantedAt }] of this.#watched) if (now - wantedAt > keptFor) this.#watched.delete(uid)
    if (this.#fault && now < this.#fault.until) return []
    return [...this.#watched.values()]
      .filter(
        ({ wantedAt, readAt, question }) =>
          now - wantedAt <= wantedFor && now - readAt >= readLoadEvery(question.timeout),
      )
      .sort((one, other) => one.readAt - other.readAt)
      .slice(0, mostInALook)
  }

  async #read(watched: Watched, readLoad: ReadLoad, signal: AbortSignal): Promise<void> {
    const { clock, rule, isBusy } = this.#parts
    const reading = await this.#ask(watched.instance, readLoad, signal)
    if (signal.aborted) return
    const now = clock.now()
    const isFault = reading.kind === 'missing' && reading.isEverywhere === true
    this.#fault = isFault ? { reading, until: now + pauseAfterFault } : undefined
    watched.readAt = now
    const { startedAt, timeout } = watched.question
    watched.story = loadAfter(watched.story, reading, rule, { now, startedAt, timeout })
    if (watched.story.kind === 'busy') isBusy(watched.question.entry)
  }

  async #ask(instance: Instance, readLoad: ReadLoad, signal: AbortSignal): Promise<LoadReading> {
    using deadline = deadlineOf(this.#parts.clock, answerWithin, signal)
    try {
      return await readLoad(instance, deadline.signal)
    } catch (error) {
      const problem = deadline.isPast() ? `there was no answer within ${answerWithin / 1000} s` : messageOf(error)
      return { kind: 'missing', problem, isEverywhere: true, isPassing: true }
    }
  }
}
