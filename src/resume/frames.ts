/**
 * What the two ends of a stream that outlives its connections say to each other, the command line and the agent in a pod: `gatehouse.tunnel.resume.v1`,
 * within the bytes of a tunnel. A byte for its kind, numbers big-endian; positions count the bytes of one direction from its beginning, in 6 bytes.
 *
 * - `hello` is the first on each connection: how far this side has ever sent, how far it has received, and up to where it may be sent to.
 * - `data` (length, 2 bytes, and so many) follows the position that the other side's hello named; on the first connection, the beginning.
 * - `ack`: how far has been received, and up to where may be sent.
 * - `end`: this direction has ended. It counts as one position, so that it is known whether it arrived.
 * - `bye`: the stream is over, since all was said (0), or since what it led to broke or left (1). An agent answers the client's with one, behind its last `ack`.
 */

export const resumeProtocol = 'gatehouse.tunnel.resume.v1'

/** Bytes of data in one frame: with its head it fits into one message of a tunnel. */
export const longestData = 65_533

/** Bytes that one side may have sent and not know to have arrived, and so the most that is sent twice. */
export const resumeWindow = 4_194_304
/** Up to where may be sent before a hello has come, on the first connection. */
export const firstLimit = 262_144

export interface Hello {
  readonly sent: number
  readonly received: number
  readonly limit: number
}

export type Ack = Omit<Hello, 'sent'>

/** `reset`: what it led to broke, or left without having said all. */
export type Parting = 'done' | 'reset'

/** The other side does not keep to the protocol. */
export class ResumeFault extends Error {
  override readonly name = 'ResumeFault'
}

const kinds = { hello: 0, data: 1, ack: 2, end: 3, bye: 4 } as const
/** By kind, the head with it. */
const headLengths = [19, 3, 13, 1, 2] as const
const partings: readonly Parting[] = ['done', 'reset']

export function writeHello({ sent, received, limit }: Hello): Buffer {
  const frame = Buffer.allocUnsafe(headLengths[kinds.hello])
  frame[0] = kinds.hello
  frame.writeUIntBE(sent, 1, 6)
  frame.writeUIntBE(received, 7, 6)
  frame.writeUIntBE(limit, 13, 6)
  return frame
}

export function writeAck({ received, limit }: Ack): Buffer {
  const frame = Buffer.allocUnsafe(headLengths[kinds.ack])
  frame[0] = kinds.ack
  frame.writeUIntBE(received, 1, 6)
  frame.writeUIntBE(limit, 7, 6)
  return frame
}

/** A frame for so many bytes, at most {@link longestData}; they belong behind the first {@link dataHead}. */
export function dataFrame(length: number): Buffer {
  const frame = Buffer.allocUnsafe(dataHead + length)
  frame[0] = kinds.data
  frame.writeUInt16BE(length, 1)
  return frame
}

export const dataHead = headLengths[kinds.data]

export function writeEnd(): Buffer {
  return Buffer.of(kinds.end)
}

export function writeBye(why: Parting): Buffer {
  return Buffer.of(kinds.bye, partings.indexOf(why))
}

/** Hears what was read. */
export interface Hearing {
  hello(hello: Hello): void
  /** At least one byte; a part of something larger. */
  data(bytes: Buffer): void
  ack(ack: Ack): void
  end(): void
  bye(why: Parting): void
}

/** Reads frames, however they are cut. Of one that is not there yet it keeps a head at most: what there is of its data is passed on. */
export class FrameReader {
  readonly #head = Buffer.alloc(headLengths[kinds.hello])
  #have = 0
  /** Bytes of data that are still to come. */
  #rest = 0

  /** Throws {@link ResumeFault}, and what `hearing` throws. */
  read(bytes: Buffer, hearing: Hearing): void {
    for (let at = 0; at < bytes.length; ) {
      if (this.#rest > 0) {
        const piece = bytes.subarray(at, at + this.#rest)
        this.#rest -= piece.length
        at += piece.length
        hearing.data(piece)
        continue
      }
      const wanted = this.#wanted(bytes[at] ?? 0)
      const taken = bytes.copy(this.#head, this.#have, at, at + wanted - this.#have)
      this.#have += taken
      at += taken
      if (this.#have < wanted) return
      this.#have = 0
      this.#hear(hearing)
    }
  }

  #wanted(first: number): number {
    const kind = this.#have > 0 ? this.#head[0] : first
    const length = headLengths[kind ?? -1]
    if (length === undefined) throw new ResumeFault('a frame of no such kind')
    return length
  }

  #hear(hearing: Hearing): void {
    const head = this.#head
    const number = (at: number) => head.readUIntBE(at, 6)
    switch (head[0]) {
      case kinds.hello:
        hearing.hello({ sent: number(1), received: number(7), limit: number(13) })
        return
      case kinds.ack:
        hearing.ack({ received: number(1), limit: number(7) })
        return
      case kinds.data:
        this.#rest = head.readUInt16BE(1)
        if (this.#rest === 0 || this.#rest > longestData) throw new ResumeFault('data of no such length')
        return
      case kinds.end:
        hearing.end()
        return
      default: {
        const why = partings[head[1] ?? -1]
        if (why === undefined) throw new ResumeFault('a bye of no such kind')
        hearing.bye(why)
      }
    }
  }
}
