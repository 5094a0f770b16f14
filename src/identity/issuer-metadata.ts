/**
 * What an issuer says about itself (OpenID Connect Discovery 1.0): asked for when it is first needed, so that the gateway starts while the issuer
 * is down, and kept while it can't be asked again.
 */
import { allowInsecureRequests, type CustomFetch, customFetch, discovery, type ServerMetadata } from 'openid-client'
import { GatewayError, messageOf } from '#errors.ts'
import { backoff } from '#lib/backoff.ts'
import type { Clock, Milliseconds, Timestamp } from '#lib/clock.ts'
import { singleFlight } from '#lib/single-flight.ts'
import type { Log } from '#observe/log.ts'
import type { IssuerSettings } from '#settings/settings.ts'
import { acceptedAlgorithms } from './login-fault.ts'

export interface IssuerMetadataOptions {
  readonly settings: Pick<IssuerSettings, 'id' | 'issuer' | 'clientId' | 'isHttpAllowed'>
  readonly fetch: CustomFetch
  readonly clock: Clock
  readonly log: Log
}

/** How long it is used without asking again. */
const freshFor: Milliseconds = 60 * 60_000

/** Throws `issuer_unavailable`: at once, too, for a while after a try has failed, so that a dead issuer costs nobody a wait. */
export type IssuerMetadata = () => Promise<ServerMetadata>

export function issuerMetadata(options: IssuerMetadataOptions): IssuerMetadata {
  const { clock, log, settings } = options
  const once = singleFlight<'discovery', ServerMetadata>()
  const delays = backoff({ first: 1_000, longest: 30_000 })
  let known: { readonly metadata: ServerMetadata; readonly at: Timestamp } | undefined
  let failed: { readonly error: GatewayError; readonly until: Timestamp } | undefined

  const ask = async () => {
    try {
      const metadata = await discover(options)
      known = { metadata, at: clock.now() }
      failed = undefined
      delays.reset()
      return metadata
    } catch (cause) {
      const error = new GatewayError('issuer_unavailable', `${settings.issuer}: ${deepestMessage(cause)}`, { cause })
      failed = { error, until: clock.now() + delays.next() }
      log.warn({ component: 'identity', issuer: settings.id, error }, 'the issuer did not answer discovery')
      throw error
    }
  }
  return async () => {
    const now = clock.now()
    if (known && now - known.at < freshFor) return known.metadata
    if (failed && now < failed.until) {
      if (known) return known.metadata
      throw failed.error
    }
    const asking = once('discovery', ask)
    if (!known) return asking
    // What is known is good enough for this one; the failure has been logged.
    asking.catch(() => undefined)
    return known.metadata
  }
}

async function discover({ settings, fetch }: IssuerMetadataOptions): Promise<ServerMetadata> {
  const execute = settings.isHttpAllowed ? [allowInsecureRequests] : []
  const found = await discovery(new URL(settings.issuer), settings.clientId, undefined, undefined, {
    [customFetch]: fetch,
    execute,
  })
  const metadata = found.serverMetadata()
  const offered = metadata.id_token_signing_alg_values_supported ?? ['RS256']
  return Object.assign(metadata, {
    id_token_signing_alg_values_supported: offered.filter((algorithm) => acceptedAlgorithms.includes(algorithm)),
  })
}

function deepestMessage(error: unknown): string {
  return error instanceof Error && error.cause instanceof Error ? deepestMessage(error.cause) : messageOf(error)
}
