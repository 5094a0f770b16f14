/** Goes round what is live, so that what waits for long is noticed without a timer of its own for each request. */
import { type Clock, type Milliseconds, sleep } from '#lib/clock.ts'
import type { StreamIndex } from './streams.ts'

/** Below the minute for which work that was seen counts as running. */
export const roundEvery: Milliseconds = 20_000

/** Until the signal; rejects with its reason. */
export async function goRound(streams: StreamIndex, clock: Clock, signal: AbortSignal): Promise<void> {
  for (;;) {
    await sleep(clock, roundEvery, signal)
    const now = clock.now()
    for (const group of streams.all()) for (const stream of group.streams()) stream.look?.(now)
  }
}
