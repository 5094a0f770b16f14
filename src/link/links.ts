/** The links that agents have to this gateway, by the instance whose agent it is. */
import type { Duplex } from 'node:stream'
import { GatewayError } from '#errors.ts'
import type { HoldWish } from '#resume/hold.ts'
import type { GatewayEnd } from './gateway-end.ts'
import { type LinkClosing, linkCodes } from './link-socket.ts'

/** One link, as whoever accepted it holds it. */
export interface HeldLink {
  readonly end: Pick<GatewayEnd, 'open' | 'size' | 'hasRoom' | 'isGone'>
  close(closing: LinkClosing): void
}

/** Of one instance. */
export const mostLinks = 2

const displaced: LinkClosing = { code: linkCodes.away, reason: 'another link has taken its place' }

export class Links {
  readonly #links = new Map<string, readonly HeldLink[]>()

  get size(): number {
    return [...this.#links.values()].reduce((sum, links) => sum + links.length, 0)
  }

  has(instance: string): boolean {
    return this.#links.has(instance)
  }

  /** Of more than there may be, the oldest is closed: an agent that was cut off comes back before that is noticed here. */
  add(instance: string, link: HeldLink): void {
    const links = [...(this.#links.get(instance) ?? []), link]
    const leaving = links.splice(0, Math.max(0, links.length - mostLinks))
    this.#links.set(instance, links)
    for (const one of leaving) one.close(displaced)
  }

  delete(instance: string, link: HeldLink): void {
    const links = (this.#links.get(instance) ?? []).filter((one) => one !== link)
    if (links.length > 0) this.#links.set(instance, links)
    else this.#links.delete(instance)
  }

  /** By the link that has the least to do; by another one where it goes before the port was reached: nothing was sent to anybody. Throws `upstream_unreachable`. */
  async open(instance: string, port: number, signal: AbortSignal, wish?: HoldWish): Promise<Duplex> {
    const [least] = (this.#links.get(instance) ?? [])
      .filter(({ end }) => end.hasRoom)
      .toSorted((a, b) => a.end.size - b.end.size)
    if (!least) throw noAgent(this.has(instance))
    try {
      return await least.end.open(port, signal, wish)
    } catch (error) {
      if (!least.end.isGone || signal.aborted) throw error
      return await this.open(instance, port, signal, wish)
    }
  }

  /** All of the instance's, or everybody's. Nobody is led to them any more, however long they take to close. */
  close(closing: LinkClosing, instance?: string): void {
    const instances = instance === undefined ? [...this.#links.keys()] : [instance]
    for (const one of instances) {
      const links = this.#links.get(one) ?? []
      this.#links.delete(one)
      for (const link of links) link.close(closing)
    }
  }

  /** Those on which there is nothing. */
  closeIdle(closing: LinkClosing): void {
    for (const [instance, links] of [...this.#links]) {
      for (const link of links.filter(({ end }) => end.size === 0)) {
        this.delete(instance, link)
        link.close(closing)
      }
    }
  }
}

/** As the system says that a link was severed: nothing was sent to anybody, and waiting helps. */
export function noAgent(isBusy = false, why?: unknown): GatewayError {
  const message = isBusy ? 'its agent has as many connections as it may have' : 'its agent is not connected'
  const cause = Object.assign(new Error(message, { cause: why }), { code: isBusy ? 'EBUSY' : 'ENOLINK' })
  return new GatewayError('upstream_unreachable', message, { cause })
}
