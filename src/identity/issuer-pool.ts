/**
 * The issuers in use, shared by the settings in force and those they follow: one that stays what it is keeps what it has learnt of itself
 * and its connections, and ends when nobody uses it any more.
 */
import { readFile } from 'node:fs/promises'
import type { LookupFunction } from 'node:net'
import { isDeepStrictEqual } from 'node:util'
import { GatewayError } from '#errors.ts'
import type { Clock, Milliseconds } from '#lib/clock.ts'
import type { Log } from '#observe/log.ts'
import type { Secret } from '#settings/secret.ts'
import type { IssuerSettings } from '#settings/settings.ts'
import { createIssuer, type Issuer } from './issuer.ts'
import { issuerFetch } from './issuer-fetch.ts'

export interface IssuerPoolOptions {
  readonly lookup: LookupFunction
  readonly clock: Clock
  readonly log: Log
  /** Ends all of them. */
  readonly signal: AbortSignal
  /** For a whole answer of an issuer; 10 s. */
  readonly hangLimit?: Milliseconds
}

/** What makes an issuer what it is. */
export interface IssuerTerms {
  readonly settings: IssuerSettings
  /** Absent: a public client. */
  readonly clientSecret: Secret | undefined
  /** Where it sends browsers back to. */
  readonly redirectUri: string
}

/** Somebody's use of an issuer, until it is disposed. */
export interface IssuerLease extends Disposable {
  readonly issuer: Issuer
}

interface Pooled extends IssuerTerms {
  readonly ca: string | undefined
  readonly issuer: Issuer
  readonly ending: AbortController
  users: number
}

export class IssuerPool {
  readonly #options: IssuerPoolOptions
  readonly #pooled = new Set<Pooled>()

  constructor(options: IssuerPoolOptions) {
    this.#options = options
    const endAll = () => {
      for (const { ending } of this.#pooled) ending.abort()
    }
    options.signal.addEventListener('abort', endAll, { once: true })
  }

  /** Asks nothing of anybody yet. Throws `invalid_settings` for a CA file that can't be read. */
  async use(terms: IssuerTerms): Promise<IssuerLease> {
    const ca = await readCa(terms.settings)
    const pooled = [...this.#pooled].find((known) => isSame(known, terms, ca)) ?? this.#add(terms, ca)
    pooled.users += 1
    let isUsed = true
    return {
      issuer: pooled.issuer,
      [Symbol.dispose]: () => {
        if (isUsed) this.#release(pooled)
        isUsed = false
      },
    }
  }

  #add(terms: IssuerTerms, ca: string | undefined): Pooled {
    const ending = new AbortController()
    if (this.#options.signal.aborted) ending.abort()
    const fetch = issuerFetch({ ...this.#options, ca, signal: ending.signal })
    const { clock, log } = this.#options
    const pooled: Pooled = { ...terms, ca, ending, issuer: createIssuer({ ...terms, fetch, clock, log }), users: 0 }
    this.#pooled.add(pooled)
    return pooled
  }

  #release(pooled: Pooled): void {
    pooled.users -= 1
    if (pooled.users > 0) return
    this.#pooled.delete(pooled)
    pooled.ending.abort()
  }
}

function isSame(known: Pooled, terms: IssuerTerms, ca: string | undefined): boolean {
  return (
    known.redirectUri === terms.redirectUri &&
    known.ca === ca &&
    known.clientSecret?.reveal() === terms.clientSecret?.reveal() &&
    isDeepStrictEqual(known.settings, terms.settings)
  )
}

async function readCa({ id, caFile }: IssuerSettings): Promise<string | undefined> {
  if (caFile === undefined) return undefined
  try {
    return await readFile(caFile, 'utf8')
  } catch (cause) {
    throw new GatewayError('invalid_settings', `issuer ${id}: the CA file ${caFile} can't be read`, { cause })
  }
}
