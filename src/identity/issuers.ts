/** The issuers of the settings. */
import { readFile } from 'node:fs/promises'
import type { LookupFunction } from 'node:net'
import { GatewayError } from '#errors.ts'
import type { Clock, Milliseconds } from '#lib/clock.ts'
import type { Log } from '#observe/log.ts'
import type { Secret } from '#settings/secret.ts'
import type { IssuerSettings } from '#settings/settings.ts'
import { createIssuer, type Issuer } from './issuer.ts'
import { issuerFetch } from './issuer-fetch.ts'

export interface Issuers {
  readonly all: readonly Issuer[]
  /** By the id in the settings. */
  byId(id: string): Issuer | undefined
  /** By the issuer's own name, as sessions and tokens carry it. */
  byUrl(issuer: string): Issuer | undefined
}

export interface IssuersOptions {
  readonly settings: readonly IssuerSettings[]
  /** By id. */
  readonly clientSecrets: ReadonlyMap<string, Secret>
  /** Where issuers send browsers back to. */
  readonly redirectUri: string
  readonly lookup: LookupFunction
  readonly clock: Clock
  readonly log: Log
  readonly signal: AbortSignal
  /** For a whole answer of an issuer; 10 s. */
  readonly hangLimit?: Milliseconds
}

/** Asks nothing of anybody yet. Throws `invalid_settings` for a CA file that can't be read. */
export async function openIssuers(options: IssuersOptions): Promise<Issuers> {
  const all = await Promise.all(
    options.settings.map(async (settings) =>
      createIssuer({
        settings,
        clientSecret: options.clientSecrets.get(settings.id),
        redirectUri: options.redirectUri,
        fetch: issuerFetch({ ...options, ca: await readCa(settings) }),
        clock: options.clock,
        log: options.log,
      }),
    ),
  )
  const ids = new Map(all.map((issuer) => [issuer.settings.id, issuer]))
  const urls = new Map(all.map((issuer) => [issuer.settings.issuer, issuer]))
  return { all, byId: (id) => ids.get(id), byUrl: (url) => urls.get(url) }
}

async function readCa({ id, caFile }: IssuerSettings): Promise<string | undefined> {
  if (caFile === undefined) return undefined
  try {
    return await readFile(caFile, 'utf8')
  } catch (cause) {
    throw new GatewayError('invalid_settings', `issuer ${id}: the CA file ${caFile} can't be read`, { cause })
  }
}
