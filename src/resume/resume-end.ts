/**
 * One end of a stream that outlives its connections, as a machine without time or sockets: what its own side says is kept until it is known to have
 * arrived, what the other side says is handed on once and in order, however often and wherever the connection between them breaks. What goes out is
 * asked for, frame by frame, by whoever has room for it; what comes in is bounded by what this side has permitted.
 */
import {
  type Ack,
  dataFrame,
  dataHead,
  FrameReader,
  firstLimit,
  type Hearing,
  type Hello,
  longestData,
  type Parting,
  ResumeFault,
  resumeWindow,
  writeAck,
  writeBye,
  writeEnd,
  writeHello,
} from './frames.ts'
import { Kept } from './kept.ts'
import type { ResumeEndParts } from './resume-end-parts.ts'

/** Bytes that come between two acks: so many are kept on the other side although they have arrived. */
const ackEvery = 131_072

export class ResumeEnd {
  readonly #parts: ResumeEndParts
  readonly #kept = new Kept()
  /** Of the connection that there is now: `greeting` until its hello has come. */
  #stage: 'away' | 'greeting' | 'open' = 'away'
  #reader = new FrameReader()
  #owesHello = false
  #mayBegin = false
  /** Positions of this side's direction: the next on this connection, how far was ever sent and has arrived, and up to where may be sent. */
  #next = 0
  #sent = 0
  #arrived = 0
  #limit = firstLimit
  #hasEnded = false
  /** Positions of the other side's direction: what came and was taken, and what the other side was told of both. */
  #received = 0
  #taken = 0
  #toldReceived = 0
  #toldLimit = firstLimit
  #hasHeardEnd = false
  #hasHeardBye = false
  #owesLastAck = false
  #hasMet = false
  /** This side leaves: at once, or once all is sent that is kept. */
  #leaving: 'now' | 'after' | undefined
  /** On this connection. What was said ahead of it is kept until it is known to have arrived. */
  #hasSaidBye = false
  #over: Parting | undefined

  constructor(parts: ResumeEndParts) {
    this.#parts = parts
  }

  /** Bytes of this side that are not known to have arrived. */
  get kept(): number {
    return this.#kept.size
  }

  /** Bytes that came; each is counted once. */
  get received(): number {
    return this.#received
  }

  get over(): Parting | undefined {
    return this.#over
  }

  /** This side has left, or broke. */
  get hasLeft(): boolean {
    return this.#leaving !== undefined
  }

  /** All that the other side had to say has come. */
  get hasHeardEnd(): boolean {
    return this.#hasHeardEnd
  }

  /** The other side has said that it is over, behind all else that it had to say. */
  get hasHeardBye(): boolean {
    return this.#hasHeardBye
  }

  /** The other side has said on this connection where it stands. */
  get hasGreeted(): boolean {
    return this.#stage === 'open'
  }

  /** It has on some connection. */
  get hasMet(): boolean {
    return this.#hasMet
  }

  /** A connection begins, in the place of the one before. `isFirst`: both sides know that nothing was said yet. */
  attach(isFirst: boolean): void {
    this.#reader = new FrameReader()
    this.#stage = 'greeting'
    this.#owesHello = true
    this.#mayBegin = isFirst
    this.#hasSaidBye = false
    this.#parts.onSay()
  }

