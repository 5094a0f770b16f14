/**
 * How much one identity, and one address of somebody unknown, may ask for: new requests, logins, and what is open at once. Decides from what it has
 * counted and waits for nothing; who refuses, and in which form, is somebody else's affair. Lives as long as the process, whatever becomes of its settings.
 */
import { addressBlock } from '#http/address-block.ts'
import type { Clock, Milliseconds } from '#lib/clock.ts'
import { RateLimiter } from '#lib/rate-limiter.ts'
import { type Counted, Tallies } from '#lib/tallies.ts'
import type { LimitName } from '#observe/metrics.ts'
import type { Problem } from '#surface/problem.ts'

export interface TurnstileLimits {
  /** A second, on average over ten. */
  readonly requestsPerIdentity: number
  /** A second, on average over ten; of those who are not logged in. */
  readonly requestsPerAddress: number
  /** A minute. */
  readonly loginsPerAddress: number
  /** At once: requests under way, event streams, WebSockets. */
  readonly streamsPerIdentity: number
}

export interface TurnstileParts {
  readonly limits: TurnstileLimits
  /** Addresses that stand for many: this machine's own, and those of trusted proxies. */
  readonly isExempt: (address: string) => boolean
  readonly clock: Pick<Clock, 'now'>
}

/** Too much of something, of somebody. */
export interface Excess {
  readonly limit: LimitName
  /** The username or the address it was counted for. */
  readonly of: string
  readonly retryAfter: Milliseconds
}

export interface Comer {
  /** After trusted hops. */
  readonly client: string
  /** As mapped; `undefined` for who is not known to be logged in. */
  readonly username: string | undefined
  /** Its connection is one too many of its address. */
  readonly isCrowded: boolean
  /** It begins, goes on with or ends a login. */
  readonly isLogin: boolean
}

/** Somebody who goes beyond for a moment, such as a page with hundreds of files, is not held up. */
const requestWindow: Milliseconds = 10_000
const loginWindow: Milliseconds = 60_000
/** Nobody can tell when somebody closes something. */
const untilSomethingCloses: Milliseconds = 10_000

export class Turnstile {
  readonly #parts: TurnstileParts
  readonly #byIdentity: RateLimiter
  readonly #byAddress: RateLimiter
  readonly #logins: RateLimiter
  readonly #open = new Tallies()

  constructor(parts: TurnstileParts) {
    const { limits, clock } = parts
    this.#parts = parts
    const perTenSeconds = (most: number) => new RateLimiter({ most: most * 10, window: requestWindow, clock })
    this.#byIdentity = perTenSeconds(limits.requestsPerIdentity)
    this.#byAddress = perTenSeconds(limits.requestsPerAddress)
    this.#logins = new RateLimiter({ most: limits.loginsPerAddress, window: loginWindow, clock })
  }

  /** Counts one more request. `undefined`: it may come in. */
  stops({ client, username, isCrowded, isLogin }: Comer): Excess | undefined {
    if (isCrowded) return { limit: 'connections', of: client, retryAfter: untilSomethingCloses }
    if (username !== undefined && !isLogin) return excess('requests', username, this.#byIdentity.take(username))
    if (this.#parts.isExempt(client)) return undefined
    const block = addressBlock(client)
    const login = isLogin ? excess('logins', block, this.#logins.take(block)) : undefined
    return login ?? excess('requests', block, this.#byAddress.take(block))
  }

  /** May this identity have one more open? */
  stopsOpening(username: string): Excess | undefined {
    if (this.#open.count(username) < this.#parts.limits.streamsPerIdentity) return undefined
    return { limit: 'streams', of: username, retryAfter: untilSomethingCloses }
  }

  /** One more is open, until it leaves. */
  open(username: string): Counted {
    return this.#open.enter(username)
  }
}

function excess(limit: LimitName, of: string, retryAfter: Milliseconds): Excess | undefined {
  return retryAfter === 0 ? undefined : { limit, of, retryAfter }
}

const titles: { readonly [Limit in LimitName]: string } = {
  connections: 'There are too many connections from your address.',
  requests: 'That was too much at once.',
  logins: 'Too many people try to log in from your address.',
  streams: 'You have too much open at once.',
  tunnels: 'There are as many tunnels open as there may be.',
}

export function problemOfExcess({ limit }: Excess): Problem {
  return { code: `too_many_${limit}`, status: 429, title: titles[limit], detail: 'Please try again in a moment.' }
}

/** Flat. In whole seconds (RFC 9110 section 10.2.3). */
export function retryFields({ retryAfter }: Excess): readonly string[] {
  return ['Retry-After', String(Math.max(1, Math.ceil(retryAfter / 1000)))]
}
