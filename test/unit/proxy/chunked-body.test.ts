import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ChunkedBody } from '#proxy/chunked-body.ts'

interface Taken {
  readonly body: string
  readonly trailers: readonly string[] | undefined
  /** Bytes that it took. */
  readonly length: number
  readonly isComplete: boolean
}

function take(pieces: readonly Buffer[]): Taken {
  let body = ''
  let trailers: readonly string[] | undefined
  let length = 0
  const chunked = new ChunkedBody({
    onBody: (piece) => {
      expect(piece.length).toBeGreaterThan(0)
      body += piece.toString('latin1')
    },
    onTrailers: (lines) => {
      trailers = [...lines]
    },
  })
  for (const piece of pieces) {
    const end = chunked.push(piece, 0)
    length += end
    if (end < piece.length) break
  }
  return { body, trailers, length, isComplete: chunked.isComplete }
}

function cut(bytes: Buffer, cuts: readonly number[]): readonly Buffer[] {
  const at = [...new Set(cuts.map((one) => one % (bytes.length + 1)))].sort((one, other) => one - other)
  return [...at, bytes.length].map((end, index) => bytes.subarray(at[index - 1] ?? 0, end))
}

const byteString = (options: { maxLength: number; minLength?: number }) =>
  fc.uint8Array(options).map((bytes) => Buffer.from(bytes).toString('latin1'))
const token = fc.stringMatching(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,8}$/)
const extension = fc.oneof(
  token.map((name) => `;${name}`),
  fc.tuple(token, token).map(([name, value]) => `;${name}=${value}`),
  token.map((name) => `;${name}="a \\"b\\\\; c\xe9"`),
)
/** Data that looks like framing is as good as any. */
const data = fc.oneof(
  byteString({ minLength: 1, maxLength: 40 }),
  fc.constantFrom('\r\n', '0\r\n\r\n', '\r\n0\r\n\r\n', '5'),
)
const chunk = fc.record({
  data,
  zeros: fc.constantFrom('', '0', '000'),
  isUpper: fc.boolean(),
  extension: fc.oneof(fc.constant(''), extension),
})
const trailerLine = fc.tuple(token, fc.stringMatching(/^[ -~]{0,10}$/)).map(([name, value]) => `${name}: ${value}`)

test('whatever was sent in chunks arrives, with its trailers and nothing that follows, however both were cut', () => {
  const message = fc.record({
    chunks: fc.array(chunk, { maxLength: 6 }),
    trailers: fc.array(trailerLine, { maxLength: 3 }),
    behind: byteString({ maxLength: 10 }),
    cuts: fc.array(fc.nat(), { maxLength: 12 }),
  })
  fc.assert(
    fc.property(message, ({ chunks, trailers, behind, cuts }) => {
      const sizes = chunks.map(({ data: { length }, zeros, isUpper }) => {
        const digits = length.toString(16)
        return zeros + (isUpper ? digits.toUpperCase() : digits)
      })
      const parts = chunks.map((one, index) => `${sizes[index]}${one.extension}\r\n${one.data}\r\n`)
      const text = `${parts.join('')}0\r\n${trailers.map((line) => `${line}\r\n`).join('')}\r\n`
      const body = chunks.map((one) => one.data).join('')
      const expected = { body, trailers, length: text.length, isComplete: true }
      expect(take(cut(Buffer.from(text + behind, 'latin1'), cuts))).toEqual(expected)
    }),
    { numRuns: 500 },
  )
})

test('of any bytes the same is taken or refused, however they are cut, and a refusal is upstream_protocol', () => {
  const outcome = (pieces: readonly Buffer[]) => {
    try {
      return take(pieces)
    } catch (error) {
      expect(error).toMatchObject({ code: 'upstream_protocol' })
      return 'refused'
    }
  }
  const near = fc
    .array(
      fc.oneof(
        fc.constantFrom('5', '0', '\r\n', '\n', '\r', ';a', 'hello', ' ', 'A: b', '"', '\x00'),
        byteString({ maxLength: 2 }),
      ),
    )
    .map((parts) => parts.join(''))
  fc.assert(
    fc.property(near, fc.array(fc.nat(), { maxLength: 8 }), (text, cuts) => {
      const bytes = Buffer.from(text, 'latin1')
      expect(outcome(cut(bytes, cuts))).toEqual(outcome([bytes]))
    }),
    { numRuns: 2_000 },
  )
})

test('neighbours that came together and are small are one piece, and large ones are where they came', () => {
  const pieces: Buffer[] = []
  const chunked = new ChunkedBody({ onBody: (piece) => void pieces.push(piece), onTrailers: () => undefined })
  const tiny = (count: number) => '1\r\na\r\n'.repeat(count)
  const bytes = Buffer.from(`${tiny(9_000)}4000\r\n${'b'.repeat(16_384)}\r\n${tiny(3)}`)
  chunked.push(bytes, 0)
  expect(pieces.map(String)).toEqual(['a'.repeat(9_000), 'b'.repeat(16_384), 'aaa'])
  expect(pieces[1]?.buffer).toBe(bytes.buffer)
  chunked.push(Buffer.from(`${tiny(2)}0\r\n\r\n`), 0)
  expect(pieces.slice(3).map(String)).toEqual(['aa'])
})
