/**
 * So many connections to one upstream are being opened at once; the others wait for their turn, first come, first served. When an app has come back,
 * thousands of clients do so within a second: more than its listener has room for would be dropped by the system, and tried again seconds later.
 * A connection that somebody else has done with ends the wait as well.
 */
import type { GatewayError } from '#errors.ts'
import type { UpstreamConnection } from './upstream-connection.ts'

/** Who waits to be let through. */
export interface Dialer {
  /** It is its turn; when its connection is there, or will never be, the gate is told. */
  go(): void
  /** Nobody gets through: those before it have waited in vain. */
  giveUp(error: GatewayError): void
  /** Somebody has done with this connection, and it need not dial. Absent where only a new one will do. */
  readonly use?: (connection: UpstreamConnection) => void
}

/** Python's and Go's servers have room for 128 that they have not accepted yet. */
const mostAtOnce = 64

interface Line {
  underWay: number
  /** In their order. */
  readonly waiting: Set<Dialer>
  /** Those of them that a connection which was used before will do for. */
  readonly sharing: Set<Dialer>
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
    if (dialer.use) line.sharing.add(dialer)
    return false
  }

  /** One of those that were let through has its connection, or has none. */
  leave(key: string): void {
    const line = this.#lines.get(key)
    if (!line) return
    line.underWay -= 1
    const [next] = line.waiting
    if (next) {
      remove(line, next)
      line.underWay += 1
      next.go()
    } else if (line.underWay === 0) this.#lines.delete(key)
  }

  /** Whether anybody waits for whom a connection that was used before will do. */
  isWaitedFor(key: string): boolean {
    return (this.#lines.get(key)?.sharing.size ?? 0) > 0
  }

  /** Who has waited longest of those that may take it does: else whoever comes later would, and those who wait would starve. */
  offer(key: string, connection: UpstreamConnection): boolean {
    const line = this.#lines.get(key)
    if (line === undefined) return false
    const [next] = line.sharing
    if (next?.use === undefined) return false
    remove(line, next)
    next.use(connection)
    return true
  }

  /** It waits no longer. `false`: it was let through before. */
  withdraw(key: string, dialer: Dialer): boolean {
    const line = this.#lines.get(key)
    return line !== undefined && remove(line, dialer)
  }

  /** Nobody answers there in time: neither will anybody for those who have waited meanwhile. */
  giveUp(key: string, error: GatewayError): void {
    const line = this.#lines.get(key)
    const waiting = [...(line?.waiting ?? [])]
    line?.waiting.clear()
    line?.sharing.clear()
    for (const dialer of waiting) dialer.giveUp(error)
  }

  #begin(key: string): Line {
    const line = { underWay: 0, waiting: new Set<Dialer>(), sharing: new Set<Dialer>() }
    this.#lines.set(key, line)
    return line
  }
}

function remove({ waiting, sharing }: Line, dialer: Dialer): boolean {
  sharing.delete(dialer)
  return waiting.delete(dialer)
}
