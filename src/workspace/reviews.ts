/**
 * What Kubernetes RBAC said lately, so that a request waits for it only the first time. An allow is fresh for 25 s and asked for again ahead
 * of that while it is in use; a *no* is final at once, and kept for 2 s so that it can't be asked for at will. While nobody can be asked an
 * earlier allow stands for 5 minutes, and nothing new is allowed.
 *
 * A question is put only about somebody who has a grant, and by that about a workspace that exists: callers find the grant first.
 */
import { LRUCache } from 'lru-cache'
import { hasCode, messageOf } from '#errors.ts'
import { type Clock, type Milliseconds, OnwardDate, type Timestamp } from '#lib/clock.ts'
import { deadlineOf } from '#lib/deadline.ts'
import { singleFlight } from '#lib/single-flight.ts'
import type { Log } from '#observe/log.ts'
import type { Reviewer, ReviewQuestion, Verdict } from '#resources/reviewer.ts'
import { keyOf } from './review-key.ts'

/** What can be said without waiting. */
export type Standing =
  /** Until then without looking again. */
  | { readonly kind: 'allowed'; readonly until: Timestamp }
  | { readonly kind: 'denied' }
  /** Nobody can be asked, and no earlier allow stands: neither a yes nor a no would be true. */
  | { readonly kind: 'unavailable' }
  /** Only {@link Reviews.decide} can tell. */
  | { readonly kind: 'unasked' }

export type Decision = Verdict | 'unavailable'

export interface ReviewsOptions {
  readonly reviewer: Reviewer
  readonly clock: Clock
  readonly log: Log
  /** How long an earlier allow stands while nobody can be asked. */
  readonly staleWhileUnreachable?: Milliseconds
  /** At most so many answers are kept. */
  readonly most?: number
  /** Ends everything that is asked. */
  readonly signal: AbortSignal
}

/** One answer, and how asking has gone since. */
interface Kept {
  readonly verdict: Verdict | undefined
  /** What is allowed is as old as its question; what changed in between may be missing from the answer. */
  readonly askedAt: Timestamp
  readonly answeredAt: Timestamp
  /** Nobody could be asked since; tried again from then on. 0 after an answer. */
  readonly retryAt: Timestamp
}

const freshFor: Milliseconds = 25_000
const refreshAfter: Milliseconds = 15_000
const deniedFor: Milliseconds = 2_000
/** An answer that a change of the namespace's workspaces or shares has overtaken; changes by the hundred ask no more often. */
const overtakenFor: Milliseconds = 1_000
const answerWithin: Milliseconds = 5_000
const retryAfter: Milliseconds = 2_000
/** Without an answer since, this long after the last failure nobody is assumed to answer. */
const downFor: Milliseconds = 10_000
const fiveMinutes: Milliseconds = 5 * 60_000
/** By less than that the date is not put back. */
const leastMove: Milliseconds = 1_000

const nothing: Kept = { verdict: undefined, askedAt: 0, answeredAt: 0, retryAt: 0 }

export class Reviews {
  readonly #options: ReviewsOptions
  /** By which everything here is measured: what is told until when it holds is told by the clock's. */
  readonly #date: OnwardDate
  readonly #kept: LRUCache<string, Kept>
  readonly #changedAt = new LRUCache<string, Timestamp>({ max: 10_000 })
  readonly #flight = singleFlight<string, Decision>()
  readonly #listeners = new Set<(question: ReviewQuestion) => void>()
  #generation = 0
  /** So far the date had been put back when {@link generation} was asked for last. */
  #behind: Milliseconds = 0
  /** The last time that nobody could be asked; `undefined` once somebody answered. */
  #failedAt: Timestamp | undefined

  constructor(options: ReviewsOptions) {
    this.#options = options
    this.#date = new OnwardDate(options.clock)
    this.#kept = new LRUCache({ max: options.most ?? 50_000 })
  }

  get isPerWorkspace(): boolean {
    return this.#options.reviewer.isPerWorkspace === true
  }

  /** Grows whenever an allow that somebody may have relied on was taken back, and when the date was put back until which he may rely on it. */
  get generation(): number {
    const { behind } = this.#date
    if (behind >= this.#behind && behind < this.#behind + leastMove) return this.#generation
    if (behind > this.#behind) this.#generation++
    this.#behind = behind
    return this.#generation
  }

  /** Hears of every allow that was taken back. */
  subscribe(listener: (question: ReviewQuestion) => void): Disposable {
    this.#listeners.add(listener)
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) }
  }

  /** The answer as far as it is known; to ask counts as a use, ahead of which it is kept fresh. */
  standing(question: ReviewQuestion): Standing {
    const standing = this.#standing(question)
    return standing.kind === 'allowed' ? { ...standing, until: standing.until - this.#date.behind } : standing
  }

  #standing(question: ReviewQuestion): Standing {
    const key = keyOf(question)
    const kept = this.#kept.get(key) ?? nothing
    const now = this.#date.now()
    if (kept.verdict === 'allowed') return this.#standingAllow(question, key, kept, now)
    if (kept.verdict === 'denied' && now < kept.answeredAt + deniedFor) return { kind: 'denied' }
    return now < kept.retryAt ? { kind: 'unavailable' } : { kind: 'unasked' }
  }

