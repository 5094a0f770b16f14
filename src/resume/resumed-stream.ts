/**
 * A byte stream of this side, led to the other side by one connection after the other: standard input and output of a command, or a connection within a
 * pod. Between two connections it waits, and who says more than is kept waits with it.
 */
import type { Readable, Writable } from 'node:stream'
import type { Clock, Milliseconds, Timestamp } from '#lib/clock.ts'
import { Carrier } from './carrier.ts'
import { Delivery } from './delivery.ts'
import { type Parting, resumeWindow } from './frames.ts'
import { type HeldFor, longestAway } from './hold.ts'
import { ResumeEnd } from './resume-end.ts'
import type { StockShare } from './stock.ts'

export interface ResumedStreamParts {
  /** A socket is both; standard input and output are one each. */
  readonly readable: Readable
  readonly writable: Writable
  readonly clock: Clock
  /** As {@link ResumeEnd} has them. */
  readonly window: number
  readonly isFirstToLeave: boolean
  /** What it keeps, and what came and was not taken yet, is counted there; absent where there are not many. */
  readonly stock?: StockShare
  /** The connection that it had is gone, and none has taken its place. */
  readonly onAway: () => void
  /** Once. Its own side is ended by then, or destroyed where not all was said. */
  readonly onOver: (why: Parting) => void
}

/** For whoever connects to say where he stands. */
const longestGreeting: Milliseconds = 15_000
/** For what was said before the end to get to this side. */
const longestFlush: Milliseconds = 10_000
/** For whoever is there to hear that this side is gone; what it had said waits as long as it does for who is not there. */
const longestParting: Milliseconds = 60_000
/** No more is read from this side at so many bytes that are kept, and again at so many. */
const highMark = resumeWindow
const lowMark = (resumeWindow / 4) * 3

export class ResumedStream {
  readonly #parts: ResumedStreamParts
  readonly #end: ResumeEnd
  readonly #delivery: Delivery
  readonly #began: Timestamp
  #movedAt: Timestamp
  #carrier: Carrier | undefined
  #greeting: Disposable | undefined
  #parting: Disposable | undefined
  #isHeldBack = false
  #isWaiting = false
  #stocked = 0

