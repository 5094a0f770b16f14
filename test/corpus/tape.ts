/** What a gateway saw during one interaction, as it is kept: requests and messages in their order, without what nobody looks at. */
import type { AnsweredRequest } from '#activity/http-activity.ts'
import type { Label } from './labels.ts'

/** Milliseconds since the interaction began. */
type Moment = number

/** Texts and, in base64, bytes that were there; a number stands for so many that are left out. */
export type Payload = readonly (string | number)[]

export interface TapeSocket {
  /** Behind the public prefix, with its query. */
  readonly path: string
  /** Sec-WebSocket-Protocol of the 101. */
  readonly protocol?: string
}

export interface TapeMessage {
  readonly at: Moment
  /** Of {@link Tape.sockets}. */
  readonly socket: number
  readonly from: 'client' | 'upstream'
  readonly opcode: number
  /** By permessage-deflate; `payload` is what it was before. */
  readonly isCompressed?: true
  /** Bytes of its payload as it was sent. */
  readonly size: number
  readonly payload: Payload
}

export type TapeEvent =
  | { readonly kind: 'request'; readonly at: Moment; readonly request: AnsweredRequest }
  | { readonly kind: 'open'; readonly at: Moment; readonly socket: number }
  | { readonly kind: 'close'; readonly at: Moment; readonly socket: number }
  | ({ readonly kind: 'message' } & TapeMessage)

export interface Tape extends Label {
  /** How long it was looked at. */
  readonly lasted: Moment
  readonly sockets: readonly TapeSocket[]
  /** What had last been said of kernels that were at work when it began. */
  readonly earlier: readonly TapeMessage[]
  readonly events: readonly TapeEvent[]
}

const textOpcode = 1

/** `shown`: which of its bytes are looked at, from the first one on and in their order: `[begin, end)`. */
export function payloadOf(bytes: Buffer, opcode: number, shown: readonly (readonly [number, number])[]): Payload {
  const parts: (string | number)[] = []
  let at = 0
  for (const [begin, end] of shown) {
    if (begin > at) parts.push(begin - at)
    if (end > begin) parts.push(bytes.subarray(begin, end).toString(opcode === textOpcode ? 'utf8' : 'base64'))
    at = Math.max(at, end)
  }
  if (bytes.length > at) parts.push(bytes.length - at)
  return parts
}

/** What was left out is spaces in a text and zeros in bytes. */
export function bytesOf(payload: Payload, opcode: number): Buffer {
  const isText = opcode === textOpcode
  return Buffer.concat(
    payload.map((part) =>
      typeof part === 'number' ? Buffer.alloc(part, isText ? 0x20 : 0) : Buffer.from(part, isText ? 'utf8' : 'base64'),
    ),
  )
}