  /** Waits for the answer where there is none yet. Never rejects. */
  async decide(question: ReviewQuestion): Promise<Decision> {
    const { kind } = this.standing(question)
    if (kind !== 'unasked') return kind
    const answer = await this.#ask(question, keyOf(question))
    if (answer !== 'unavailable') return answer
    return this.standing(question).kind === 'allowed' ? 'allowed' : 'unavailable'
  }

  /** Asks whatever is known, and remembers nothing: for questions about others than who asks. Never rejects. */
  decideAfresh(question: ReviewQuestion): Promise<Decision> {
    return this.#flight(`afresh ${keyOf(question)}`, () => this.#review(question))
  }

  /** A workspace or a share of this namespace has changed: what was asked before is asked again on its next use. */
  changed(namespace: string): void {
    this.#changedAt.set(namespace, this.#date.now())
  }

  #standingAllow(question: ReviewQuestion, key: string, kept: Kept, now: Timestamp): Standing {
    const freshUntil = this.#freshUntil(question, kept)
    const refreshAt = Math.min(kept.askedAt + refreshAfter, freshUntil)
    if (now < refreshAt) return { kind: 'allowed', until: refreshAt }
    const staleUntil = Math.max(freshUntil, kept.askedAt + (this.#options.staleWhileUnreachable ?? fiveMinutes))
    if (now < kept.retryAt) {
      return now < staleUntil ? { kind: 'allowed', until: Math.min(kept.retryAt, staleUntil) } : { kind: 'unavailable' }
    }
    const standsUntil = this.#isDown(now) ? staleUntil : freshUntil
    if (now >= standsUntil) return { kind: 'unasked' }
    this.#askAhead(question, key)
    return { kind: 'allowed', until: Math.min(standsUntil, Math.max(freshUntil, now + retryAfter)) }
  }

  /** Found out just now: whoever has an earlier allow need not wait until it is found out once more. */
  #isDown(now: Timestamp): boolean {
    return this.#failedAt !== undefined && now < this.#failedAt + downFor
  }

  #freshUntil(question: ReviewQuestion, kept: Kept): Timestamp {
    const changedAt = this.#changedAt.get(question.namespace) ?? 0
    const fresh = kept.askedAt + freshFor
    return changedAt < kept.askedAt ? fresh : Math.min(fresh, Math.max(changedAt, kept.answeredAt + overtakenFor))
  }

  #askAhead(question: ReviewQuestion, key: string): void {
    const asking = this.#ask(question, key)
    asking.catch((error: unknown) => this.#options.log.error({ error }, 'an access review could not be noted'))
  }

  #ask(question: ReviewQuestion, key: string): Promise<Decision> {
    return this.#flight(key, async () => {
      const askedAt = this.#date.now()
      const answer = await this.#review(question)
      const now = this.#date.now()
      const before = this.#kept.peek(key) ?? nothing
      if (answer === 'unavailable') {
        this.#kept.set(key, { ...before, retryAt: now + retryAfter })
        return answer
      }
      this.#kept.set(key, { verdict: answer, askedAt, answeredAt: now, retryAt: 0 })
      if (before.verdict === 'allowed' && answer === 'denied') this.#takeBack(question)
      return answer
    })
  }

  /** Everybody hears of it, whatever becomes of one of them: a listener ends streams. */
  #takeBack(question: ReviewQuestion): void {
    this.#generation++
    for (const listener of this.#listeners) {
      try {
        listener(question)
      } catch (error) {
        this.#options.log.error({ component: 'reviews', error }, 'a denial could not be carried out')
      }
    }
  }

  async #review(question: ReviewQuestion): Promise<Decision> {
    const { reviewer, clock, log, signal } = this.#options
    using deadline = deadlineOf(clock, answerWithin, signal)
    const { signal: ending } = deadline
    try {
      const verdict = await untilEnded(reviewer.review(question, ending), ending)
      if (this.#failedAt !== undefined) log.info({ component: 'reviews' }, 'access reviews are answered again')
      this.#failedAt = undefined
      return verdict
    } catch (error) {
      if (!ending.aborted && !hasCode(error, 'store_unavailable')) {
        log.error({ component: 'reviews', error }, 'an access review failed, which counts as a denial')
        return 'denied'
      }
      if (this.#failedAt === undefined && !signal.aborted)
        log.warn({ component: 'reviews', reason: messageOf(error) }, 'access reviews are not answered')
      this.#failedAt = this.#date.now()
      return 'unavailable'
    }
  }
}

/** The signal counts even for work that does not listen to it. */
async function untilEnded<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: ended, reject } = Promise.withResolvers<never>()
  const end = () => reject(signal.reason)
  signal.addEventListener('abort', end, { once: true })
  if (signal.aborted) end()
  try {
    return await Promise.race([work, ended])
  } finally {
    signal.removeEventListener('abort', end)
  }
}
