/**
 * What passes through an opaque tunnel, by its size and its rhythm: SSH is encrypted, so that nobody can see what it is for. A client that says the
 * same number of bytes at the same distance in time again and again is a program that says it is alive, as VS Code does every five seconds and
 * OpenSSH with `ServerAliveInterval`. Several small messages out of step within a few seconds are somebody who types; much that passes is work; and
 * whatever else a client says can't be told, and counts as unknown. What a server says counts for nothing unless it is much.
 */
import type { Clock, Milliseconds, Timestamp } from '#lib/clock.ts'
import { type Sight, sight } from './sight.ts'

/** Hears what was seen; what is in the background is not told. */
export type SshListener = (seen: Sight) => void

const typed = sight('interactive', 'ssh:input')
const moved = sight('busy', 'ssh:transfer')
const unclear = sight('unknown', 'ssh:message')

/** Bytes of what may be one key, with what SSH puts around it. */
const longestKey = 256
/** Keys within this time are somebody's. */
const typingWindow: Milliseconds = 5_000
const leastKeys = 4
/** Bytes between two looks, twenty seconds apart. */
const muchFromClient = 65_536
const muchFromServer = 1_048_576
/** How far a heart may be out of step: a network's delays, and answers that are put off. */
const leastDrift: Milliseconds = 400
const relativeDrift = 0.1
/** A heart beats no faster. */
const shortestBeat: Milliseconds = 2_500
/** Sizes of messages whose rhythm is known; of more than that the one heard longest ago is forgotten. */
const mostSizes = 16
/** Two of one size may beat beside each other. */
const kept = 4

export class SshActivity {
  readonly #clock: Pick<Clock, 'now'>
  readonly #listen: SshListener
  /** By size: when the last of that size came, the newest last. */
  readonly #beats = new Map<number, number[]>()
  #keys: Timestamp[] = []
  #fromClient = 0
  #fromServer = 0

  constructor(clock: Pick<Clock, 'now'>, listen: SshListener) {
    this.#clock = clock
    this.#listen = listen
  }

  fromClient(bytes: number): void {
    this.#fromClient += bytes
    const now = this.#clock.now()
    if (this.#isBeat(bytes, now)) return
    if (bytes <= longestKey) this.#key(now)
    else this.#listen(unclear)
  }

  fromServer(bytes: number): void {
    this.#fromServer += bytes
  }

  /** To be called every twenty seconds. */
  look(): void {
    if (this.#fromClient >= muchFromClient || this.#fromServer >= muchFromServer) this.#listen(moved)
    this.#fromClient = 0
    this.#fromServer = 0
  }

  #key(now: Timestamp): void {
    this.#keys = [...this.#keys.filter((at) => now - at < typingWindow), now].slice(-leastKeys)
    this.#listen(this.#keys.length < leastKeys ? unclear : typed)
  }

  /** Does it come as long after the last one of its size, or the one before that, as that one came after its own? */
  #isBeat(size: number, now: Timestamp): boolean {
    const before = this.#beats.get(size) ?? []
    this.#beats.delete(size)
    this.#beats.set(size, [...before.slice(1 - kept), now])
    if (this.#beats.size > mostSizes) {
      const [oldest] = this.#beats.keys()
      if (oldest !== undefined) this.#beats.delete(oldest)
    }
    return isInStep([...before, now], 1) || isInStep([...before, now], 2)
  }
}

function isInStep(times: readonly Timestamp[], stride: number): boolean {
  const [last, middle, first] = [times.at(-1), times.at(-1 - stride), times.at(-1 - 2 * stride)]
  if (last === undefined || middle === undefined || first === undefined) return false
  const [one, other] = [middle - first, last - middle]
  return one >= shortestBeat && Math.abs(one - other) <= Math.max(leastDrift, one * relativeDrift)
}
