/**
 * Small writes of one turn of the event loop, made together at its end. A write to somebody who sleeps has to wake him as well; whoever was woken by
 * the first of several finds the others at hand when he gets to look.
 */

/** Writes that wait for no more: those of thousands at once are not to be held up until all of them were read. */
const mostWaiting = 64

export class Outbox {
  #waiting: (() => void)[] = []

  /** `write` is called once, soon, and in the order of the calls. Whether it still has anybody to write to is its own concern. */
  add(write: () => void): void {
    const count = this.#waiting.push(write)
    if (count === 1) setImmediate(this.#flush)
    else if (count === mostWaiting) this.#flush()
  }

  readonly #flush = (): void => {
    const writes = this.#waiting
    this.#waiting = []
    for (const write of writes) {
      try {
        write()
      } catch (error) {
        // The others are somebody else's. It ends as it would have without them: as an exception that nobody caught.
        setImmediate(() => {
          throw error
        })
      }
    }
  }
}
