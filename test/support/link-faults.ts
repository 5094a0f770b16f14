/** What a real network does to bytes on their way, in one direction: each of it alone or together, and changed at any time. */
import type { Socket } from 'node:net'
import { reset } from '#http/reset.ts'

export interface LinkFaults {
  /** Milliseconds that each piece is under way. */
  readonly latency?: number
  /** A second. */
  readonly bandwidth?: number
  /** Bytes that go over at once; each in a turn of its own. */
  readonly piece?: number
  /** After so many bytes of a connection both of its ends are reset. */
  readonly resetAfter?: number
  /** After so many bytes of a connection both of its ends are closed, as if all had been said. */
  readonly endAfter?: number
  /** After so many bytes of a connection nothing comes over any more, and nothing more is taken; nobody is told, not even of its end. */
  readonly silentAfter?: number
}

/** Carries what `from` says to `to`, in order, and its end behind it. */
export function carry(from: Socket, to: Socket, faults: () => LinkFaults): void {
  new Way(from, to, faults)
}

class Way {
  readonly #from: Socket
  readonly #to: Socket
  readonly #faults: () => LinkFaults
  #carried = 0
  /** What is under way, and what is to follow it. */
  #last = Promise.resolve()
  /** Nothing comes over any more. */
  #isOver = false
  #isBroken = false

  constructor(from: Socket, to: Socket, faults: () => LinkFaults) {
    this.#from = from
    this.#to = to
    this.#faults = faults
    from.on('data', (bytes: Buffer) => {
      from.pause()
      this.#then(() => this.#take(bytes))
    })
    from.on('error', () => {
      this.#isBroken = true
    })
    from.once('end', () => this.#then(() => this.#unlessOver(() => to.end())))
    from.once('close', () => {
      if (this.#isBroken) this.#unlessOver(() => reset(to))
      else this.#then(() => this.#unlessOver(() => to.destroySoon()))
    })
  }

  #then(act: () => Promise<void> | void): void {
    this.#last = this.#last.then(act).catch(() => void this.#to.destroy())
  }

  #unlessOver(act: () => void): void {
    if (!this.#isOver) act()
  }

  async #take(bytes: Buffer): Promise<void> {
    const { latency, piece = bytes.length } = this.#faults()
    if (latency !== undefined) await pause(latency)
    for (let at = 0; at < bytes.length && !this.#isOver; at += piece) {
      await this.#send(bytes.subarray(at, at + piece))
      if (piece < bytes.length) await new Promise<void>((resolve) => setImmediate(resolve))
    }
    this.#unlessOver(() => this.#from.resume())
  }

  async #send(bytes: Buffer): Promise<void> {
    const { bandwidth, ...limits } = this.#faults()
    const limit = leastOf(limits.silentAfter, limits.resetAfter, limits.endAfter)
    const part = bytes.subarray(0, Math.max(0, limit - this.#carried))
    this.#carried += part.length
    if (bandwidth !== undefined) await pause((part.length * 1_000) / bandwidth)
    if (part.length > 0 && !this.#to.destroyed && !this.#to.write(part)) await drained(this.#to)
    if (this.#carried >= limit) this.#stop(limits, limit)
  }

  #stop({ resetAfter, endAfter }: LinkFaults, limit: number): void {
    this.#isOver = true
    const ends = [this.#from, this.#to]
    if (limit === resetAfter) ends.forEach(reset)
    else if (limit === endAfter) for (const end of ends) end.end()
  }
}

function leastOf(...limits: readonly (number | undefined)[]): number {
  return Math.min(...limits.map((limit) => limit ?? Number.POSITIVE_INFINITY))
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}

/** Or closed, which is noticed by the next write. */
function drained(to: Socket): Promise<void> {
  return new Promise((resolve) => {
    to.once('drain', resolve)
    to.once('close', resolve)
  })
}
