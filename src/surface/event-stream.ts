/**
 * Server-sent events (WHATWG HTML section 9.2) made of a source of values. One signal ends a stream, and a client that has gone ends its source;
 * beats in between keep middlemen from closing it, and let a dead client be noticed.
 */
import type { Clock, Milliseconds } from '#lib/clock.ts'

export interface ServerEvent {
  readonly name: string
  readonly data: unknown
}

export interface EventStreamOptions {
  readonly clock: Clock
  /** Ends it with an event named `end`. */
  readonly signal: AbortSignal
  readonly beatEvery: Milliseconds
  /** After that it ends without a word, and the client comes again: nothing is open for ever. */
  readonly longest: Milliseconds
  /** What a client waits before it comes again. */
  readonly retryAfter: Milliseconds
}

type Step<T> =
  | { readonly kind: 'value'; readonly result: IteratorResult<T> }
  | { readonly kind: 'beat' }
  | { readonly kind: 'end' }
  | { readonly kind: 'over' }

/** Text blocks to be written as they come; asks the source for more only when the last one was taken. */
export async function* eventStream(
  source: (signal: AbortSignal) => AsyncIterable<ServerEvent>,
  options: EventStreamOptions,
): AsyncGenerator<string, void, void> {
  const { clock, beatEvery, longest, retryAfter } = options
  const ending = new AbortController()
  const iterator = source(ending.signal)[Symbol.asyncIterator]()
  const over = Promise.withResolvers<Step<ServerEvent>>()
  const stop = () => over.resolve({ kind: 'end' })
  options.signal.addEventListener('abort', stop, { once: true })
  if (options.signal.aborted) stop()
  using _lifetime = clock.after(longest, () => over.resolve({ kind: 'over' }))
  try {
    yield `retry: ${retryAfter}\n\n`
    let next = stepOf(iterator)
    for (;;) {
      const beat = Promise.withResolvers<Step<ServerEvent>>()
      using _timer = clock.after(beatEvery, () => beat.resolve({ kind: 'beat' }))
      const step = await Promise.race([over.promise, next, beat.promise])
      if (step.kind === 'beat') yield ': beat\n\n'
      else if (step.kind === 'end') return yield eventBlock({ name: 'end', data: {} })
      else if (step.kind === 'over' || step.result.done === true) return
      else {
        yield eventBlock(step.result.value)
        next = stepOf(iterator)
      }
    }
  } finally {
    options.signal.removeEventListener('abort', stop)
    ending.abort()
    await iterator.return?.()
  }
}

async function stepOf<T>(iterator: AsyncIterator<T>): Promise<Step<T>> {
  return { kind: 'value', result: await iterator.next() }
}

/** JSON has no raw line breaks, so the data is one line. */
export function eventBlock({ name, data }: ServerEvent): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`
}
