import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readEvents } from '#cli/client/event-reader.ts'
import { eventBlock } from '#surface/event-stream.ts'

async function read(chunks: readonly Uint8Array[]) {
  async function* source() {
    yield* chunks
  }
  const events: { name: string; data: unknown }[] = []
  for await (const { name, data } of readEvents(source())) events.push({ name, data: JSON.parse(data) })
  return events
}

test('events are the same wherever their bytes are cut, beats and retries between them', async () => {
  const event = fc.record({ name: fc.constantFrom('workspace', 'gone', 'end'), data: fc.jsonValue() })
  await fc.assert(
    fc.asyncProperty(
      fc.array(event, { maxLength: 5 }),
      fc.array(fc.nat(40), { maxLength: 60 }),
      async (events, cuts) => {
        const text = `retry: 2000\n\n${events.map((one) => `: beat\n\n${eventBlock(one)}`).join('')}`
        let rest = Buffer.from(text)
        const chunks: Buffer[] = []
        for (const cut of cuts) {
          chunks.push(rest.subarray(0, cut))
          rest = rest.subarray(cut)
        }
        const expected = JSON.parse(JSON.stringify(events))
        expect(await read([...chunks, rest])).toEqual(expected)
      },
    ),
    { numRuns: 200 },
  )
})

test('an event without an end is no reason to hold more and more', async () => {
  const block = Buffer.alloc(1024 * 1024, 'x')
  await expect(read(Array.from({ length: 6 }, () => block))).rejects.toThrow(RangeError)
})
