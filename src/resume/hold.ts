/** What is asked of an agent about a stream that it is to hold while no connection leads to it. */
import type { Milliseconds } from '#lib/clock.ts'

export const holdAims = ['open', 'resume', 'end'] as const

/** `end`: it is over for good, whoever is on it. */
export type HoldAim = (typeof holdAims)[number]

export interface HoldWords {
  readonly aim: HoldAim
  /** Bytes: the name of the stream there, which nobody finds who is not permitted to come back to it. */
  readonly key: Buffer
  /** Bytes: whose it is, so that those of one person are counted together. */
  readonly person: Buffer
}

/** How long a client may be gone. */
export const longestAway: Milliseconds = 10 * 60_000

/** In bytes. */
export const keyLength = 32
export const personLength = 16

/** For how long there has been such a stream, and since when nothing new has passed. */
export interface HeldFor {
  readonly age: Milliseconds
  readonly idle: Milliseconds
}

export interface HoldWish extends HoldWords {
  /** Ahead of the connection: it is held. Otherwise it is like any other, and ends with it. */
  readonly onHeld: (held: HeldFor) => void
}

/** There is no such stream, for whoever asks. */
export class StreamGone extends Error {
  override readonly name = 'StreamGone'
  readonly code = 'EGONE'

  constructor() {
    super('there is no such stream')
  }
}
