/** Connections of those who have not shown yet whose they are: only so many at once, and only so many of one address. */
import type { Socket } from 'node:net'

const most = 256
export const mostOfOne = 16

export class Strangers {
  /** By the connection's two ends, their address. */
  readonly #addresses = new Map<string, string>()

  /** `false`: there are too many. Else it counts until it has left, or is closed. */
  admit(socket: Socket): boolean {
    const { remoteAddress = '' } = socket
    const ofOne = [...this.#addresses.values()].filter((address) => address === remoteAddress).length
    if (this.#addresses.size >= most || ofOne >= mostOfOne) return false
    const key = keyOf(socket)
    this.#addresses.set(key, remoteAddress)
    socket.once('close', () => this.#addresses.delete(key))
    return true
  }

  /** It has shown whose it is. The same connection may be another object by now. */
  leave(socket: Socket): void {
    this.#addresses.delete(keyOf(socket))
  }
}

function keyOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`
}
