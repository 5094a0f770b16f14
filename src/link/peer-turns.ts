/** Connections to one replica that are still being made: fewer at once than it takes of one that has not shown yet whose it is. The rest wait in order. */
import { mostOfOne } from './strangers.ts'

const most = mostOfOne / 2

interface Line {
  running: number
  readonly waiting: (() => void)[]
}

export class PeerTurns {
  readonly #lines = new Map<string, Line>()

  /** Resolves when it is its turn, to what ends the turn. Later calls of that change nothing. */
  async take(address: string): Promise<() => void> {
    const line = this.#lines.get(address) ?? { running: 0, waiting: [] }
    this.#lines.set(address, line)
    if (line.running < most) line.running += 1
    else await new Promise<void>((resolve) => line.waiting.push(resolve))
    let isOver = false
    return () => {
      if (!isOver) this.#pass(address, line)
      isOver = true
    }
  }

  /** To whoever is next, or to nobody. */
  #pass(address: string, line: Line): void {
    const next = line.waiting.shift()
    if (next) {
      next()
      return
    }
    line.running -= 1
    if (line.running === 0) this.#lines.delete(address)
  }
}
