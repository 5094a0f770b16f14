/**
 * Time as a dependency, so that tests of expiry and renewal need no waiting.
 * Nothing outside this file calls `Date.now` or `setTimeout` for a decision.
 */

/** A span of time in milliseconds. */
export type Milliseconds = number
/** A point in time, in milliseconds since 1970-01-01T00:00:00Z. */
export type Timestamp = number

export interface Clock {
  now(): Timestamp
  /** Of no date, and not moved with it: tells whether the date was. Absent where nobody moves it. */
  steady?(): Milliseconds
  /** Calls `run` once after `delay`; disposing it before then cancels it. A pending one does not keep the process alive. */
  after(delay: Milliseconds, run: () => void): Disposable
}

// Timers stand still while a machine sleeps, and Node fires those beyond 24 days at once: the clock is looked at between short steps.
const longestStep: Milliseconds = 30_000

export const systemClock: Clock = {
  now: () => Date.now(),
  steady: stopwatch,
  after(delay, run) {
    let timer: NodeJS.Timeout
    const restNow = delay > longestStep ? countdown(delay) : undefined
    const arm = (rest: Milliseconds) => {
      const step = Math.min(Math.max(rest, 0), longestStep)
      timer = setTimeout(() => (restNow && rest > step ? arm(restNow()) : run()), step)
      timer.unref()
    }
    arm(delay)
    return { [Symbol.dispose]: () => clearTimeout(timer) }
  },
}

/** Runs evenly and finer than a millisecond: for how long something took, on this machine. It says no date. */
export function stopwatch(): Milliseconds {
  return performance.now()
}

/** What goes on evenly, whatever is done to the date: for spans between two moments of one process. */
export function steadyOf(clock: Pick<Clock, 'now' | 'steady'>): Milliseconds {
  return clock.steady?.() ?? clock.now()
}

/** How far the date is ahead of what is steady: where that is another than it was, the date was moved. */
export function dateOffset(clock: Pick<Clock, 'now' | 'steady'>): Milliseconds {
  return clock.now() - steadyOf(clock)
}

/**
 * A date that is never put back, for how old something is: it goes on with the clock's, and evenly where that one is put back, so that nothing is good for
 * longer than it was said to be. After a sleep, or once the date was put ahead, all is as old as the clock says.
 */
export class OnwardDate {
  readonly #clock: Pick<Clock, 'now' | 'steady'>
  #offset: Milliseconds

  constructor(clock: Pick<Clock, 'now' | 'steady'>) {
    this.#clock = clock
    this.#offset = dateOffset(clock)
  }

  now(): Timestamp {
    return this.#at(this.#clock.now())
  }

  /** So far the clock's own date is behind it. */
  get behind(): Milliseconds {
    const date = this.#clock.now()
    return this.#at(date) - date
  }

  #at(date: Timestamp): Timestamp {
    const steady = this.#clock.steady?.() ?? date
    this.#offset = Math.max(this.#offset, date - steady)
    return steady + this.#offset
  }
}

function countdown(delay: Milliseconds): () => Milliseconds {
  const date = new OnwardDate(systemClock)
  const due = date.now() + delay
  return () => due - date.now()
}

/** Calls `run` again and again, each time `span` after the last one, until it is disposed. */
export function every(clock: Clock, span: Milliseconds, run: () => void): Disposable {
  let timer = clock.after(span, again)
  function again(): void {
    timer = clock.after(span, again)
    run()
  }
  return { [Symbol.dispose]: () => timer[Symbol.dispose]() }
}

/** Resolves after `delay`; rejects with the signal's reason when it is aborted first. */
export function sleep(clock: Clock, delay: Milliseconds, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason)
    const timer = clock.after(delay, () => {
      signal.removeEventListener('abort', stop)
      resolve()
    })
    const stop = () => {
      timer[Symbol.dispose]()
      reject(signal.reason)
    }
    signal.addEventListener('abort', stop, { once: true })
  })
}
