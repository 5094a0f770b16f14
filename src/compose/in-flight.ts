/** Answers that are on their way. */
interface Answering {
  once(event: 'close', listener: () => void): unknown
}

export class InFlight<T extends Answering> {
  readonly #answers = new Set<T>()
  readonly #waiting = new Set<() => void>()

  /** Until it closes, which is told as well: an answer has room for few who listen. */
  add(answer: T, onClose: () => void): void {
    this.#answers.add(answer)
    answer.once('close', () => {
      this.#answers.delete(answer)
      onClose()
      if (this.#answers.size > 0) return
      for (const go of this.#waiting) go()
      this.#waiting.clear()
    })
  }

  /** Settles when there are none. */
  idle(): Promise<void> {
    if (this.#answers.size === 0) return Promise.resolve()
    return new Promise((resolve) => void this.#waiting.add(resolve))
  }
}
