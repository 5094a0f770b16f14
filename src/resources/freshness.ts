/**
 * How old what a reader knows may be. A list proves the moment it was asked for. After that, as long as nobody writes heartbeats, every sign of
 * life of the watch does: an event, a bookmark, an end that the server gave it. Once a heartbeat has come, heartbeats alone do: they were
 * written, stored and brought like whatever else has to come, so that a server which is alive but brings nothing is noticed.
 */
import { type Clock, type Milliseconds, OnwardDate, type Timestamp } from '#lib/clock.ts'

export class Freshness {
  readonly #date: OnwardDate
  #provenAt: Timestamp | undefined
  /** Since when the next heartbeat is awaited. */
  #awaitedSince: Timestamp | undefined

  constructor(clock: Clock) {
    this.#date = new OnwardDate(clock)
  }

  /** When a list is asked for, for {@link listed}. */
  get now(): Timestamp {
    return this.#date.now()
  }

  /** Since it was last proven that nothing is missing; infinite before the first list. */
  age(): Milliseconds {
    return this.#provenAt === undefined ? Number.POSITIVE_INFINITY : this.now - this.#provenAt
  }

  /** For how long the next heartbeat has been awaited; `undefined` while none is: nobody has written one, or those who did have stopped. */
  heartbeatAwaited(): Milliseconds | undefined {
    return this.#awaitedSince === undefined ? undefined : this.now - this.#awaitedSince
  }

  listed(askedAt: Timestamp): void {
    this.#provenAt = askedAt
  }

  heartbeat(): void {
    this.#provenAt = this.now
    this.#awaitedSince = this.#provenAt
  }

  signOfLife(): void {
    if (this.#awaitedSince === undefined) this.#provenAt = this.now
  }

  /** Nothing could come while there was no connection. */
  reconnected(): void {
    if (this.#awaitedSince !== undefined) this.#awaitedSince = this.now
  }

  /** None came: until the next one does, none is awaited. */
  missHeartbeat(): void {
    this.#awaitedSince = undefined
  }
}
