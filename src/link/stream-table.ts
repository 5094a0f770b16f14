/** The streams of one end of a link, by number: what comes is handed to the one that it is for, and what they say goes out. */
import { type Frame, LinkFault, writeFrame } from './frames.ts'
import { LinkStream, type StreamWire } from './link-stream.ts'

/** What carries frames to the other end, in order. */
export interface LinkWire {
  /** So much waits to be sent that nothing should be added, beyond what must. */
  readonly isFull: boolean
  /** `frame` is the wire's from here on. */
  send(frame: Buffer): void
}

export class StreamTable implements StreamWire {
  /** The greatest number that was ever used. */
  lastId = 0
  readonly #wire: LinkWire
  readonly #streams = new Map<number, LinkStream>()

  constructor(wire: LinkWire) {
    this.#wire = wire
  }

  get size(): number {
    return this.#streams.size
  }

  get isFull(): boolean {
    return this.#wire.isFull
  }

  add(id: number): LinkStream {
    const stream = new LinkStream(id, this)
    this.#streams.set(id, stream)
    return stream
  }

  say(frame: Frame): void {
    this.#wire.send(writeFrame(frame))
  }

  /** A frame of a stream that is open. One that is over may still be spoken of, by whoever has not heard of it. Throws {@link LinkFault}. */
  receive(frame: Exclude<Frame, { kind: 'open' | 'opened' | 'refused' | 'hold' | 'held' }>): void {
    const { id } = frame
    if (id > this.lastId) throw new LinkFault(`${frame.kind} of a stream that there never was`)
    const stream = this.#streams.get(id)
    switch (frame.kind) {
      case 'data':
        stream?.onData(frame.bytes)
        return
      case 'credit':
        stream?.onCredit(frame.bytes)
        return
      case 'end':
        stream?.onEnd()
        return
      case 'reset':
        this.#streams.delete(id)
        stream?.onCut('the connection was reset')
        return
    }
  }

  /** Each in its turn: who had one comes last the next time. */
  onRoom(): void {
    for (const stream of [...this.#streams.values()]) {
      if (this.isFull) return
      if (this.#streams.delete(stream.id)) this.#streams.set(stream.id, stream)
      stream.onRoom()
    }
  }

  cutAll(message: string): void {
    const streams = [...this.#streams.values()]
    this.#streams.clear()
    for (const stream of streams) stream.onCut(message)
  }

  data(id: number, bytes: Buffer): void {
    this.say({ kind: 'data', id, bytes })
  }

  credit(id: number, bytes: number): void {
    this.say({ kind: 'credit', id, bytes })
  }

  end(id: number): void {
    this.say({ kind: 'end', id })
  }

  over(id: number, isCut: boolean): void {
    if (this.#streams.delete(id) && isCut) this.say({ kind: 'reset', id })
  }
}
