/**
 * What an issuer says about itself (OpenID Connect Discovery 1.0): asked for when it is first needed, so that the gateway starts while the issuer
 * is down, and kept while it can't be asked again.
 */
import { allowInsecureRequests, type CustomFetch, customFetch, discovery, type ServerMetadata } from 'openid-client'
import { GatewayError, messageOf } from '#errors.ts'
import { backoff } from '#lib/backoff.ts'
import { type Clock, type Milliseconds, OnwardDate, type Timestamp } from '#lib/clock.ts'
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

/**
 * `within`: no older than this, or nothing; for before a browser is sent there. Without it, what was once known is good enough while the issuer is away.
 * Throws `issuer_unavailable`: at once, too, for a while after a try has failed, so that a dead issuer costs nobody a wait.
 */
export type IssuerMetadata = (options?: { readonly within: Milliseconds }) => Promise<ServerMetadata>

export function issuerMetadata(options: IssuerMetadataOptions): IssuerMetadata {
  const { log, settings } = options
  const date = new OnwardDate(options.clock)
  const once = singleFlight<'discovery', ServerMetadata>()
  const delays = backoff({ first: 1_000, longest: 30_000 })
  let known: { readonly metadata: ServerMetadata; readonly at: Timestamp } | undefined
  let failed: { readonly error: GatewayError; readonly until: Timestamp } | undefined

  const ask = async () => {
    try {
      const metadata = await discover(options)
      known = { metadata, at: date.now() }
      failed = undefined
      delays.reset()
      return metadata
    } catch (cause) {
      const error = new GatewayError('issuer_unavailable', `${settings.issuer}: ${deepestMessage(cause)}`, { cause })
      failed = { error, until: date.now() + delays.next() }
      log.warn({ component: 'identity', issuer: settings.id, error }, 'the issuer did not answer discovery')
      throw error
    }
  }
  const askUnlessPaused = () =>
    failed && date.now() < failed.until ? Promise.reject(failed.error) : once('discovery', ask)

  return async (options) => {
    if (known && date.now() - known.at < (options?.within ?? freshFor)) return known.metadata
    const asking = askUnlessPaused()
    if (!known || options !== undefined) return asking
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
  // The library lets a final slash pass; sessions and logout tokens are found by the exact name.
  if (metadata.issuer !== settings.issuer) throw new Error(`it calls itself ${metadata.issuer}`)
  const offered = metadata.id_token_signing_alg_values_supported ?? ['RS256']
  return Object.assign(metadata, {
    id_token_signing_alg_values_supported: offered.filter((algorithm) => acceptedAlgorithms.includes(algorithm)),
  })
}

function deepestMessage(error: unknown): string {
  return error instanceof Error && error.cause instanceof Error ? deepestMessage(error.cause) : messageOf(error)
}
