/** How long somebody waits who has nothing to do with what else goes on. */
import { setTimeout as wait } from 'node:timers/promises'
import type { Visitor } from './visits.ts'

export interface Latency {
  readonly count: number
  /** Milliseconds. */
  readonly p50: number
  readonly p99: number
  readonly worst: number
}

export function latencyOf(times: readonly number[]): Latency {
  const sorted = times.toSorted((a, b) => a - b)
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
  return { count: sorted.length, p50: at(0.5), p99: at(0.99), worst: at(1) }
}

/** One request after the other, as a person's page makes them, until `during` is over. Throws when one is not answered with 200. */
export async function latencyDuring(visitor: Visitor, during: Promise<unknown>): Promise<Latency> {
  let isOver = false
  const over = () => {
    isOver = true
  }
  const times: number[] = []
  const asking = (async () => {
    while (!isOver) {
      const { status, took } = await visitor.ask('/api/state')
      if (status !== 200) throw new Error(`somebody else was answered with ${status}`)
      times.push(took)
      await wait(5)
    }
  })()
  await during.finally(over)
  await asking
  return latencyOf(times)
}
