/**
 * The last changes, in order, for those who watch. Every resourceVersion is exactly one change, so a reader needs no queue of its own:
 * it holds the version it has read up to. A reader that falls behind by more than the log keeps is told so and never loses a change silently.
 *
 * Kept in memory only: whoever watches lives in this process and lists again after a restart.
 */

import { GatewayError } from '#errors.ts'
import type { Clock, Milliseconds } from '#lib/clock.ts'
import type { StoredObject } from './stored-object.ts'

export interface Change {
  readonly type: 'added' | 'modified' | 'deleted'
  /** After the change; its `version` is the version of the change. */
  readonly object: StoredObject
}

export class EventLog {
  readonly #capacity: number
  /** A ring: the change of version `v` is at `v % capacity`. */
  readonly #ring: Change[] = []
  readonly #waiting = new Set<() => void>()
  /** The last version that is not in the log. */
  #floor: number
  #latest: number

  constructor(latest: number, capacity: number) {
    this.#floor = latest
    this.#latest = latest
    this.#capacity = capacity
  }

  /** For after the commit; `change` has the version after the last one. */
  append(changes: readonly Change[]): void {
    for (const change of changes) {
      this.#latest = change.object.version
      this.#ring[this.#latest % this.#capacity] = change
    }
    this.#floor = Math.max(this.#floor, this.#latest - this.#capacity)
    if (changes.length > 0) for (const resume of [...this.#waiting]) resume()
  }

  /**
   * The change after `version`, `undefined` when there is none yet.
   * Throws `expired_version` when it is not kept any more, or `version` was never given.
   */
  after(version: number): Change | undefined {
    if (version < this.#floor || version > this.#latest) {
      throw new GatewayError('expired_version', `version ${version} is not within ${this.#floor} and ${this.#latest}`)
    }
    return version === this.#latest ? undefined : this.#ring[(version + 1) % this.#capacity]
  }

  /** `true` once nothing has changed for `longest`; `false` at the next change, or when the signal is aborted. Never rejects. */
  isQuiet(clock: Clock, longest: Milliseconds, signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve(false)
      const finish = (isQuiet: boolean) => {
        this.#waiting.delete(resume)
        signal.removeEventListener('abort', resume)
        timer[Symbol.dispose]()
        resolve(isQuiet)
      }
      const resume = () => finish(false)
      const timer = clock.after(longest, () => finish(true))
      this.#waiting.add(resume)
      signal.addEventListener('abort', resume, { once: true })
    })
  }
}
