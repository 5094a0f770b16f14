/**
 * Where lines go: a file descriptor or a file, written in the background. A full disk or a reader that has stopped reading costs lines,
 * which are counted, never a request.
 */
import { close, mkdirSync, openSync, write } from 'node:fs'
import { dirname } from 'node:path'
import type { Clock, Milliseconds } from '#lib/clock.ts'
import type { LineSink } from './log.ts'

/** UTF-16 units of lines that wait for a slow reader; what comes on top is dropped. */
const longestBacklog = 8 * 1024 * 1024
const retryAfter: Milliseconds = 50
/** How long the last lines may take when the process ends. */
const longestGoodbye: Milliseconds = 1000

export interface LineOutput extends LineSink, AsyncDisposable {
  /** Lines lost so far. */
  readonly lost: number
}

/**
 * `to`: an open file descriptor (1 for standard output) or the path of a file to append to, made readable for its owner alone.
 * Disposing writes what is still waiting, for at most a second. Throws what opening the file throws.
 */
export function openOutput(to: number | string, clock: Clock): LineOutput {
  return new BackgroundWriter(typeof to === 'number' ? to : openFile(to), typeof to === 'string', clock)
}

function openFile(path: string): number {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  return openSync(path, 'a', 0o600)
}

class BackgroundWriter implements LineOutput {
  readonly #descriptor: number
  readonly #ownsDescriptor: boolean
  readonly #clock: Clock
  #waiting: string[] = []
  #waitingLength = 0
  #isWriting = false
  #isClosed = false
  /** Nothing is tried again: the descriptor may soon be somebody else's. */
  #isOver = false
  #lost = 0
  #whenIdle: (() => void) | undefined

  constructor(descriptor: number, ownsDescriptor: boolean, clock: Clock) {
    this.#descriptor = descriptor
    this.#ownsDescriptor = ownsDescriptor
    this.#clock = clock
  }

  get lost(): number {
    return this.#lost
  }

  write(line: string): void {
    if (this.#isClosed || this.#waitingLength + line.length > longestBacklog) {
      this.#lost += 1
      return
    }
    this.#waiting.push(line)
    this.#waitingLength += line.length
    if (!this.#isWriting) this.#next()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    if (this.#isWriting) await this.#idle()
    this.#isOver = true
    // A write that hangs still holds the descriptor; the end of the process frees both.
    if (this.#ownsDescriptor && !this.#isWriting) close(this.#descriptor, () => undefined)
  }

  #idle(): Promise<void> {
    return new Promise((resolve) => {
      const limit = this.#clock.after(longestGoodbye, resolve)
      this.#whenIdle = () => {
        limit[Symbol.dispose]()
        resolve()
      }
    })
  }

  /** Takes all that waits as one chunk, so that a burst of lines is one system call. */
  #next(): void {
    if (this.#waiting.length === 0) {
      this.#isWriting = false
      this.#whenIdle?.()
      return
    }
    this.#isWriting = true
    const lines = this.#waiting.length
    const chunk = Buffer.from(this.#waiting.join(''))
    this.#waiting = []
    this.#waitingLength = 0
    this.#push(chunk, lines)
  }

  #push(chunk: Buffer, lines: number): void {
    write(this.#descriptor, chunk, (error, written) => {
      if (error?.code === 'EAGAIN' && !this.#isOver) {
        this.#clock.after(retryAfter, () => (this.#isOver ? undefined : this.#push(chunk, lines)))
        return
      }
      if (error) this.#lost += lines
      else if (written < chunk.length) return this.#push(chunk.subarray(written), lines)
      this.#next()
    })
  }
}
