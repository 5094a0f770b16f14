/**
 * Counts what is new in both directions of a stream that outlives its connections, for who looks on in between: what is sent again, and what the two ends
 * say about it, is nobody's work. It keeps nothing, and says nothing of what passes.
 */
import { FrameReader, type Hearing, ResumeFault } from './frames.ts'

class Direction {
  readonly reader = new FrameReader()
  /** Positions: the next, and how far was sent before this connection. */
  next = 0
  before = 0
  /** Bytes of the piece that is being read. */
  fresh = 0
  isLost = false
  hasSaidBye = false

  pass(length: number): void {
    const from = Math.max(this.next, this.before)
    this.next += length
    this.fresh += Math.max(0, this.next - from)
  }
}

export class Meter {
  readonly #client = new Direction()
  readonly #upstream = new Direction()

  /** One of the two has said that it is over; whether the other one has heard it is not known. */
  get hasHeardBye(): boolean {
    return this.#client.hasSaidBye || this.#upstream.hasSaidBye
  }

  /** The agent has answered the client's: it holds no connection for it any more. One of an earlier version answers none, and none is waited for. */
  get hasHeardAnswer(): boolean {
    return this.#client.hasSaidBye && this.#upstream.hasSaidBye
  }

  /** How many new bytes are in a piece of what the client says. */
  fromClient(bytes: Buffer): number {
    return measured(bytes, this.#client, this.#upstream)
  }

  fromUpstream(bytes: Buffer): number {
    return measured(bytes, this.#upstream, this.#client)
  }
}

function measured(bytes: Buffer, own: Direction, other: Direction): number {
  if (own.isLost) return bytes.length
  own.fresh = 0
  const hearing: Hearing = {
    hello({ sent, received }) {
      own.before = sent
      other.next = Math.max(other.next, received)
    },
    data: ({ length }) => own.pass(length),
    ack() {},
    end() {},
    bye() {
      own.hasSaidBye = true
    },
  }
  try {
    own.reader.read(bytes, hearing)
  } catch (error) {
    if (!(error instanceof ResumeFault)) throw error
    // The two ends do not take it either. Until they are gone, all that passes counts.
    own.isLost = true
  }
  return own.fresh
}
