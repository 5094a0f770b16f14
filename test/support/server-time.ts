/**
 * Lets the time of a server leap, in what it answers: the date of each answer, and of whatever was written after the leap. What was written before keeps
 * its own.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Milliseconds } from '#lib/clock.ts'

interface Leap {
  readonly at: number
  readonly ahead: Milliseconds
}

/** As the API server notes when each of its writers changed an object, in whole seconds. */
const times = /("time":")(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)Z"/g
const longest = '"time":"2026-01-01T00:00:00Z"'.length
/** By which the server goes, even where `Date` of this process follows a clock of a test. */
const machineTime = Date.now

export class ServerTime {
  readonly #leaps: Leap[] = []

  /** At the beginning of a second: what was written in the one before was written before it. */
  async leap(span: Milliseconds): Promise<void> {
    await delay(1_000 - (machineTime() % 1_000))
    const before = this.#leaps.at(-1)?.ahead ?? 0
    this.#leaps.push({ at: Math.floor(machineTime() / 1_000) * 1_000, ahead: before + span })
  }

  date(date: string | undefined): { readonly date?: string } {
    if (date === undefined || this.#leaps.length === 0) return {}
    return { date: new Date(this.#told(Date.parse(date))).toUTCString() }
  }

  /** Takes a body as it comes, and gives one of the same length. */
  rewriter(): { take(chunk: Buffer): Buffer; rest(): Buffer } {
    let rest = Buffer.alloc(0)
    return {
      take: (chunk) => {
        if (this.#leaps.length === 0 && rest.length === 0) return chunk
        const text = Buffer.concat([rest, chunk]).toString('latin1')
        const from = unfinished(text)
        rest = Buffer.from(text.slice(from), 'latin1')
        return Buffer.from(this.#rewritten(text.slice(0, from)), 'latin1')
      },
      rest: () => rest,
    }
  }

  #rewritten(text: string): string {
    return text.replace(times, (_, name: string, time: string) => {
      const told = new Date(this.#told(Date.parse(`${time}Z`))).toISOString()
      return `${name}${told.slice(0, 19)}Z"`
    })
  }

  #told(at: number): number {
    return at + (this.#leaps.findLast((leap) => leap.at <= at)?.ahead ?? 0)
  }
}

/** Where a time may begin that is not there in full. */
function unfinished(text: string): number {
  for (let from = Math.max(0, text.length - longest + 1); from < text.length; from += 1) {
    const end = text.slice(from)
    if ('"time":"'.startsWith(end) || /^"time":"[-0-9T:]*Z?$/.test(end)) return from
  }
  return text.length
}
