/** Is the other side of a tunnel there? Asks with pings, counts how long nothing was heard, and answers the pings that come. Has no timer of its own. */
import { mostStuck, mostUnanswered } from './protocol.ts'
import type { TunnelSocket } from './tunnel-socket.ts'

export class Pulse {
  readonly #socket: TunnelSocket
  /** When a ping or a pong got away, or never will. */
  readonly #onMoved: () => void
  /** Messages, pings and pongs. */
  #heard = 0
  #heardBefore = 0
  #hasAsked = false
  #unanswered = 0
  /** Messages that got away, what still waited after the last ping, and how many pings it has been the same. */
  #sent = 0
  #sentBefore = 0
  #waitedBefore = 0
  #stuck = 0
  /** A pong has yet to get away; the last ping that came meanwhile is answered then. */
  #isAnswering = false
  #toAnswer: Buffer | undefined

  constructor(socket: TunnelSocket, onMoved: () => void) {
    this.#socket = socket
    this.#onMoved = onMoved
  }

  heard(): void {
    this.#heard += 1
  }

  sent(): void {
    this.#sent += 1
  }

  /** To be called every `pingEvery`: asks, unless the other side has said nothing for so long that it is gone. */
  beat(): 'asked' | 'gone' {
    const socket = this.#socket
    this.#countSilence()
    if (this.#unanswered >= mostUnanswered || this.#stuck >= mostStuck) return 'gone'
    this.#hasAsked = true
    socket.ping(this.#onMoved)
    this.#waitedBefore = socket.bufferedAmount
    return 'asked'
  }

  /** One that has yet to read what was sent has not seen the ping: it may take its time, as long as it takes something. */
  #countSilence(): void {
    const { isPaused, bufferedAmount } = this.#socket
    const isSilent = this.#heard === this.#heardBefore
    const isMoving = this.#sent !== this.#sentBefore || bufferedAmount < this.#waitedBefore
    this.#heardBefore = this.#heard
    this.#sentBefore = this.#sent
    if (!isSilent) this.#unanswered = 0
    if (!isSilent || isMoving || bufferedAmount === 0) this.#stuck = 0
    // Whoever is not read from is not heard.
    if (!isSilent || isPaused) return
    if (bufferedAmount > 0 && !isMoving) this.#stuck += 1
    else if (bufferedAmount === 0 && this.#hasAsked) this.#unanswered += 1
  }

  /** RFC 6455 section 5.5.3: of several pings the most recent one alone may be answered. So no more than two answers wait for whoever reads none. */
  answer(payload: Buffer): void {
    this.#heard += 1
    if (this.#isAnswering) this.#toAnswer = payload
    else this.#say(payload)
  }

  #say(payload: Buffer): void {
    const socket = this.#socket
    if (!socket.isOpen) return
    this.#isAnswering = true
    socket.pong(payload, () => {
      const next = this.#toAnswer
      this.#isAnswering = false
      this.#toAnswer = undefined
      this.#onMoved()
      if (next) this.#say(next)
    })
  }
}
