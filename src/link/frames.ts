/**
 * What the two ends of a link say to each other, `gatehouse.agent.v2`: one frame in each binary message of a WebSocket, a byte for its kind, four for the
 * number of its stream (big-endian), and what it carries. A gateway opens streams, an agent never does; all else is said by both.
 *
 * - `open` (port, 2 bytes) is answered with `opened` or `refused` (why, 1 byte). Numbers only grow, and none is used twice.
 * - `data` has at least one byte and at most {@link longestData}; so many may be sent as the other side has given credit for: {@link streamWindow} at
 *   first, then what `credit` (4 bytes) adds.
 * - `end` ends its direction, `reset` both at once.
 * - `hold` (port, what for, key and person, 51 bytes) is an `open` of a connection that outlives the stream: one that begins, one that was held before, or the
 *   end of one. `held` (its age and for how long nothing new has passed, milliseconds in 4 bytes each) is the answer; or `opened` where one that begins is not
 *   held, and `refused` where there is none. `gatehouse.agent.v1` is the same without these.
 *
 * Whatever else comes ends the link, with all that is on it.
 */
import { type HeldFor, type HoldWords, holdAims, keyLength, personLength } from '#resume/hold.ts'

export const linkProtocol = 'gatehouse.agent.v1'
export const holdProtocol = 'gatehouse.agent.v2'

/** Bytes of a stream in one frame. */
export const longestData = 65_536
/** Bytes that may be on their way in one direction of one stream, or wait there to be read. */
export const streamWindow = 262_144
/** Streams of one link at once. */
export const mostStreams = 256

const headLength = 5
export const longestFrame = headLength + longestData

/** `shut`: nobody listens at the port. `forbidden`: it is none of those that the agent leads to. `gone`: it holds no such stream. */
export const refusals = ['shut', 'forbidden', 'full', 'failed', 'gone'] as const

export type Refusal = (typeof refusals)[number]

export type Frame =
  | { readonly kind: 'open'; readonly id: number; readonly port: number }
  | { readonly kind: 'opened' | 'end' | 'reset'; readonly id: number }
  | { readonly kind: 'refused'; readonly id: number; readonly why: Refusal }
  | { readonly kind: 'data'; readonly id: number; readonly bytes: Buffer }
  | { readonly kind: 'credit'; readonly id: number; readonly bytes: number }
  | ({ readonly kind: 'hold'; readonly id: number; readonly port: number } & HoldWords)
  | ({ readonly kind: 'held'; readonly id: number } & HeldFor)

const kinds = ['open', 'opened', 'refused', 'data', 'credit', 'end', 'reset', 'hold', 'held'] as const

/** The other side does not keep to the protocol. */
export class LinkFault extends Error {
  override readonly name = 'LinkFault'
}

/** A buffer of its own: what was given may be changed. */
export function writeFrame(frame: Frame): Buffer {
  const payload = lengthOf(frame)
  const bytes = Buffer.allocUnsafe(headLength + payload)
  bytes.writeUInt8(kinds.indexOf(frame.kind))
  bytes.writeUInt32BE(frame.id, 1)
  if (frame.kind === 'open') bytes.writeUInt16BE(frame.port, headLength)
  else if (frame.kind === 'refused') bytes.writeUInt8(refusals.indexOf(frame.why), headLength)
  else if (frame.kind === 'credit') bytes.writeUInt32BE(frame.bytes, headLength)
  else if (frame.kind === 'data') frame.bytes.copy(bytes, headLength)
  else if (frame.kind === 'hold') writeHold(bytes, frame)
  else if (frame.kind === 'held') {
    bytes.writeUInt32BE(Math.min(Math.max(frame.age, 0), longestTime), headLength)
    bytes.writeUInt32BE(Math.min(Math.max(frame.idle, 0), longestTime), headLength + 4)
  }
  return bytes
}

const longestTime = 2 ** 32 - 1
const holdLength = 3 + keyLength + personLength

function writeHold(bytes: Buffer, { port, aim, key, person }: Frame & { kind: 'hold' }): void {
  if (key.length !== keyLength || person.length !== personLength) throw new RangeError('a key of no such length')
  bytes.writeUInt16BE(port, headLength)
  bytes.writeUInt8(holdAims.indexOf(aim), headLength + 2)
  key.copy(bytes, headLength + 3)
  person.copy(bytes, headLength + 3 + keyLength)
}

function lengthOf(frame: Frame): number {
  switch (frame.kind) {
    case 'open':
      return 2
    case 'refused':
      return 1
    case 'data':
      return frame.bytes.length
    case 'credit':
      return 4
    case 'hold':
      return holdLength
    case 'held':
      return 8
    case 'opened':
    case 'end':
    case 'reset':
      return 0
  }
}

/** Its data is a part of `bytes`. Throws {@link LinkFault}. */
export function readFrame(bytes: Buffer): Frame {
  if (bytes.length < headLength || bytes.length > longestFrame) throw new LinkFault('a frame of no such length')
  const kind = kinds[bytes.readUInt8()]
  if (kind === undefined) throw new LinkFault('a frame of no such kind')
  const id = bytes.readUInt32BE(1)
  const frame = readers[kind](id, bytes.subarray(headLength))
  if (frame === undefined || id === 0) throw new LinkFault(`a frame that is no ${kind}`)
  return frame
}

type PayloadReader = (id: number, payload: Buffer) => Frame | undefined

const bare =
  (kind: 'opened' | 'end' | 'reset'): PayloadReader =>
  (id, payload) =>
    payload.length === 0 ? { kind, id } : undefined

const readers: { readonly [Kind in Frame['kind']]: PayloadReader } = {
  opened: bare('opened'),
  end: bare('end'),
  reset: bare('reset'),
  data: (id, payload) => (payload.length === 0 ? undefined : { kind: 'data', id, bytes: payload }),
  open(id, payload) {
    const port = payload.length === 2 ? payload.readUInt16BE() : 0
    return port === 0 ? undefined : { kind: 'open', id, port }
  },
  refused(id, payload) {
    const why = payload.length === 1 ? refusals[payload.readUInt8()] : undefined
    return why && { kind: 'refused', id, why }
  },
  credit(id, payload) {
    const bytes = payload.length === 4 ? payload.readUInt32BE() : 0
    return bytes === 0 ? undefined : { kind: 'credit', id, bytes }
  },
  hold(id, payload) {
    if (payload.length !== holdLength) return undefined
    const [port, aim] = [payload.readUInt16BE(), holdAims[payload.readUInt8(2)]]
    // Of their own: what was received along with them is not kept alive.
    const [key, person] = [
      Buffer.from(payload.subarray(3, 3 + keyLength)),
      Buffer.from(payload.subarray(3 + keyLength)),
    ]
    return port === 0 || aim === undefined ? undefined : { kind: 'hold', id, port, aim, key, person }
  },
  held(id, payload) {
    if (payload.length !== 8) return undefined
    return { kind: 'held', id, age: payload.readUInt32BE(), idle: payload.readUInt32BE(4) }
  },
}
