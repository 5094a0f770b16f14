/**
 * So many connections to one upstream are being opened at once; the others wait for their turn, first come, first served. When an app has come back,
 * thousands of clients do so within a second: more than its listener has room for would be dropped by the system, and tried again seconds later.
 */
import type { GatewayError } from '#errors.ts'

/** Who waits to be let through. */
export interface Dialer {
  /** It is its turn; when its connection is there, or will never be, the gate is told. */
  go(): void
  /** Nobody gets through: those before it have waited in vain. */
  giveUp(error: GatewayError): void
}

/** Python's and Go's servers have room for 128 that they have not accepted yet. */
const mostAtOnce = 64

interface Line {
  underWay: number
  readonly waiting: Set<Dialer>
}

export class DialGate {
  /** Of those upstreams that are being dialled. */
  readonly #lines = new Map<string, Line>()

  /** Lets it through at once where there is room; `false`: it waits. */
  enter(key: string, dialer: Dialer): boolean {
    const line = this.#lines.get(key) ?? this.#begin(key)
    if (line.underWay < mostAtOnce) {
      line.underWay += 1
      dialer.go()
      return true
    }
    line.waiting.add(dialer)
    return false
  }

  /** One of those that were let through has its connection, or has none. */
  leave(key: string): void {
    const line = this.#lines.get(key)
    if (!line) return
    line.underWay -= 1
    const [next] = line.waiting
    if (next) {
      line.waiting.delete(next)
      line.underWay += 1
      next.go()
    } else if (line.underWay === 0) this.#lines.delete(key)
  }

  /** It waits no longer. `false`: it was let through before. */
  withdraw(key: string, dialer: Dialer): boolean {
    return this.#lines.get(key)?.waiting.delete(dialer) ?? false
  }

  /** Nobody answers there in time: neither will anybody for those who have waited meanwhile. */
  giveUp(key: string, error: GatewayError): void {
    const waiting = [...(this.#lines.get(key)?.waiting ?? [])]
    this.#lines.get(key)?.waiting.clear()
    for (const dialer of waiting) dialer.giveUp(error)
  }

  #begin(key: string): Line {
    const line = { underWay: 0, waiting: new Set<Dialer>() }
    this.#lines.set(key, line)
    return line
  }
}
