/** Connections of HTTP/2 that a seed makes up: good requests, and between them frames that are wrong in some way, or belong nowhere. */
import { block, codes, type Field, flags, frame, headers, settings, types, uint32 } from '#test/support/http2-frames.ts'
import type { Chance } from './chance.ts'

/** A good request; all that is sent has a path below `/fuzzed`. */
export type GoodFields = (path: string) => readonly Field[]

/** What is sent behind the preface and our settings, in so many writes. */
export function makeHttp2Case(chance: Chance, good: GoodFields): readonly Buffer[] {
  const draft: Draft = { chance, good, next: 1, open: [0, 1] }
  // A connection that is broken off answers nothing more, so that most are to be good for a while.
  const odd = chance.pick([0.05, 0.15, 0.6])
  const frames = Array.from({ length: 1 + chance.below(12) }, () => oneOf(draft, odd))
  const mutated = frames.map((bytes) => (chance.isTrue(odd / 4) ? mutate(chance, bytes) : bytes))
  return chance.isTrue(0.5) ? [Buffer.concat(mutated)] : mutated
}

interface Draft {
  readonly chance: Chance
  readonly good: GoodFields
  /** The next stream that a client may open. */
  next: number
  /** Streams that were named before, in any way. */
  readonly open: number[]
}

function oneOf(draft: Draft, odd: number): Buffer {
  const { chance } = draft
  if (!chance.isTrue(odd)) return request(draft)
  return chance.pick([oddRequest, oddFrame, control, body])(draft)
}

function stream(draft: Draft): number {
  const id = draft.next
  draft.next += 2
  draft.open.push(id)
  return id
}

function request(draft: Draft): Buffer {
  const { chance, good } = draft
  const id = stream(draft)
  return headers(id, good(`/fuzzed/${id}?${chance.below(1000)}`))
}

/** Fields that no request may have, or too many, or in another order. */
function oddRequest(draft: Draft): Buffer {
  const { chance, good } = draft
  const fields = [...good('/fuzzed/odd')]
  const at = chance.below(fields.length + 1)
  const [name, value] = chance.pick(oddFields)
  if (chance.isTrue(0.3)) fields.splice(chance.below(fields.length), 1)
  else fields.splice(at, 0, [name, value])
  const flag = chance.mostly(0.3, flags.endHeaders | flags.endStream, [0, flags.endHeaders, flags.endStream, 0xff])
  return headers(chance.mostly(0.2, stream(draft), [0, 2, 1, 2 ** 31 - 1]), fields, flag)
}

const oddFields: readonly Field[] = [
  [':path', '/fuzzed/second'],
  [':authority', 'evil.test'],
  [':method', 'CONNECT'],
  [':protocol', 'websocket'],
  [':scheme', 'ftp'],
  [':status', '200'],
  [':path', ''],
  [':path', '/fuzzed/a b\r\nX: y'],
  ['Upper', 'case'],
  ['connection', 'keep-alive'],
  ['transfer-encoding', 'chunked'],
  ['upgrade', 'h2c'],
  ['te', 'gzip'],
  ['host', 'evil.test'],
  ['content-length', '5'],
  ['content-length', '-1'],
  ['x-forwarded-user', 'evil'],
  ['x\r\ny', 'evil'],
  ['x', 'a\0b'],
  ['', 'nothing'],
  ['cookie', 'a=b'],
  ['x-long', 'x'.repeat(20_000)],
]

function body(draft: Draft): Buffer {
  const { chance, good } = draft
  const id = stream(draft)
  const post: readonly Field[] = [[':method', 'POST'], ...good(`/fuzzed/${id}`).slice(1)]
  const said = chance.pick([undefined, '3', '10', '0'])
  const framed: readonly Field[] = said === undefined ? post : [...post, ['content-length', said]]
  const data = Buffer.alloc(chance.pick([0, 3, 10, 20_000]), 'GET /fuzzed/smuggled HTTP/1.1\r\n\r\n')
  const pad = chance.isTrue(0.2)
  const payload = pad ? Buffer.concat([Buffer.from([chance.below(256)]), data]) : data
  const flag = (pad ? flags.padded : 0) | chance.pick([0, flags.endStream])
  return Buffer.concat([headers(id, framed, flags.endHeaders), frame(types.data, flag, id, payload)])
}

function control({ chance, open }: Draft): Buffer {
  const id = chance.pick(open)
  const number = chance.pick([0, 1, 2 ** 31 - 1, 65_535, chance.below(2 ** 31)])
  switch (chance.below(7)) {
    case 0:
      return frame(types.reset, 0, id, uint32(chance.pick(Object.values(codes))))
    case 1:
      return frame(types.window, 0, id, uint32(number))
    case 2:
      return settings([chance.below(10), number])
    case 3:
      return frame(types.ping, chance.below(2), chance.pick([0, id]), Buffer.alloc(chance.pick([8, 8, 7])))
    case 4:
      return frame(types.priority, 0, id, Buffer.concat([uint32(number), Buffer.from([chance.below(256)])]))
    case 5:
      return frame(types.continuation, chance.below(256), id, block([['x', 'y']]))
    default:
      return frame(types.goaway, 0, 0, uint32(number, chance.below(14)))
  }
}

function oddFrame({ chance, open }: Draft): Buffer {
  const length = chance.pick([0, 1, 4, 5, 9, 100, 16_384, 16_385])
  const payload = Buffer.from(Array.from({ length }, () => chance.below(256)))
  return frame(chance.below(16), chance.below(256), chance.pick([...open, 2 ** 32 - 1]), payload)
}

/** A byte, the end, or the length that it says. */
function mutate(chance: Chance, bytes: Buffer): Buffer {
  const changed = Buffer.from(bytes)
  if (chance.isTrue(0.2)) return changed.subarray(0, chance.below(changed.length))
  const at = chance.isTrue(0.4) ? chance.below(9) : chance.below(changed.length)
  changed[at] = chance.below(256)
  return changed
}
