/** Ending without breaking what can be finished: nothing new is taken, lasting streams are told to come back, the rest may come to its end. */
import { type Clock, type Milliseconds, sleep } from '#lib/clock.ts'
import type { EndReason, LiveStream, StreamIndex } from '#live/streams.ts'
import type { Listener } from './listener.ts'

export interface DrainParts {
  readonly listeners: readonly Pick<Listener, 'stopAccepting' | 'closed'>[]
  readonly streams: StreamIndex
  readonly clock: Clock
  /** From 0 to below 1. */
  readonly random: () => number
  /** For requests in flight. */
  readonly grace: Milliseconds
  /** Gives up waiting: somebody is impatient. */
  readonly signal: AbortSignal
}

const restarting: EndReason = { code: 1012, reason: 'gateway restarting' }

/** Each comes back at once, to a replica that has others to serve: so many more, so much longer. */
const spanPerStream: Milliseconds = 2
/** Of the grace, at most: who is told last is still to go in time. */
const mostOfGrace = 1 / 3

/** For those that open meanwhile. */
const betweenLooks: Milliseconds = 100

/** Done when every connection is closed, or the grace is over; then what is left may be cut off. */
export async function drain(parts: DrainParts): Promise<void> {
  const { listeners, streams, clock, grace, signal } = parts
  for (const listener of listeners) listener.stopAccepting()
  using _telling = tellOneByOne(parts)
  const impatient = new AbortController()
  const waiting = AbortSignal.any([signal, impatient.signal])
  const finished = Promise.all(listeners.map((listener) => listener.closed))
  await Promise.race([finished, sleep(clock, grace, waiting).catch(() => undefined)])
  impatient.abort()
  for (const group of streams.all()) group.end(restarting)
}

/**
 * Each at a moment of its own, by chance, so that those of one page or one app do not come back together. Clients are to wait by chance as well
 * (1012 in the registry of RFC 6455 section 11.7), but nothing makes them.
 */
function tellOneByOne(parts: DrainParts): Disposable {
  const { streams, clock, random, grace } = parts
  const lasting = streams
    .all()
    .flatMap((group) => [...group.streams()].map((stream) => ({ group, stream })))
    .filter(({ stream }) => stream.isLasting)
  const span = Math.min(lasting.length * spanPerStream, grace * mostOfGrace)
  for (const { group, stream } of lasting) clock.after(random() * span, () => group.endOne(stream, restarting))
  return tellLateComers(parts, new WeakSet(lasting.map(({ stream }) => stream)))
}

/** Those that were still being opened, each as soon as it is open: whoever waits for the end of the grace has no time left to go. */
function tellLateComers({ streams, clock }: DrainParts, known: WeakSet<LiveStream>): Disposable {
  let timer: Disposable
  const look = () => {
    for (const group of streams.all()) {
      for (const stream of [...group.streams()]) {
        if (stream.isLasting && !known.has(stream)) group.endOne(stream, restarting)
      }
    }
    timer = clock.after(betweenLooks, look)
  }
  look()
  return { [Symbol.dispose]: () => timer[Symbol.dispose]() }
}
