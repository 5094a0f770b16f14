/**
 * The links that an agent keeps: two, each of which comes again after a while when it is gone. Which replica each leads to is the balancer's affair. Where both
 * have come to one, whose end would take the workspace away, another one is looked for: seldom, then ever more seldom, and nothing is given up before it is found.
 */
import { messageOf } from '#errors.ts'
import { backoff } from '#lib/backoff.ts'
import { type Clock, type Milliseconds, sleep } from '#lib/clock.ts'

/** One link, as whoever keeps it sees it. */
export interface KeptLink {
  /** By a word of the gateway's own. `undefined`: there is one replica alone, or a gateway that says none. */
  readonly replica: string | undefined
  /** Streams that are on it. */
  readonly size: () => number
  /** Nobody needs it any more. */
  readonly leave: () => void
  /** Why it has ended. */
  readonly closed: Promise<string>
}

export type Coming =
  | { readonly kind: 'open'; readonly link: KeptLink }
  | { readonly kind: 'refused'; readonly status: number }

export interface KeptLinksParts {
  /** Any replica but that one, which refuses it; to whichever it comes, when `undefined`. Rejects where none came about. */
  readonly open: (butNot: string | undefined) => Promise<Coming>
  /** One line, for people. */
  readonly say: (what: string) => void
  readonly clock: Clock
  /** Ends all of them. */
  readonly signal: AbortSignal
}

const links = [1, 2] as const
const delay = { first: 500, longest: 30_000 }
/** A link that stood for so long was no failure. */
const stood: Milliseconds = 10_000
/**
 * Looks for another replica. Thousands lose a link at the same instant, and where the balancer leads to one replica alone all of them look in vain: ten times in
 * the first hour or two, and once an hour from then on.
 */
const looking = { first: 10_000, longest: 3_600_000 }
/** Whether what is to be given up is idle. */
const betweenLooks: Milliseconds = 1_000

export class KeptLinks {
  readonly #parts: KeptLinksParts
  readonly #kept = new Map<number, KeptLink>()
  /** Was found at another replica: it takes the place of whichever ends first. */
  #spare: KeptLink | undefined
  #changed = Promise.withResolvers<void>()

  constructor(parts: KeptLinksParts) {
    this.#parts = parts
  }

  /** Settles when the signal has ended them. */
  async run(): Promise<void> {
    const { signal } = this.#parts
    const tell = () => this.#tell()
    signal.addEventListener('abort', tell, { once: true })
    await Promise.all([...links.map((number) => this.#keep(number)), this.#spread()])
    signal.removeEventListener('abort', tell)
  }

  async #keep(number: number): Promise<void> {
    const { clock, signal, say } = this.#parts
    const delays = backoff(delay)
    while (!signal.aborted) {
      const began = clock.now()
      const why = await this.#once(number).catch(messageOf)
      if (signal.aborted) return
      if (clock.now() - began >= stood) delays.reset()
      if (this.#spare) continue
      const pause = delays.next()
      say(`link ${number} is closed: ${why}; again in ${(pause / 1000).toFixed(1)} s`)
      await sleep(clock, pause, signal).catch(() => undefined)
    }
  }

  /** Why it has ended. Rejects where it did not come about. */
  async #once(number: number): Promise<string> {
    const link = this.#takeSpare()
    if (link) return this.#hold(number, link, 'is at another replica now')
    const coming = await this.#parts.open(undefined)
    if (coming.kind === 'refused') return `the gateway answered ${coming.status}`
    return this.#hold(number, coming.link, 'is open')
  }

  #takeSpare(): KeptLink | undefined {
    const spare = this.#spare
    this.#spare = undefined
    return spare
  }

  async #hold(number: number, link: KeptLink, what: string): Promise<string> {
    this.#parts.say(`link ${number} ${what}`)
    this.#kept.set(number, link)
    this.#tell()
    try {
      return await link.closed
    } finally {
      this.#kept.delete(number)
      this.#tell()
    }
  }

  /** Sees to it that they are at two replicas, where there are two. */
  async #spread(): Promise<void> {
    const { signal } = this.#parts
    const delays = backoff(looking)
    while (!signal.aborted) {
      const at = this.#sharedReplica()
      if (at === undefined) {
        delays.reset()
        await this.#changed.promise
      } else if (await this.#staysSo(delays.next(), () => this.#sharedReplica() === at)) {
        await this.#look(at)
      }
    }
  }

  /** Where both of them are. */
  #sharedReplica(): string | undefined {
    const [one, other] = [...this.#kept.values()]
    return one?.replica === other?.replica ? one?.replica : undefined
  }

  async #look(butNot: string): Promise<void> {
    const coming = await this.#parts.open(butNot).catch(() => undefined)
    if (coming?.kind === 'open') await this.#moveTo(coming.link)
  }

  /** What is under way is not cut: one of the others is given up once nothing is on it. */
  async #moveTo(found: KeptLink): Promise<void> {
    const isSpare = () => this.#spare === found
    this.#spare = found
    void found.closed.then(() => {
      if (isSpare()) this.#takeSpare()
      this.#tell()
    })
    let idle: KeptLink | undefined
    do idle = this.#idleOne()
    while (!idle && (await this.#staysSo(betweenLooks, isSpare)))
    idle?.leave()
    while (isSpare() && !this.#parts.signal.aborted) await this.#changed.promise
  }

  /** Of as many as there are to be: where one is gone already, none has to go. */
  #idleOne(): KeptLink | undefined {
    const kept = [...this.#kept.values()]
    return kept.length < links.length ? undefined : kept.find(({ size }) => size() === 0)
  }

  /** Waits for so long, or until it is so no more. */
  async #staysSo(span: Milliseconds, isSo: () => boolean): Promise<boolean> {
    const { clock, signal } = this.#parts
    let isDue = false
    using _timer = clock.after(span, () => {
      isDue = true
      this.#tell()
    })
    while (!isDue && isSo() && !signal.aborted) await this.#changed.promise
    return isSo() && !signal.aborted
  }

  #tell(): void {
    const { resolve } = this.#changed
    this.#changed = Promise.withResolvers()
    resolve()
  }
}
