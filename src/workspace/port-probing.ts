/** Probing of one port until it is ready. One counted try each period, as documented, and quick ones in between while it is new. */
import { type Clock, type Milliseconds, sleep, type Timestamp } from '#lib/clock.ts'
import type { Endpoint } from '#runtime/contract.ts'
import { ask, type Dial, type Question } from './probe.ts'

export interface ProbeSettings {
  /** From the start of one counted try to the next; 2 s. */
  readonly period: Milliseconds
  /** How long one try may take; 5 s. */
  readonly timeout: Milliseconds
  /** Counted tries in a row that must fail before the port is degraded; 30. */
  readonly failures: number
}

export type PortStatus =
  /** Not tried yet, or a port that is only tried when it is asked for. */
  | { readonly kind: 'unknown' }
  | { readonly kind: 'waiting'; readonly failures: number; readonly lastError: string }
  | { readonly kind: 'ready'; readonly since: Timestamp }
  /** Still tried: an app that comes late is ready then. */
  | { readonly kind: 'degraded'; readonly reason: 'AccessProbeThresholdExceeded'; readonly lastError: string }

export interface PortProbingOptions {
  readonly question: Question
  readonly endpoint: Endpoint
  readonly dial: Dial
  readonly settings: ProbeSettings
  readonly clock: Clock
  readonly signal: AbortSignal
  /** The status is another one, or has another error. */
  readonly onChange: () => void
}

/** Quick tries find a small app at once; they cost nothing and count for nothing. */
const firstPause: Milliseconds = 100
const longestPause: Milliseconds = 500
const quickFor: Milliseconds = 10_000

export class PortProbing {
  readonly #options: PortProbingOptions
  #status: PortStatus = { kind: 'unknown' }
  #isRunning = false

  constructor(options: PortProbingOptions) {
    this.#options = options
  }

  get status(): PortStatus {
    return this.#status
  }

  /**
   * Tries until it answers. What is known stays in force until a try says otherwise, so that one lost connection is no outage; unless somebody has
   * found that nobody listens (`shutBy`), which is a try as good as any.
   */
  begin(shutBy?: string): void {
    if (this.#isRunning) return
    this.#isRunning = true
    if (shutBy !== undefined) this.#become(this.#failing(0, shutBy))
    void this.#run()
  }

  async #run(): Promise<void> {
    const { clock, settings, signal } = this.#options
    const pace = new Pace(clock, settings)
    let failures = 0
    while (!signal.aborted) {
      const { isCounted, limit } = pace.begin()
      const lastError = await this.#try(limit)
      if (signal.aborted) break
      if (lastError === undefined) {
        this.#isRunning = false
        return this.#become({ kind: 'ready', since: clock.now() })
      }
      if (isCounted) failures += 1
      this.#become(this.#failing(failures, lastError))
      await sleep(clock, pace.pause(), signal).catch(() => undefined)
    }
    this.#isRunning = false
  }

  #failing(failures: number, lastError: string): PortStatus {
    return failures >= this.#options.settings.failures
      ? { kind: 'degraded', reason: 'AccessProbeThresholdExceeded', lastError }
      : { kind: 'waiting', failures, lastError }
  }

  async #try(limit: Milliseconds): Promise<string | undefined> {
    const { clock, dial, endpoint, question, signal } = this.#options
    // As `deadlineOf`, but without a signal made of two: thousands of these begin at once.
    const over = new AbortController()
    let isLate = false
    const end = () => over.abort()
    const timer = clock.after(limit, () => {
      isLate = true
      end()
    })
    signal.addEventListener('abort', end, { once: true })
    try {
      const error = await ask(question, endpoint, dial, over.signal)
      return error !== undefined && isLate ? `it did not answer within ${limit / 1000} s` : error
    } finally {
      signal.removeEventListener('abort', end)
      timer[Symbol.dispose]()
    }
  }

  #become(status: PortStatus): void {
    const before = this.#status
    this.#status = status
    if (before.kind !== status.kind || errorOf(before) !== errorOf(status)) this.#options.onChange()
  }
}

/** When to try, and which tries count. */
class Pace {
  readonly #clock: Clock
  readonly #settings: ProbeSettings
  readonly #begun: Timestamp
  #nextCounted: Timestamp
  #nextPause = firstPause

  constructor(clock: Clock, settings: ProbeSettings) {
    this.#clock = clock
    this.#settings = settings
    this.#begun = clock.now()
    this.#nextCounted = this.#begun
  }

  begin(): { isCounted: boolean; limit: Milliseconds } {
    const { period, timeout } = this.#settings
    const at = this.#clock.now()
    // A quick try that hangs must not delay a counted one.
    if (at < this.#nextCounted) return { isCounted: false, limit: Math.min(timeout, this.#nextCounted - at) }
    this.#nextCounted = at + period
    return { isCounted: true, limit: timeout }
  }

  pause(): Milliseconds {
    const now = this.#clock.now()
    const rest = Math.max(this.#nextCounted - now, 0)
    if (now - this.#begun >= quickFor) return rest
    const pause = Math.min(rest, this.#nextPause)
    this.#nextPause = Math.min(this.#nextPause * 2, longestPause)
    return pause
  }
}

function errorOf(status: PortStatus): string {
  return 'lastError' in status ? status.lastError : ''
}
