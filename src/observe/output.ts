/**
 * Where lines go: a file descriptor or a file that is kept short, written in the background. A full disk or a reader that has stopped reading
 * costs lines, which are counted, never a request.
 */
import { closeSync, mkdirSync, openSync, write } from 'node:fs'
import { dirname } from 'node:path'
import type { Clock, Milliseconds } from '#lib/clock.ts'
import { RotatingFile, type RotatingFileOptions } from '#lib/rotating-file.ts'
import type { LineSink } from './log.ts'

/** UTF-16 units of lines that wait for a slow reader; what comes on top is dropped. */
const longestBacklog = 8 * 1024 * 1024
/** Bytes of lines that are written at once: a file is full up to that much when the next one begins. */
const longestChunk = 256 * 1024
const retryAfter: Milliseconds = 50
/** How long the last lines may take when the process ends. */
const longestGoodbye: Milliseconds = 1000

export interface LineOutput extends LineSink, AsyncDisposable {
  /** Lines lost so far. */
  readonly lost: number
}

/**
 * `to`: an open file descriptor (1 for standard output), or a file to append to, made readable for its owner alone; a line is whole in one
 * file. Disposing writes what is still waiting, for at most a second. Throws what opening the file throws.
 */
export function openOutput(to: number | RotatingFileOptions, clock: Clock): LineOutput {
  return new BackgroundWriter(typeof to === 'number' ? new Descriptor(to, clock) : openFile(to), clock)
}

interface Target {
  /** Bytes that it takes at once; a line that is longer is taken alone. */
  readonly longestChunk: number
  /** One at a time. */
  write(chunk: Buffer): Promise<void>
  /** Nothing is tried again from here on. */
  close(isWriting: boolean): Promise<void>
}

function openFile(options: RotatingFileOptions): Target {
  const { path } = options
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  // What can't be written to is to be known at the start.
  closeSync(openSync(path, 'a', 0o600))
  const file = new RotatingFile(options)
  return {
    longestChunk: Math.min(longestChunk, options.limit),
    write: (chunk) => file.appendWhole(chunk),
    // A write that hangs still holds the file; the end of the process frees both.
    close: async (isWriting) => (isWriting ? undefined : file[Symbol.asyncDispose]()),
  }
}

/** Somebody else's to open and to close. */
class Descriptor implements Target {
  readonly longestChunk = longestChunk
  readonly #descriptor: number
  readonly #clock: Clock
  /** It may soon be another file's. */
  #isClosed = false

  constructor(descriptor: number, clock: Clock) {
    this.#descriptor = descriptor
    this.#clock = clock
  }

  async write(chunk: Buffer): Promise<void> {
    for (let rest = chunk; rest.length > 0; ) {
      const written = await this.#push(rest)
      rest = rest.subarray(written)
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
  }

  #push(chunk: Buffer): Promise<number> {
    return new Promise((resolve, reject) => {
      const attempt = () => {
        write(this.#descriptor, chunk, (error, written) => {
          if (!error) resolve(written)
          else if (error.code !== 'EAGAIN' || this.#isClosed) reject(error)
          else this.#clock.after(retryAfter, () => (this.#isClosed ? reject(error) : attempt()))
        })
      }
      attempt()
    })
  }
}

class BackgroundWriter implements LineOutput {
  readonly #target: Target
  readonly #clock: Clock
  #waiting: string[] = []
  #waitingLength = 0
  #isWriting = false
  #isClosed = false
  #isOver = false
  #lost = 0
  #whenIdle: (() => void) | undefined

  constructor(target: Target, clock: Clock) {
    this.#target = target
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
    await this.#target.close(this.#isWriting)
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

  #next(): void {
    if (this.#isOver) return
    if (this.#waiting.length === 0) {
      this.#isWriting = false
      this.#whenIdle?.()
      return
    }
    this.#isWriting = true
    const lines = this.#take()
    const lose = () => {
      this.#lost += lines.length
    }
    void this.#target
      .write(Buffer.from(lines.join('')))
      .catch(lose)
      .then(() => this.#next())
  }

  /** Much of what waits as one chunk, so that a burst of lines is one system call. */
  #take(): readonly string[] {
    let length = 0
    const end = this.#waiting.findIndex((line) => {
      length += Buffer.byteLength(line)
      return length > this.#target.longestChunk
    })
    const lines = this.#waiting.splice(0, end === -1 ? this.#waiting.length : Math.max(end, 1))
    for (const line of lines) this.#waitingLength -= line.length
    return lines
  }
}