  constructor(parts: ResumedStreamParts) {
    const { readable, writable, clock, window, isFirstToLeave } = parts
    this.#parts = parts
    this.#began = clock.now()
    this.#movedAt = this.#began
    this.#delivery = new Delivery(writable, (bytes) => {
      this.#end.take(bytes)
      this.#count()
    })
    this.#end = new ResumeEnd({
      ...{ window, isFirstToLeave },
      onData: (bytes) => this.#deliver(bytes),
      onEnd: () => this.#delivery.end(),
      onSay: () => this.#carrier?.wake(),
      onFreed: () => this.#freed(),
      onOver: (why) => this.#over(why),
    })
    readable.on('data', (bytes: Buffer) => this.#said(bytes))
    readable.once('end', () => this.#end.end())
    // Nobody is left to say something to: a person's program has ended.
    const broke = () => (isFirstToLeave ? this.#end.leave() : this.#end.breakOff())
    for (const side of new Set([readable, writable])) side.on('error', broke)
    writable.once('close', () => {
      if (!writable.writableFinished) broke()
      this.#delivery.drop()
      this.#count()
      if (!isFirstToLeave) this.#part()
    })
  }

  get isAttached(): boolean {
    return this.#carrier !== undefined
  }

  /** Its client has said once where he stands. */
  get hasMet(): boolean {
    return this.#end.hasMet
  }

  get over(): Parting | undefined {
    return this.#end.over
  }

  get hasLeft(): boolean {
    return this.#end.hasLeft
  }

  /** All that the other side had to say has come. */
  get hasHeardEnd(): boolean {
    return this.#end.hasHeardEnd
  }

  get heldFor(): HeldFor {
    const now = this.#parts.clock.now()
    return { age: now - this.#began, idle: now - this.#movedAt }
  }

  /** A connection to lead it by from now on; the one before ends. `isFirst`: the other side knows that it is. */
  attach(isFirst: boolean): Carrier {
    const before = this.#carrier
    const carrier = new Carrier(this.#end, () => this.#gone(carrier))
    this.#carrier = carrier
    before?.destroy()
    this.#end.attach(isFirst)
    this.#greeting?.[Symbol.dispose]()
    this.#greeting = this.#parts.clock.after(longestGreeting, () => {
      if (!this.#end.hasGreeted) carrier.destroy()
    })
    return carrier
  }

  /** At once, whatever is under way; the other side is told if it is there. */
  leave(): void {
    this.#end.leave()
  }

  /** What leads to the other side is of no use any more. */
  cut(): void {
    // It is over before its connection is gone: it waits for nobody, and takes nobody's place among those that do.
    this.#end.detach()
    this.#end.leave()
    this.#carrier?.destroy()
  }

  #said(bytes: Buffer): void {
    this.#movedAt = this.#parts.clock.now()
    this.#end.write(bytes)
    this.#count()
    const { stock, readable } = this.#parts
    const { kept } = this.#end
    if (kept < highMark && (stock?.hasRoomFor(kept) ?? true)) return
    this.#isHeldBack = true
    readable.pause()
    this.#freed()
  }

  #freed(): void {
    this.#count()
    const { stock, readable } = this.#parts
    const { kept, over } = this.#end
    if (!this.#isHeldBack || over !== undefined || kept > lowMark) return
    if (stock && !stock.hasRoomFor(kept)) {
      this.#wait(stock)
      return
    }
    this.#isHeldBack = false
    readable.resume()
  }

  #wait(stock: StockShare): void {
    if (this.#isWaiting) return
    this.#isWaiting = true
    stock.wait(() => {
      this.#isWaiting = false
      this.#freed()
    })
  }

  #count(): void {
    const held = this.#end.kept + this.#delivery.size
    const change = held - this.#stocked
    this.#stocked = held
    if (change !== 0) this.#parts.stock?.change(change)
  }

  /** What it leads to is gone: whoever stays, and takes nothing more of what that said, is not waited for. */
  #part(): void {
    const { clock } = this.#parts
    const { kept, over } = this.#end
    const carrier = this.#carrier
    if (over !== undefined) return
    this.#parting = clock.after(kept === 0 ? longestParting : longestAway, () => {
      if (carrier !== undefined && this.#carrier === carrier && this.#end.kept === kept) this.cut()
      else this.#part()
    })
  }

  #deliver(bytes: Buffer): void {
    this.#movedAt = this.#parts.clock.now()
    this.#delivery.add(bytes)
    this.#count()
  }

  #gone(carrier: Carrier): void {
    if (this.#carrier !== carrier) return
    this.#carrier = undefined
    this.#greeting?.[Symbol.dispose]()
    this.#end.detach()
    if (this.#end.over === undefined) this.#parts.onAway()
  }

  #over(why: Parting): void {
    const { readable, writable, isFirstToLeave, onOver } = this.#parts
    this.#count()
    this.#greeting?.[Symbol.dispose]()
    this.#parting?.[Symbol.dispose]()
    const destroy = () => {
      readable.destroy()
      writable.destroy()
    }
    const isWhole = why === 'done' || (isFirstToLeave && this.#end.hasHeardEnd)
    if (isWhole || this.#end.hasHeardBye) this.#letOut(isWhole, destroy)
    else destroy()
    this.#carrier?.wake()
    onOver(why)
  }

  /** What came gets there: with its end, or with none behind it where the other side broke off. */
  #letOut(isWhole: boolean, destroy: () => void): void {
    const { writable, clock } = this.#parts
    if (writable.writableFinished || writable.destroyed) {
      destroy()
      return
    }
    const timer = clock.after(longestFlush, destroy)
    writable.once('close', () => {
      timer[Symbol.dispose]()
      destroy()
    })
    if (!isWhole) this.#delivery.whenEmpty(destroy)
    else {
      writable.once('finish', destroy)
      this.#delivery.end()
    }
  }
}
