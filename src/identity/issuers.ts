/** The issuers of the settings. */
import type { Secret } from '#settings/secret.ts'
import type { IssuerSettings } from '#settings/settings.ts'
import type { Issuer } from './issuer.ts'
import { type IssuerLease, IssuerPool, type IssuerPoolOptions } from './issuer-pool.ts'

export interface Issuers {
  readonly all: readonly Issuer[]
  /** By the id in the settings. */
  byId(id: string): Issuer | undefined
  /** By the issuer's own name, as sessions and tokens carry it. */
  byUrl(issuer: string): Issuer | undefined
}

export interface IssuerChoice {
  readonly settings: readonly IssuerSettings[]
  /** By id. */
  readonly clientSecrets: ReadonlyMap<string, Secret>
  /** Where issuers send browsers back to. */
  readonly redirectUri: string
}

export type IssuersOptions = IssuerPoolOptions & IssuerChoice

/** In use until disposed. */
export type LeasedIssuers = Issuers & Disposable

/** Asks nothing of anybody yet. Throws `invalid_settings` for a CA file that can't be read. */
export function openIssuers(options: IssuersOptions): Promise<LeasedIssuers> {
  return leaseIssuers(new IssuerPool(options), options)
}

/** As {@link openIssuers}; those that are in use already, and stay what they are, are not made anew. */
export async function leaseIssuers(pool: IssuerPool, choice: IssuerChoice): Promise<LeasedIssuers> {
  using taken = new DisposableStack()
  const leases: IssuerLease[] = []
  for (const settings of choice.settings) {
    const clientSecret = choice.clientSecrets.get(settings.id)
    leases.push(taken.use(await pool.use({ settings, clientSecret, redirectUri: choice.redirectUri })))
  }
  const all = leases.map(({ issuer }) => issuer)
  const ids = new Map(all.map((issuer) => [issuer.settings.id, issuer]))
  const urls = new Map(all.map((issuer) => [issuer.settings.issuer, issuer]))
  const kept = taken.move()
  return { all, byId: (id) => ids.get(id), byUrl: (url) => urls.get(url), [Symbol.dispose]: () => kept.dispose() }
}
