import { describe, expect, test } from 'vitest'
import { eventBlock, eventStream, type ServerEvent } from '#surface/event-stream.ts'
import { type FakeClock, fakeClock } from '#test/support/fake-clock.ts'

const times = { beatEvery: 15_000, longest: 60_000, retryAfter: 2_000 }

/** A source that says what it is told to, and remembers that it was ended. */
function pushed() {
  const queue: ServerEvent[] = []
  let wake = () => {}
  const state = { hasEnded: false }
  return {
    state,
    push(event: ServerEvent) {
      queue.push(event)
      wake()
    },
    async *source(signal: AbortSignal) {
      signal.addEventListener('abort', () => wake())
      try {
        while (!signal.aborted) {
          const event = queue.shift()
          if (event) yield event
          else await new Promise<void>((resolve) => (wake = resolve))
        }
      } finally {
        state.hasEnded = true
      }
    },
  }
}

function open(clock: FakeClock = fakeClock()) {
  const from = pushed()
  const ending = new AbortController()
  const blocks = eventStream(from.source, { ...times, clock, signal: ending.signal })
  return { ...from, clock, ending, blocks, next: async () => (await blocks.next()).value }
}

describe('an event stream', () => {
  test('begins at once, and gives every event as a block of its own', async () => {
    const stream = open()
    expect(await stream.next()).toBe('retry: 2000\n\n')
    stream.push({ name: 'workspace', data: { name: 'a\nb' } })
    expect(await stream.next()).toBe('event: workspace\ndata: {"name":"a\\nb"}\n\n')
    await stream.blocks.return()
  })

  test('beats while nothing happens', async () => {
    const stream = open()
    await stream.next()
    const beat = stream.next()
    await stream.clock.advance(15_000)
    expect(await beat).toBe(': beat\n\n')
    await stream.blocks.return()
  })

  test('loses no event that comes together with a beat', async () => {
    const stream = open()
    await stream.next()
    const beat = stream.next()
    await stream.clock.advance(15_000)
    stream.push({ name: 'workspace', data: 1 })
    expect(await beat).toBe(': beat\n\n')
    expect(await stream.next()).toBe(eventBlock({ name: 'workspace', data: 1 }))
    await stream.blocks.return()
  })

  test('says that it ends when its signal does, and ends its source', async () => {
    const stream = open()
    await stream.next()
    const last = stream.next()
    stream.ending.abort()
    expect(await last).toBe('event: end\ndata: {}\n\n')
    expect((await stream.blocks.next()).done).toBe(true)
    expect(stream.state.hasEnded).toBe(true)
  })

  test('ends before it begins when its signal has', async () => {
    const stream = open()
    stream.ending.abort()
    await stream.next()
    expect(await stream.next()).toBe('event: end\ndata: {}\n\n')
    expect((await stream.blocks.next()).done).toBe(true)
  })

  test('ends its source when nobody reads any more', async () => {
    const stream = open()
    await stream.next()
    stream.push({ name: 'workspace', data: 1 })
    await stream.next()
    await stream.blocks.return()
    expect(stream.state.hasEnded).toBe(true)
  })

  test('is not open for ever', async () => {
    const stream = open()
    await stream.next()
    for (let beat = 1; beat <= 3; beat += 1) {
      const next = stream.next()
      await stream.clock.advance(15_000)
      expect(await next).toBe(': beat\n\n')
    }
    const last = stream.blocks.next()
    await stream.clock.advance(15_000)
    // The beat that is due at the same instant may come first.
    const { done } = await last
    expect(done || (await stream.blocks.next()).done).toBe(true)
    expect(stream.state.hasEnded).toBe(true)
  })

  test('passes on the fault of its source', async () => {
    const blocks = eventStream(
      // biome-ignore lint/correctness/useYield: it fails before the first event
      async function* () {
        throw new Error('gone')
      },
      { ...times, clock: fakeClock(), signal: new AbortController().signal },
    )
    await blocks.next()
    await expect(blocks.next()).rejects.toThrow('gone')
  })
})
