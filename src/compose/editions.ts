/**
 * Puts one edition of the settings after the other in force, while everything that is asked and open goes on: the next one is made whole beside the one
 * in force, takes its place at once, and only then the one before ends. A new edition that can't be made leaves everything as it was.
 *
 * What was forwarded or upgraded under an earlier edition lives on, wherever its URL has gone meanwhile, for as long as the edition in force lets its
 * session use its workspace; so a new domain, or another routing, ends nobody's work. Sessions live on as well, but cookies are good for the host alone
 * that they were given to: under a new domain browsers come by the issuer again.
 */
import { isDeepStrictEqual } from 'node:util'
import { Unsettled } from '#gateway/unsettled.ts'
import { endUntrusted } from '#identity/trust.ts'
import { type Milliseconds, sleep } from '#lib/clock.ts'
import { insecureChoices } from '#settings/insecure.ts'
import type { Edition } from '#settings/managed.ts'
import { problemPages } from '#ui/pages/problem.ts'
import { Entrance } from './entrance.ts'
import { type Front, openFront } from './front.ts'
import type { State } from './state.ts'

/** Longer than any answer of an issuer takes: a renewal under way is neither cut off nor lost. */
const leastAfterlife: Milliseconds = 15_000

interface InForce {
  readonly edition: Edition
  readonly front: Front
  readonly deciding: Disposable
}

export class Editions {
  readonly entrance: Entrance
  readonly #state: State
  readonly #underWay = new Set<Promise<void>>()
  #inForce: InForce | undefined

  constructor(state: State) {
    this.#state = state
    const { settings } = state.ground
    const renderPage = problemPages({ externalScheme: settings.external.scheme, home: '/' })
    this.entrance = new Entrance(new Unsettled({ ...state, renderPage }))
  }

  /** Of the edition in force; `undefined` before the first. */
  get front(): Front | undefined {
    return this.#inForce?.front
  }

  /** One at a time. Throws `invalid_settings`: then nothing has changed. */
  async apply(edition: Edition): Promise<void> {
    const before = this.#inForce
    if (before && isDeepStrictEqual(before.edition.settings, edition.settings) && isSameFront(before.edition, edition))
      return
    // Who is locked concerns nobody else, and no part of the front.
    if (before && isSameFront(before.edition, edition)) this.#inForce = { ...before, edition }
    else this.#replace(await openFront(this.#state, edition), edition)
    const { keeping, machines } = this.#state
    const locking = keeping.sessions.setLocked(edition.settings.locked)
    machines.endLocked()
    await locking
  }

  /** For who ends the process: all of it ends at once. */
  async end(): Promise<void> {
    const last = this.#inForce
    last?.deciding[Symbol.dispose]()
    await Promise.all([last?.front.end(), ...this.#underWay])
  }

  /** No answer comes from two editions, and nothing is decided by none: all of this happens at once. */
  #replace(front: Front, edition: Edition): void {
    const before = this.#inForce
    before?.deciding[Symbol.dispose]()
    before?.front.gateway.handOver(front.gateway)
    this.entrance.leadTo(front.gateway)
    this.#state.present.become({ site: front.site, issuers: front.identities.issuers })
    this.#inForce = { edition, front, deciding: front.decideChanges() }
    if (before) this.#track(this.#retire(before.front))
    else this.#state.workspaces.follow()
    this.#track(this.#endUntrusted())
    this.#sayInsecure(edition, before?.edition)
    front.decideAllLive()
  }

  /** What is asked of it comes to its end, within the grace. */
  async #retire(front: Front): Promise<void> {
    const { settings, clock, signal } = this.#state.ground
    front.endNews()
    // Ended by the signal, the wait is over as well.
    await sleep(clock, leastAfterlife, signal).catch(() => undefined)
    await Promise.race([front.idle(), sleep(clock, settings.drain.grace, signal)]).catch(() => undefined)
    await front.end()
  }

  async #endUntrusted(): Promise<void> {
    const { keeping, ground } = this.#state
    await keeping.sessions.ready
    const inForce = this.#inForce
    if (inForce) await endUntrusted({ ...keeping, log: ground.log }, inForce.edition.settings.oidc)
  }

  #track(work: Promise<void>): void {
    const { signal, log } = this.#state.ground
    const tracked = work
      .catch((error: unknown) => {
        if (!signal.aborted) log.error({ component: 'settings', error }, 'what follows a change of settings failed')
      })
      .finally(() => this.#underWay.delete(tracked))
    this.#underWay.add(tracked)
  }

  /** Those of the first edition are said at the start of the process. */
  #sayInsecure({ settings }: Edition, before: Edition | undefined): void {
    const { log, settings: started } = this.#state.ground
    const said = (before?.settings ?? started).insecure
    for (const { name, meaning } of insecureChoices(settings)) {
      if (!said.includes(name)) log.warn({ component: 'settings', name }, meaning)
    }
  }
}

function isSameFront(a: Edition, b: Edition): boolean {
  const unlocked = ({ settings }: Edition) => ({ ...settings, locked: [] })
  return isDeepStrictEqual(unlocked(a), unlocked(b)) && isDeepStrictEqual(revealed(a), revealed(b))
}

function revealed({ secrets: { clientSecrets } }: Edition): ReadonlyMap<string, string> {
  return new Map([...clientSecrets].map(([id, secret]) => [id, secret.reveal()]))
}
