/** Ending without breaking what can be finished: nothing new is taken, lasting streams are told to come back, the rest may come to its end. */
import { type Clock, type Milliseconds, sleep } from '#lib/clock.ts'
import type { EndReason, StreamIndex } from '#live/streams.ts'
import type { Listener } from './listener.ts'

export interface DrainParts {
  readonly listeners: readonly Pick<Listener, 'stopAccepting' | 'closed'>[]
  readonly streams: StreamIndex
  readonly clock: Clock
  /** For requests in flight. */
  readonly grace: Milliseconds
  /** Gives up waiting: somebody is impatient. */
  readonly signal: AbortSignal
}

const restarting: EndReason = { code: 1012, reason: 'gateway restarting' }

/** Done when every connection is closed, or the grace is over; then what is left may be cut off. */
export async function drain({ listeners, streams, clock, grace, signal }: DrainParts): Promise<void> {
  for (const listener of listeners) listener.stopAccepting()
  for (const group of streams.all()) group.endLasting(restarting)
  const impatient = new AbortController()
  const waiting = AbortSignal.any([signal, impatient.signal])
  const finished = Promise.all(listeners.map((listener) => listener.closed))
  await Promise.race([finished, sleep(clock, grace, waiting).catch(() => undefined)])
  impatient.abort()
  for (const group of streams.all()) group.end(restarting)
}
