import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type MessageHead, MessageHeads } from '#activity/message-heads.ts'
import { type Frame, frameBytes } from '#test/support/websocket-frames.ts'

type Seen = Omit<MessageHead, 'head'> & { readonly head: string }

function see(
  chunks: readonly Buffer[],
  limit: number,
): { readonly seen: readonly Seen[]; readonly heads: MessageHeads } {
  const seen: Seen[] = []
  const heads = new MessageHeads(limit, ({ head, ...rest }) => seen.push({ ...rest, head: head.toString('hex') }))
  for (const chunk of chunks) heads.advance(chunk)
  return { seen, heads }
}

function split(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = []
  let at = 0
  for (const size of sizes) {
    if (at >= bytes.length) break
    chunks.push(bytes.subarray(at, at + size))
    at += size
  }
  return at < bytes.length ? [...chunks, bytes.subarray(at)] : chunks
}

const payload = fc.uint8Array({ maxLength: 300 })
const message = fc.record({
  isText: fc.boolean(),
  isCompressed: fc.boolean(),
  parts: fc.array(payload, { minLength: 1, maxLength: 4 }),
  mask: fc.option(fc.nat(0xffff_ffff), { nil: undefined }),
  ping: fc.option(fc.uint8Array({ maxLength: 125 }), { nil: undefined }),
})

type Message = typeof message extends fc.Arbitrary<infer T> ? T : never

function framesOf({ isText, isCompressed, parts, mask, ping }: Message): readonly Frame[] {
  return parts.flatMap((part, index): Frame[] => {
    const isFirst = index === 0
    const opcode = isFirst ? (isText ? 1 : 2) : 0
    const isFinal = index === parts.length - 1
    const data = { opcode, isFinal, isCompressed: isCompressed && isFirst, payload: part, mask }
    return ping ? [{ opcode: 9, payload: ping, mask }, data] : [data]
  })
}

test('the head of every message is told once, however it is masked, fragmented, mixed with pings and cut into chunks', () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 400 }), { maxLength: 60 })
  fc.assert(
    fc.property(
      fc.array(message, { maxLength: 5 }),
      sizes,
      fc.integer({ min: 1, max: 400 }),
      (messages, cuts, limit) => {
        const frames = messages.flatMap(framesOf)
        const { seen, heads } = see(split(Buffer.concat(frames.map(frameBytes)), cuts), limit)
        const told = messages.map(({ isText, isCompressed, parts }) => {
          const whole = Buffer.concat(parts)
          const head = whole.subarray(0, limit).toString('hex')
          return { head, isText, isCompressed, isWhole: whole.length <= limit }
        })
        // A message that is exactly as long as a head may be followed by an empty fragment, which nobody can know before it comes.
        expect(seen.map(({ isWhole: _, ...rest }) => rest)).toEqual(told.map(({ isWhole: _, ...rest }) => rest))
        for (const [index, { isWhole }] of seen.entries()) {
          if (isWhole) expect(told[index]?.isWhole).toBe(true)
          else expect((told[index]?.head.length ?? 0) / 2).toBe(limit)
        }
        expect(heads.isAtRest).toBe(true)
      },
    ),
  )
})

test('a head is told as soon as there is enough of it, not when the message ends', () => {
  const frame = frameBytes({ opcode: 2, payload: new Uint8Array(1_000_000).fill(7), mask: 0 })
  const { seen, heads } = see([frame.subarray(0, 100)], 16)
  expect(seen).toEqual([{ head: '07'.repeat(16), isText: false, isCompressed: false, isWhole: false }])
  expect(heads.isAtRest).toBe(false)
})

test.each([
  ['a reserved opcode', [0x83, 0x00]],
  ['reserved bits', [0xa1, 0x00]],
  ['a fragment of nothing', [0x80, 0x00]],
  ['a message within a message', [0x01, 0x00, 0x81, 0x00]],
  ['a length nobody could send', [0x82, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]],
])('after %s, which is no frame, nothing is told any more', (_, bytes) => {
  const { seen, heads } = see([Buffer.from(bytes), frameBytes({ opcode: 1, payload: Buffer.from('x') })], 10)
  expect(heads.isLost).toBe(true)
  expect(seen.length).toBe(0)
})
