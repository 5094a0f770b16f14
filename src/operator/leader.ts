/**
 * One of several replicas does the work, by a Lease. Whether a lease has run out is judged by this replica's own clock alone, from the moment
 * it saw the lease change: clocks of two machines are never compared, and a date that is moved counts for nothing (client-go's leader election does
 * the same). The holder stops before anybody else may begin.
 */
import { hasCode, messageOf } from '#errors.ts'
import { type Clock, type Milliseconds, sleep, steadyOf } from '#lib/clock.ts'
import type { Log } from '#observe/log.ts'
import type { Resources } from '#resources/contract.ts'
import { reflect } from '#resources/reflect.ts'
import { type Lease, leaseKind, microTime } from './lease.ts'

export interface LeaderOptions {
  readonly resources: Resources
  readonly namespace: string
  /** Of the Lease. */
  readonly name: string
  /** Of this replica, unlike that of every other one, an earlier run of the same one included. */
  readonly holder: string
  readonly clock: Clock
  readonly log: Log
  readonly signal: AbortSignal
}

/** Without a renewal for so long, a lease is free. */
const duration: Milliseconds = 10_000
const renewEvery: Milliseconds = 3_000
/**
 * So long after it asked for what is in force, its holder has stopped; the difference is for what is under way. Others count from the write, of which its
 * holder knows no more than that it was no sooner than it was asked for: an answer may be late.
 */
const giveUpAfter: Milliseconds = 7_000
/** How often what is known is looked at; nobody is asked. */
const lookEvery: Milliseconds = 500
/** After a store that could not be written. */
const pauseAfterFault: Milliseconds = 2_000

/**
 * Does `work` whenever this replica holds the lease, until the signal ends it; its own signal tells that the lease was lost. Throws what `work`
 * throws, after giving the lease back.
 */
export async function lead(options: LeaderOptions, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const following = new AbortController()
  const candidate = new Candidate(options)
  const watching = candidate.follow(AbortSignal.any([options.signal, following.signal]))
  try {
    while (!options.signal.aborted) {
      const taken = candidate.mayTake() ? await candidate.take() : undefined
      if (taken) await candidate.hold(taken, work)
      // The signal ends the wait, and with it the loop.
      else await sleep(options.clock, lookEvery, options.signal).catch(() => undefined)
    }
  } finally {
    following.abort()
    await watching
  }
}

interface Seen {
  readonly lease: Lease | undefined
  /** When it was first seen so, by what is steady. */
  readonly at: Milliseconds
}

interface Taken {
  readonly lease: Lease
  /** Until then it is held without a renewal, by what is steady. */
  readonly until: Milliseconds
}

class Candidate {
  readonly #options: LeaderOptions
  #seen: Seen | undefined
  #pausedUntil = Number.NEGATIVE_INFINITY

  constructor(options: LeaderOptions) {
    this.#options = options
  }

  async follow(signal: AbortSignal): Promise<void> {
    const { resources, namespace, name, clock } = this.#options
    for await (const fact of reflect(resources, leaseKind, { namespace, clock, signal })) {
      switch (fact.type) {
        case 'synced':
          this.#see(fact.objects.find((lease) => lease.metadata.name === name))
          break
        case 'applied':
          if (fact.object.metadata.name === name) this.#see(fact.object)
          break
        case 'deleted':
          if (fact.object.metadata.name === name) this.#see(undefined)
          break
        case 'stale':
          // Whoever renews notices by himself; others can't take a lease they don't see.
          break
        default:
          break
      }
    }
  }

