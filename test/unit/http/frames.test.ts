import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { closeFrame, FrameTracker } from '#http/frames.ts'

interface Shape {
  readonly opcode: number
  readonly isFinal: boolean
  readonly isCompressed: boolean
  readonly length: number
}

function write({ opcode, isFinal, isCompressed, length }: Shape): Buffer {
  const first = (isFinal ? 0x80 : 0) | (isCompressed ? 0x40 : 0) | opcode
  const head =
    length < 126
      ? Buffer.from([first, length])
      : length < 65_536
        ? Buffer.from([first, 126, length >> 8, length & 0xff])
        : Buffer.from([
            first,
            127,
            0,
            0,
            0,
            0,
            (length >>> 24) & 0xff,
            (length >>> 16) & 0xff,
            (length >>> 8) & 0xff,
            length & 0xff,
          ])
  // A payload that looks like frames, so that a tracker that loses count is found out.
  return Buffer.concat([head, Buffer.alloc(length, 0x81)])
}

const shape: fc.Arbitrary<Shape> = fc.oneof(
  fc.record({
    opcode: fc.constantFrom(0, 1, 2),
    isFinal: fc.boolean(),
    isCompressed: fc.boolean(),
    length: fc.oneof(fc.constantFrom(0, 1, 125, 126, 127, 65_535, 65_536), fc.nat(300)),
  }),
  fc.record({
    opcode: fc.constantFrom(9, 10),
    isFinal: fc.constant(true),
    isCompressed: fc.constant(false),
    length: fc.nat(125),
  }),
)

function split(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const at = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b)
  return [...at, bytes.length].map((end, index) => bytes.subarray(index === 0 ? 0 : at[index - 1], end))
}

function endsOf(frames: readonly Buffer[]): number[] {
  const ends = [0]
  for (const frame of frames) ends.push((ends.at(-1) ?? 0) + frame.length)
  return ends
}

/** Where, counted from the start of the chunks, the tracker finds the first boundary. */
function firstBoundary(tracker: FrameTracker, chunks: readonly Buffer[]): number | undefined {
  let position = 0
  for (const chunk of chunks) {
    const found = tracker.advanceToBoundary(chunk)
    if (found !== undefined) return position + found
    position += chunk.length
  }
  return undefined
}

describe('FrameTracker', () => {
  test('knows after every chunk, however the bytes are cut, whether a frame ends there', () => {
    fc.assert(
      fc.property(
        fc.array(shape, { minLength: 1, maxLength: 5 }),
        fc.array(fc.nat(), { maxLength: 12 }),
        (shapes, cuts) => {
          const frames = shapes.map(write)
          const ends = endsOf(frames)
          const tracker = new FrameTracker()
          let position = 0
          for (const chunk of split(Buffer.concat(frames), cuts)) {
            tracker.advance(chunk)
            position += chunk.length
            expect(tracker.isFramed).toBe(true)
            expect(tracker.isAtBoundary).toBe(ends.includes(position))
          }
        },
      ),
      { numRuns: 200 },
    )
  })

  test('says the same of any bytes, frames or not, however they are cut', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      fc
        .tuple(fc.array(shape, { maxLength: 3 }), fc.uint8Array({ maxLength: 20 }))
        .map(([shapes, rest]) => Buffer.concat([...shapes.map(write), rest])),
    )
    fc.assert(
      fc.property(bytes, fc.array(fc.nat(), { maxLength: 12 }), (all, cuts) => {
        const whole = new FrameTracker()
        whole.advance(Buffer.from(all))
        const pieces = new FrameTracker()
        for (const piece of split(Buffer.from(all), cuts)) pieces.advance(piece)
        const said = ({ isFramed, isAtBoundary, isClosed }: FrameTracker) => ({ isFramed, isAtBoundary, isClosed })
        expect(said(pieces)).toEqual(said(whole))
      }),
      { numRuns: 1_000 },
    )
  })

  test('finds the first boundary from any byte on, however the rest is cut', () => {
    const shapes = fc.array(shape, { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(shapes, fc.nat(), fc.array(fc.nat(), { maxLength: 6 }), (list, start, cuts) => {
        const frames = list.map(write)
        const bytes = Buffer.concat(frames)
        const from = start % (bytes.length + 1)
        const tracker = new FrameTracker()
        tracker.advance(bytes.subarray(0, from))
        const expected = endsOf(frames).find((end) => end >= from) ?? 0
        expect(firstBoundary(tracker, split(bytes.subarray(from), cuts))).toBe(expected - from)
      }),
      { numRuns: 200 },
    )
  })

  test.each([
    ['a reserved opcode', [0x83, 0x00]],
    ['a reserved control opcode', [0x8b, 0x00]],
    ['a reserved bit', [0xa1, 0x00]],
    ['a masked frame', [0x81, 0x80]],
    ['a fragmented ping', [0x09, 0x00]],
    ['a compressed ping', [0xc9, 0x00]],
    ['a long ping', [0x89, 126]],
    ['a length of 16 bits that fits in 7', [0x82, 126, 0, 125]],
    ['a length of 64 bits that fits in 16', [0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff]],
    ['a length with its highest bit set', [0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0]],
    ['a length past counting', [0x82, 127, 0x00, 0x20, 0, 0, 0, 0, 0, 0]],
    ['a frame behind the close frame', [0x88, 0x00, 0x81, 0x00]],
    ['something else entirely', [...Buffer.from('SSH-2.0-OpenSSH_9.6\r\n')]],
  ])('gives up for good at %s', (_name, bytes) => {
    const tracker = new FrameTracker()
    tracker.advance(Buffer.from(bytes))
    expect(tracker).toMatchObject({ isFramed: false, isAtBoundary: false })
    tracker.advance(Buffer.from([0x81, 0x00]))
    expect(tracker.isFramed).toBe(false)
    expect(tracker.advanceToBoundary(Buffer.from([0x81, 0x00]))).toBeUndefined()
  })

  test('counts a frame of several gigabytes', () => {
    const tracker = new FrameTracker()
    tracker.advance(Buffer.from([0x82, 127, 0, 0, 0, 2, 0, 0, 0, 0]))
    const chunk = Buffer.alloc(1 << 20)
    for (let index = 0; index < 8 * 1024 - 1; index++) tracker.advance(chunk)
    expect(tracker.isAtBoundary).toBe(false)
    tracker.advance(chunk)
    expect(tracker.isAtBoundary).toBe(true)
  })

  test('notices the close frame of the server', () => {
    const tracker = new FrameTracker()
    const frame = closeFrame(1000, 'done')
    tracker.advance(frame.subarray(0, -1))
    expect(tracker.isClosed).toBe(false)
    tracker.advance(frame.subarray(-1))
    expect(tracker).toMatchObject({ isClosed: true, isFramed: true, isAtBoundary: true })
  })
})

describe('closeFrame', () => {
  test('is final, unmasked, and holds code and reason', () => {
    expect([...closeFrame(1008, 'no')]).toEqual([0x88, 4, 0x03, 0xf0, ...Buffer.from('no')])
  })

  test('cuts a reason that is too long between two characters', () => {
    for (const letter of ['x', 'é', '€', '𝄞', 'a𝄞']) {
      const frame = closeFrame(1001, letter.repeat(200))
      expect(frame.length).toBeLessThanOrEqual(127)
      expect(frame.length).toBeGreaterThan(122)
      expect(frame[1]).toBe(frame.length - 2)
      const reason = new TextDecoder('utf-8', { fatal: true }).decode(frame.subarray(4))
      expect(letter.repeat(200).startsWith(reason)).toBe(true)
    }
  })
})
