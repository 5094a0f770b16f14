/** How one connection reads: into what all have in common, or amid a large body into a buffer of its own. Given to whoever opens the connection. */
import type { OnReadOpts } from 'node:net'
import type { Written } from '#http/messages.ts'
import { type Berth, type Landing, landingSize } from './landing.ts'

export interface IntakeUser {
  /** Of the body that is coming in: as far as is known, so many bytes are still to come. */
  readonly due: number
  /** What has come. Valid until this returns; a part of it that is needed for longer is to be {@link Intake.kept}. */
  onBytes(bytes: Buffer): void
  /** What it had to wait for has been written: it may read on. */
  onFree(): void
  /** {@link onBytes} threw: it must read no further, into what may hold pieces that are yet to be written. */
  onFault(): void
}

/** So many reads in a row that would have had room in the common one. */
const mostSmall = 8

export class Intake implements OnReadOpts {
  readonly #landing: Landing
  #user: IntakeUser | undefined
  #berth: Berth | undefined
  #small = 0
  #isLooking = false
  /** Something came before anybody was there to ask for it. */
  #isSoiled = false

  constructor(landing: Landing) {
    this.#landing = landing
  }

  /** Where the next bytes go: asked for by the socket, at first and after each {@link callback}. */
  readonly buffer = (): Buffer => this.#berth?.buffer ?? this.#landing.common

  /** Called by the socket. `false`: it reads no further until it is resumed. */
  readonly callback = (count: number): boolean => {
    const user = this.#user
    if (user === undefined) {
      this.#isSoiled = true
      return false
    }
    this.#isLooking = true
    try {
      user.onBytes(this.buffer().subarray(0, count))
    } catch (error) {
      user.onFault()
      throw error
    } finally {
      this.#isLooking = false
    }
    this.#settle(user, count)
    return !this.isWaiting
  }

  /** Must it not read, since what it has read is being written? */
  get isWaiting(): boolean {
    return this.#berth?.isFree === false
  }

  get isSoiled(): boolean {
    return this.#isSoiled
  }

  use(user: IntakeUser): void {
    this.#user = user
  }

  /** What stays as it is until {@link written} was called. */
  kept(piece: Buffer): Buffer {
    // Came by a way of its own, with a buffer for each read.
    if (!this.#isLooking) return piece
    if (this.#berth === undefined) return Buffer.from(piece)
    this.#berth.give()
    return piece
  }

  /** To be called once for each piece that was kept, when it is needed no more. */
  get written(): Written {
    return (this.#isLooking ? this.#berth?.written : undefined) ?? nothing
  }

  /** Nothing is read any more. */
  end(): void {
    this.#user = undefined
    this.#leave()
  }

  #settle(user: IntakeUser, count: number): void {
    this.#small = count < landingSize ? this.#small + 1 : 0
    const isLarge = user.due >= landingSize && this.#small < mostSmall
    if (!isLarge) this.#leave()
    else if (this.#berth === undefined && count === landingSize && this.#user !== undefined) {
      this.#berth = this.#landing.lend(() => user.onFree())
    }
  }

  #leave(): void {
    this.#berth?.leave()
    this.#berth = undefined
  }
}

function nothing(): void {}
