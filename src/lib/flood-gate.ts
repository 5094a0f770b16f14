/**
 * What is said of things that anybody can cause, as often as he likes: the first few of each kind, then how many more there were.
 * The first window lasts a second; for as long as it goes on, each one lasts twice as long as the one before.
 */
import type { Clock, Milliseconds, Timestamp } from './clock.ts'

export interface FloodGateOptions {
  readonly clock: Clock
  /** Of one kind in one window; 10. */
  readonly most?: number
  /** At the end of a window in which some were left out: how many. */
  readonly tell: (kind: string, leftOut: number) => void
}

const firstWindow: Milliseconds = 1_000
const longestWindow: Milliseconds = 60_000
/** Kinds come from closed lists; should one grow, the rest share a window. */
const mostKinds = 256
const others = 'others'

interface Window {
  readonly length: Milliseconds
  readonly ends: Timestamp
  admitted: number
  leftOut: number
  timer: Disposable | undefined
}

/** Disposing tells at once what is still to be told; from then on nothing is admitted. */
export class FloodGate implements Disposable {
  readonly #clock: Clock
  readonly #most: number
  readonly #tell: FloodGateOptions['tell']
  readonly #windows = new Map<string, Window>()
  #isClosed = false

  constructor({ clock, most = 10, tell }: FloodGateOptions) {
    this.#clock = clock
    this.#most = most
    this.#tell = tell
  }

  /** Is it to be said? */
  admits(kind: string): boolean {
    if (this.#isClosed) return false
    const key = this.#windows.has(kind) || this.#windows.size < mostKinds ? kind : others
    const window = this.#windowOf(key)
    if (window.admitted < this.#most) {
      window.admitted += 1
      return true
    }
    window.leftOut += 1
    window.timer ??= this.#clock.after(window.ends - this.#clock.now(), () => this.#close(key, window))
    return false
  }

  [Symbol.dispose](): void {
    this.#isClosed = true
    for (const [kind, { timer, leftOut }] of this.#windows) {
      timer?.[Symbol.dispose]()
      if (leftOut > 0) this.#tell(kind, leftOut)
    }
    this.#windows.clear()
  }

  #windowOf(kind: string): Window {
    const known = this.#windows.get(kind)
    // One that has left something out goes on until its timer, which may be late.
    if (known && (known.leftOut > 0 || this.#clock.now() < known.ends)) return known
    return this.#begin(kind, firstWindow)
  }

  #begin(kind: string, length: Milliseconds): Window {
    const ends = this.#clock.now() + length
    const window: Window = { length, ends, admitted: 0, leftOut: 0, timer: undefined }
    this.#windows.set(kind, window)
    return window
  }

  #close(kind: string, { length, leftOut }: Window): void {
    this.#begin(kind, Math.min(2 * length, longestWindow))
    this.#tell(kind, leftOut)
  }
}
