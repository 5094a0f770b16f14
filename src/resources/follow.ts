/**
 * A watch that never gives up: lists, follows, resumes where it was, and lists again when the version has expired or the watch brings nothing.
 * The consumer sees one sequence of facts; it holds the truth from the first `synced` on and is told when that is older than it looks.
 */
import { GatewayError } from '#errors.ts'
import { type Backoff, backoff } from '#lib/backoff.ts'
import { type Clock, type Milliseconds, sleep } from '#lib/clock.ts'
import type { WatchEvent } from './contract.ts'
import { Freshness } from './freshness.ts'
import { type Change, KnownObjects } from './known-objects.ts'
import type { Followed, Source } from './source.ts'
import { initial, step, type WatchInput, type WatchState } from './watch-machine.ts'

export type Fact<T> =
  /** All there is. */
  | { readonly type: 'synced'; readonly objects: readonly T[] }
  | { readonly type: 'applied'; readonly object: T }
  | { readonly type: 'deleted'; readonly object: T }
  /** The connection is lost; what is known stays in force until the next event. Once for every try that failed. */
  | { readonly type: 'stale'; readonly error: unknown }

export interface FollowOptions {
  readonly clock: Clock
  readonly signal: AbortSignal
  /** Kept true while it is followed, for whoever wants to know the age of what is known. */
  readonly freshness?: Freshness
}

const firstDelay: Milliseconds = 100
const longestDelay: Milliseconds = 10_000
/** Of a watch that nobody answers: a server may be back at any moment, and what is revoked then is to count within 2 s. To resume costs it little. */
const longestWhileAway: Milliseconds = 1_000
/** A connection that held for this long was none of those that break as soon as they are made. */
const lasting: Milliseconds = 1_000
/** Heartbeats are written every 5 s. */
export const heartbeatPatience: Milliseconds = 15_000

/**
 * Ends (without an error) when the signal is aborted.
 *
 * Between two tries it waits, with growing pauses until a connection has lasted; a watch that lasted and that the server ended is resumed at
 * once. Events prove nothing here: a server that says one thing and then breaks would be asked without pause.
 */
export async function* follow<T extends Followed>(
  source: Source<T>,
  options: FollowOptions,
): AsyncGenerator<Fact<T>, void, void> {
  const { clock, signal } = options
  const reader = new Reader(source, options)
  const delays = backoff({ first: firstDelay, longest: longestDelay })
  while (!signal.aborted) {
    const began = clock.now()
    const end = yield* reader.run()
    if (signal.aborted) return
    const pause = pauseAfter(end, clock.now() - began, delays)
    // It rejects when the signal is aborted, which ends the loop.
    if (pause > 0) await sleep(clock, pause, signal).catch(() => undefined)
  }
}

/** How a list or a watch ended. */
interface Ending {
  readonly input: WatchInput
  /** What the server asks for. */
  readonly retryAfter: Milliseconds
  readonly longestPause: Milliseconds
}

function pauseAfter({ input, retryAfter, longestPause }: Ending, lasted: Milliseconds, delays: Backoff): Milliseconds {
  if (input.type === 'listed' || input.type === 'silent') return 0
  if (lasted >= lasting) {
    delays.reset()
    if (input.type === 'ended') return 0
  }
  return Math.max(Math.min(delays.next(), longestPause), Math.min(retryAfter, longestDelay))
}

class Reader<T extends Followed> {
  readonly #source: Source<T>
  readonly #clock: Clock
  readonly #signal: AbortSignal
  readonly #freshness: Freshness
  readonly #known = new KnownObjects<T>()
  #state: WatchState = initial
  /** The last connection did not end as it should. */
  #isCut = false

  constructor(source: Source<T>, { clock, signal, freshness }: FollowOptions) {
    this.#source = source
    this.#clock = clock
    this.#signal = signal
    this.#freshness = freshness ?? new Freshness(clock)
  }

  /** One list, or one watch, whichever the state asks for. */
  async *run(): AsyncGenerator<Fact<T>, Ending, void> {
    let end: Ending
    const isResuming = this.#state.at === 'listed'
    this.#take({ type: 'begun' })
    try {
      const input = yield* this.#state.at === 'watching' ? this.#watch(this.#state) : this.#list()
      end = { input, retryAfter: 0, longestPause: longestDelay }
    } catch (error) {
      end = endingOf(error, isResuming)
      if (!this.#signal.aborted) yield { type: 'stale', error }
      this.#isCut = true
    }
    this.#take(end.input)
    return end
  }

  async *#list(): AsyncGenerator<Fact<T>, WatchInput, void> {
    const askedAt = this.#freshness.now
    const { items, resourceVersion } = await this.#source.list(this.#signal)
    this.#known.replaceAll(items)
    this.#freshness.listed(askedAt)
    yield { type: 'synced', objects: items }
    return { type: 'listed', version: resourceVersion }
  }

  async *#watch({ version }: WatchState & { at: 'watching' }): AsyncGenerator<Fact<T>, WatchInput, void> {
    if (this.#isCut) this.#freshness.reconnected()
    this.#isCut = false
    using silence = this.#silence()
    const signal = AbortSignal.any([this.#signal, silence.signal])
    try {
      for await (const event of this.#source.watch(version, signal)) {
        if (this.#signal.aborted) break
        yield* this.#changes(event)
        if (event.type === 'heartbeat') silence.begin()
      }
    } catch (error) {
      if (!silence.signal.aborted) throw error
    }
    if (!silence.signal.aborted) {
      this.#freshness.signOfLife()
      return { type: 'ended' }
    }
    this.#freshness.missHeartbeat()
    yield { type: 'stale', error: new GatewayError('store_unavailable', `no heartbeat for ${heartbeatPatience} ms`) }
    return { type: 'silent' }
  }

  #changes(event: WatchEvent<T>): readonly Change<T>[] {
    this.#take({
      type: 'moved',
      version: 'object' in event ? event.object.metadata.resourceVersion : event.resourceVersion,
    })
    if (event.type === 'heartbeat') this.#freshness.heartbeat()
    else this.#freshness.signOfLife()
    switch (event.type) {
      case 'added':
      case 'modified':
        return this.#known.apply(event.object)
      case 'deleted':
        return this.#known.delete(event.object)
      case 'unreadable':
        return this.#known.forget(event.name)
      case 'bookmark':
      case 'heartbeat':
        return []
    }
  }

  /** Aborted when heartbeats were expected, and none came for too long. */
  #silence(): Disposable & { readonly signal: AbortSignal; begin(): void } {
    const ending = new AbortController()
    let timer: Disposable | undefined
    const begin = () => {
      timer?.[Symbol.dispose]()
      const awaited = this.#freshness.heartbeatAwaited()
      timer = awaited === undefined ? undefined : this.#clock.after(heartbeatPatience - awaited, () => ending.abort())
    }
    begin()
    return { signal: ending.signal, begin, [Symbol.dispose]: () => timer?.[Symbol.dispose]() }
  }

  #take(input: WatchInput): void {
    this.#state = step(this.#state, input)
  }
}

function endingOf(error: unknown, isResuming: boolean): Ending {
  const isOurs = error instanceof GatewayError
  const type = isOurs && error.code === 'expired_version' ? 'expired' : 'failed'
  const retryAfter = (isOurs ? error.retryAfter : undefined) ?? 0
  const isAway = isResuming && isOurs && error.code === 'store_unavailable'
  return { input: { type }, retryAfter, longestPause: isAway ? longestWhileAway : longestDelay }
}