  detach(): void {
    this.#stage = 'away'
    // Nobody is left to say it to, and nobody comes back.
    if (this.#leaving === 'now') this.#end('reset')
  }

  /** What comes by the connection. Throws {@link ResumeFault}: then the stream is over. */
  receive(bytes: Buffer): void {
    if (this.#stage === 'away' || this.#over) return
    try {
      this.#reader.read(bytes, this.#hearing)
    } catch (error) {
      if (error instanceof ResumeFault) this.#end('reset')
      throw error
    }
  }

  /** This side says more. */
  write(bytes: Buffer): void {
    if (this.#hasEnded || this.#leaving || this.#over) return
    this.#kept.add(bytes)
    this.#parts.onSay()
  }

  /** This side has said all it had to say. */
  end(): void {
    if (this.#hasEnded || this.#leaving) return
    this.#hasEnded = true
    this.#parts.onSay()
  }

  /** What this side leads to broke: what it had said before is still sent. */
  breakOff(): void {
    this.#leaving ??= 'after'
    this.#parts.onSay()
  }

  /** This side leaves, whatever is under way. */
  leave(): void {
    this.#leaving = 'now'
    if (this.#stage === 'away') this.#end('reset')
    else this.#parts.onSay()
  }

  /** So much of what came was taken: as much may come. */
  take(bytes: number): void {
    this.#taken += bytes
    if (this.#owesAck()) this.#parts.onSay()
  }

  /** The frame to be sent next; `undefined` while there is none. */
  next(): Buffer | undefined {
    if (this.#stage === 'away' || this.#over) return this.#sayHeard()
    if (this.#owesHello) return this.#sayHello()
    if (this.#leaving === 'now') return this.#sayBye('reset')
    if (this.#stage === 'open' && this.#owesAck()) return writeAck(this.#tell())
    return this.#mayBegin ? (this.#sayData() ?? this.#sayLast()) : undefined
  }

  #sayHello(): Buffer {
    this.#owesHello = false
    return writeHello({ sent: this.#sent, ...this.#tell() })
  }

  #tell(): Ack {
    this.#toldReceived = this.#received
    this.#toldLimit = this.#taken + this.#parts.window
    return { received: this.#toldReceived, limit: this.#toldLimit }
  }

  #owesAck(): boolean {
    const unsaid = this.#received - this.#toldReceived
    const { window } = this.#parts
    return (
      unsaid >= ackEvery ||
      (unsaid > 0 && this.#hasHeardEnd) ||
      this.#taken + window - this.#toldLimit >= Math.min(window, resumeWindow) / 4
    )
  }

  #sayData(): Buffer | undefined {
    const upTo = Math.min(this.#kept.to, this.#limit, this.#arrived + resumeWindow)
    const length = Math.min(longestData, upTo - this.#next)
    if (length <= 0) return undefined
    const frame = dataFrame(length)
    this.#kept.copy(this.#next, frame, dataHead)
    this.#went(length)
    return frame
  }

  /** Behind all data. */
  #sayLast(): Buffer | undefined {
    const { to } = this.#kept
    if (this.#next < to) return undefined
    if (this.#next === to && this.#hasEnded) {
      this.#went(1)
      return writeEnd()
    }
    if (this.#leaving) return this.#sayBroken()
    const isDone = this.#hasHeardEnd && this.#hasEnded && this.#arrived > to
    return isDone && this.#parts.isFirstToLeave ? this.#sayBye('done') : undefined
  }

  /** That the bye was heard, and all before it: an end of the connection may as well be its loss. By the agent's own, who looks on in between knows it too. */
  #sayHeard(): Buffer | undefined {
    if (!this.#owesLastAck) return undefined
    this.#owesLastAck = false
    return Buffer.concat([writeAck(this.#tell()), ...(this.#parts.isFirstToLeave ? [] : [writeBye('done')])])
  }

  /** It is over once the other side is known to have heard it: until then it may come again for the rest. */
  #sayBroken(): Buffer | undefined {
    if (this.#hasSaidBye) return undefined
    this.#hasSaidBye = true
    return writeBye('reset')
  }

  #went(positions: number): void {
    this.#next += positions
    this.#sent = Math.max(this.#sent, this.#next)
  }

  #sayBye(why: Parting): Buffer {
    this.#end(why)
    return writeBye(why)
  }

  #end(why: Parting): void {
    if (this.#over) return
    this.#over = why
    this.#stage = 'away'
    this.#kept.free(this.#kept.to)
    this.#parts.onOver(why)
  }

  readonly #hearing: Hearing = {
    hello: ({ sent, received, limit }: Hello) => {
      if (this.#stage !== 'greeting') throw new ResumeFault('a hello behind a hello')
      if (sent < this.#received) throw new ResumeFault('less was sent than came')
      this.#stage = 'open'
      this.#hasMet = true
      this.#hear({ received, limit }, this.#sent)
      if (!this.#mayBegin) this.#next = received
      this.#mayBegin = true
      this.#parts.onSay()
    },
    data: (bytes) => {
      this.#expectOpen()
      this.#received += bytes.length
      if (this.#received > this.#toldLimit) throw new ResumeFault('more than was permitted')
      this.#parts.onData(bytes)
      if (this.#owesAck()) this.#parts.onSay()
    },
    ack: (ack) => {
      if (this.#stage !== 'open') throw new ResumeFault('an ack before a hello')
      // What was sent by a connection before is known by its hello alone.
      this.#hear(ack, this.#next)
      if (this.#hasSaidBye && this.#arrived === this.#sent) this.#end('reset')
      else this.#parts.onSay()
    },
    end: () => {
      this.#expectOpen()
      this.#received += 1
      this.#hasHeardEnd = true
      this.#parts.onEnd()
      this.#parts.onSay()
    },
    bye: (why) => {
      if (this.#stage !== 'open') throw new ResumeFault('a bye before a hello')
      this.#hasHeardBye = true
      this.#owesLastAck = true
      this.#end(why)
    },
  }

  #expectOpen(): void {
    if (this.#stage !== 'open') throw new ResumeFault('more before a hello')
    if (this.#hasHeardEnd) throw new ResumeFault('more behind the end')
  }

  /** `most`: as far as can have come. */
  #hear({ received, limit }: Ack, most: number): void {
    if (received < this.#arrived) throw new ResumeFault('less has come than had come before')
    if (received > most) throw new ResumeFault('more has come than was sent')
    this.#arrived = received
    this.#limit = Math.max(this.#limit, limit)
    this.#kept.free(received)
    this.#parts.onFreed()
  }
}
