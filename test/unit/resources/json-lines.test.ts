import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { linesOf } from '#resources/kubernetes/json-lines.ts'

async function* cut(bytes: Buffer, sizes: readonly number[]): AsyncGenerator<Buffer> {
  let start = 0
  for (const size of [...sizes, bytes.length]) {
    if (start >= bytes.length) return
    yield bytes.subarray(start, start + size)
    start += size
  }
}

const linesOfText = (text: string, sizes: readonly number[] = []) =>
  Array.fromAsync(linesOf(cut(Buffer.from(text), sizes)))

describe('a stream of JSON lines', () => {
  test('gives the same values however the network cuts it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.jsonValue()), fc.array(fc.integer({ min: 1, max: 9 })), async (values, sizes) => {
        const text = values.map((value) => `${JSON.stringify(value)}\n`).join('')
        expect(JSON.stringify(await linesOfText(text, sizes))).toBe(JSON.stringify(values))
      }),
    )
  })

  test('gives a line as soon as it is whole', async () => {
    const held = Promise.withResolvers<void>()
    async function* slow(): AsyncGenerator<Buffer> {
      yield Buffer.from('{"a":1}\n{"b"')
      await held.promise
    }
    const lines = linesOf(slow())
    expect(await lines.next()).toEqual({ done: false, value: { a: 1 } })
    held.resolve()
  })

  test.each([
    ['ends within a line', '{"a":1}\n{"b'],
    ['has a line that is no JSON', '<html>\n'],
  ])('that %s is not taken for a whole one', async (reason, text) => {
    await expect(linesOfText(text)).rejects.toMatchObject({
      code: 'store_unavailable',
      message: expect.stringContaining(reason),
    })
  })

  test('whose line never ends is given up, and what it says is in no message', async () => {
    async function* endless(): AsyncGenerator<Buffer> {
      for (;;) yield Buffer.alloc(1024 * 1024, 'x')
    }
    await expect(Array.fromAsync(linesOf(endless()))).rejects.toMatchObject({ code: 'store_unavailable' })
    await expect(linesOfText('hush-hush\n')).rejects.not.toMatchObject({ message: expect.stringContaining('hush') })
  })
})
