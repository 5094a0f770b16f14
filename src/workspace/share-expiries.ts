/** Tells of every share when it ends, at that very instant: what was derived from it has to be derived again, without anybody asking. */
import type { Clock, Timestamp } from '#lib/clock.ts'
import { expiryOf } from './access.ts'
import type { WorkspaceShare } from './share.ts'

interface Pending {
  readonly until: Timestamp
  readonly timer: Disposable
}

export class ShareExpiries {
  readonly #clock: Clock
  readonly #onExpiry: (key: string) => void
  readonly #pending = new Map<string, Pending>()

  constructor(clock: Clock, onExpiry: (key: string) => void) {
    this.#clock = clock
    this.#onExpiry = onExpiry
  }

  /** These are all shares there are now. One that is edited, or made again under its name, may end at another time than before. */
  follow(shares: ReadonlyMap<string, WorkspaceShare>): void {
    for (const [key, { until, timer }] of this.#pending) {
      const share = shares.get(key)
      if (share && expiryOf(share) === until) continue
      timer[Symbol.dispose]()
      this.#pending.delete(key)
    }
    for (const [key, share] of shares) {
      const until = expiryOf(share)
      const isAhead = until !== undefined && until > this.#clock.now()
      if (isAhead && !this.#pending.has(key)) this.#await(key, until)
    }
  }

  #await(key: string, until: Timestamp): void {
    const timer = this.#clock.after(until - this.#clock.now(), () => {
      this.#pending.delete(key)
      // Timers follow another clock than the time of day, and may be early by it: told too soon, nobody would find anything ended.
      if (this.#clock.now() < until) this.#await(key, until)
      else this.#onExpiry(key)
    })
    this.#pending.set(key, { until, timer })
  }
}