  mayTake(): boolean {
    const { holder } = this.#options
    const now = this.#now()
    if (!this.#seen || now < this.#pausedUntil) return false
    const { lease, at } = this.#seen
    const holding = lease?.spec.holderIdentity
    // Its own, where somebody else has touched the object meanwhile.
    return !holding || holding === holder || now - at >= duration
  }

  /** `undefined` when somebody else was faster, nobody can be asked, or the answer came too late to go by. */
  async take(): Promise<Taken | undefined> {
    const { holder, clock, log } = this.#options
    const previous = this.#seen?.lease
    const until = this.#now() + giveUpAfter
    const now = microTime(clock.now())
    try {
      const lease = await this.#write(previous, {
        holderIdentity: holder,
        leaseDurationSeconds: duration / 1000,
        acquireTime: now,
        renewTime: now,
        leaseTransitions: (previous?.spec.leaseTransitions ?? 0) + (previous ? 1 : 0),
      })
      if (this.#now() >= until) {
        log.warn({ component: 'leader', reason: 'late' }, 'a lease could not be taken in time')
        this.#pausedUntil = this.#now() + pauseAfterFault
        // Else it were held by nobody, and by the same again, for as long as answers are late.
        await this.#giveBack(lease)
        return undefined
      }
      log.info({ component: 'leader', name: this.#options.name }, 'this replica does the housekeeping')
      return { lease, until }
    } catch (error) {
      // Whoever was faster is told of by the watch.
      this.#pausedUntil = this.#now() + pauseAfterFault
      if (!isLost(error)) log.warn({ component: 'leader', reason: messageOf(error) }, 'a lease could not be taken')
      return undefined
    }
  }

  async hold(taken: Taken, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const { log, signal } = this.#options
    const term = new AbortController()
    const ending = AbortSignal.any([signal, term.signal])
    const renewing = this.#renew(taken, term, ending)
    try {
      await work(ending)
    } finally {
      term.abort()
      const last = await renewing
      if (last) await this.#giveBack(last)
      if (!signal.aborted) log.info({ component: 'leader' }, 'housekeeping is for another replica')
    }
  }

  /** The lease as it was last written; `undefined` once it is somebody else's. */
  async #renew(taken: Taken, term: AbortController, ending: AbortSignal): Promise<Lease | undefined> {
    const { clock, log } = this.#options
    let { lease } = taken
    let askedAt = taken.until - giveUpAfter
    const endOfTerm = () => clock.after(askedAt + giveUpAfter - this.#now(), () => term.abort())
    let deadline = endOfTerm()
    for (;;) {
      // Not from the answer: behind one that came late little is left of the term.
      const pause = Math.max(0, askedAt + renewEvery - this.#now())
      const isOver = await sleep(clock, pause, ending).then(
        () => false,
        () => true,
      )
      if (isOver) break
      askedAt = this.#now()
      try {
        lease = await this.#write(lease, { ...lease.spec, renewTime: microTime(clock.now()) })
        deadline[Symbol.dispose]()
        deadline = endOfTerm()
      } catch (error) {
        if (isLost(error)) {
          deadline[Symbol.dispose]()
          term.abort()
          return undefined
        }
        log.warn({ component: 'leader', reason: messageOf(error) }, 'a lease could not be renewed')
      }
    }
    deadline[Symbol.dispose]()
    return lease
  }

  async #giveBack(lease: Lease): Promise<void> {
    try {
      await this.#write(lease, { ...lease.spec, holderIdentity: '', renewTime: microTime(this.#options.clock.now()) })
    } catch (error) {
      // It runs out by itself.
      this.#options.log.debug({ component: 'leader', reason: messageOf(error) }, 'a lease could not be given back')
    }
  }

  async #write(previous: Lease | undefined, spec: Lease['spec']): Promise<Lease> {
    const { resources, namespace, name } = this.#options
    const written = previous
      ? await resources.replace(leaseKind, { ...previous, spec })
      : await resources.create(leaseKind, { metadata: { namespace, name }, spec })
    this.#see(written)
    return written
  }

  #see(lease: Lease | undefined): void {
    const known = this.#seen?.lease
    const isSame = this.#seen !== undefined && known?.metadata.resourceVersion === lease?.metadata.resourceVersion
    if (!isSame) this.#seen = { lease, at: this.#now() }
  }

  #now(): Milliseconds {
    return steadyOf(this.#options.clock)
  }
}

function isLost(error: unknown): boolean {
  return hasCode(error, 'conflict', 'not_found', 'already_exists')
}
