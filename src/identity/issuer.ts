/**
 * One configured issuer: everything that is asked of it. Its answers are values; `issuer_unavailable` is thrown only where there is no answer at all.
 * Knows nothing of browsers, cookies and sessions.
 */

import * as oidc from 'openid-client'
import { GatewayError } from '#errors.ts'
import type { Clock, Milliseconds } from '#lib/clock.ts'
import type { Log } from '#observe/log.ts'
import type { Secret } from '#settings/secret.ts'
import type { IssuerSettings } from '#settings/settings.ts'
import { mostClockDifference } from './clock-difference.ts'
import { issuerKeys, type Signature } from './issuer-keys.ts'
import { type IssuerMetadata, issuerMetadata } from './issuer-metadata.ts'
import { failureOf, type IssuerFailure } from './login-fault.ts'
import type { IssuerTokens } from './session-tokens.ts'
import { type Refreshed, tokensOf, type Vouched, vouchAnew, vouchForLogin } from './vouching.ts'

export interface IssuerOptions {
  readonly settings: IssuerSettings
  /** Absent: a public client. */
  readonly clientSecret: Secret | undefined
  /** Where the issuer sends browsers back to. */
  readonly redirectUri: string
  readonly fetch: oidc.CustomFetch
  readonly clock: Clock
  readonly log: Log
}

export interface AuthorizationRequest {
  readonly state: string
  readonly nonce: string
  readonly verifier: string
  /** Ask nothing of the person: answer or refuse (`prompt=none`). */
  readonly isSilent: boolean
}

export interface Issuer {
  readonly settings: IssuerSettings
  /** Throws `issuer_unavailable`, as everything here that asks the issuer about itself. */
  metadata: IssuerMetadata
  authorizationUrl(request: AuthorizationRequest): Promise<URL>
  /** `query`: of the callback, with `code` and `state`. */
  redeem(
    query: URLSearchParams,
    expected: { readonly state: string; readonly nonce: string; readonly verifier: string },
  ): Promise<Vouched | IssuerFailure>
  /** `subject`: whom the new tokens must be about. */
  refresh(refreshToken: Secret, subject: string): Promise<Refreshed>
  /** RFC 7009; does nothing where the issuer can't. */
  revoke(token: Secret): Promise<void>
  /** OpenID Connect RP-Initiated Logout 1.0; `undefined` where the issuer has none. */
  logoutUrl(parameters: {
    readonly idTokenHint?: Secret | undefined
    readonly returnTo: string
    readonly state: string
  }): Promise<URL | undefined>
  verifySignature(token: string): Promise<Signature>
}

/** How long an answer counts as a sign of life. */
const provedAlive: Milliseconds = 15_000

export function createIssuer(options: IssuerOptions): Issuer {
  return new ConfiguredIssuer(options)
}

class ConfiguredIssuer implements Issuer {
  readonly settings: IssuerSettings
  readonly metadata: IssuerMetadata
  readonly #options: IssuerOptions
  readonly #keys: ReturnType<typeof issuerKeys>

  constructor(options: IssuerOptions) {
    this.#options = options
    this.settings = options.settings
    this.metadata = issuerMetadata(options)
    this.#keys = issuerKeys({ clock: options.clock, load: () => this.#loadKeys() })
  }

  async authorizationUrl(request: AuthorizationRequest): Promise<URL> {
    // A browser that is sent to a dead issuer sees an error that nobody can explain to it.
    await this.metadata({ within: provedAlive })
    return oidc.buildAuthorizationUrl(await this.#client(), {
      redirect_uri: this.#options.redirectUri,
      scope: this.settings.scopes.join(' '),
      state: request.state,
      nonce: request.nonce,
      code_challenge: await oidc.calculatePKCECodeChallenge(request.verifier),
      code_challenge_method: 'S256',
      ...(request.isSilent ? { prompt: 'none' } : {}),
    })
  }

  async redeem(
    query: URLSearchParams,
    expected: { readonly state: string; readonly nonce: string; readonly verifier: string },
  ): Promise<Vouched | IssuerFailure> {
    const callback = new URL(this.#options.redirectUri)
    callback.search = query.toString()
    try {
      const client = await this.#client()
      const answer = await oidc.authorizationCodeGrant(client, callback, {
        expectedState: expected.state,
        expectedNonce: expected.nonce,
        pkceCodeVerifier: expected.verifier,
        idTokenExpected: true,
      })
      return await vouchForLogin(answer, { ...this.#vouching(client), code: query.get('code') ?? undefined })
    } catch (error) {
      return failureOf(error)
    }
  }

  async refresh(refreshToken: Secret, subject: string): Promise<Refreshed> {
    let tokens: IssuerTokens | undefined
    try {
      const client = await this.#client()
      const answer = await oidc.refreshTokenGrant(client, refreshToken.reveal())
      tokens = tokensOf(answer)
      return await vouchAnew(answer, { ...this.#vouching(client), subject })
    } catch (error) {
      return { ...failureOf(error), ...(tokens === undefined ? {} : { tokens }) }
    }
  }

  async revoke(token: Secret): Promise<void> {
    const { revocation_endpoint: endpoint } = await this.metadata()
    if (endpoint !== undefined) await oidc.tokenRevocation(await this.#client(), token.reveal())
  }

  async logoutUrl(parameters: {
    readonly idTokenHint?: Secret | undefined
    readonly returnTo: string
    readonly state: string
  }): Promise<URL | undefined> {
    const { end_session_endpoint: endpoint } = await this.metadata()
    if (endpoint === undefined) return undefined
    const { idTokenHint, returnTo, state } = parameters
    return oidc.buildEndSessionUrl(await this.#client(), {
      post_logout_redirect_uri: returnTo,
      state,
      ...(idTokenHint === undefined ? {} : { id_token_hint: idTokenHint.reveal() }),
    })
  }

  verifySignature(token: string): Promise<Signature> {
    return this.#keys.verify(token)
  }

  /** Made anew each time, because how far our clock is from the machine's is fixed when it is made. */
  async #client(): Promise<oidc.Configuration> {
    const { settings, clientSecret, clock, fetch } = this.#options
    const metadata = await this.metadata()
    // `openid-client` reads the machine's time; this is what lies between it and ours, 0 outside tests.
    const skew = Math.round((clock.now() - Date.now()) / 1000)
    const client = new oidc.Configuration(
      metadata,
      settings.clientId,
      { [oidc.clockSkew]: skew, [oidc.clockTolerance]: mostClockDifference / 1000 },
      authentication(metadata, clientSecret),
    )
    client[oidc.customFetch] = fetch
    if (settings.isHttpAllowed) oidc.allowInsecureRequests(client)
    return client
  }

  #vouching(client: oidc.Configuration) {
    return { client, settings: this.settings, keys: this.#keys, now: this.#options.clock.now() }
  }

  async #loadKeys(): Promise<unknown> {
    const { jwks_uri: uri = '' } = await this.metadata()
    if (!uri.startsWith('https:') && !this.settings.isHttpAllowed) throw unusableKeys(uri)
    const answer = await this.#options.fetch(uri, {
      method: 'GET',
      headers: { accept: 'application/json' },
      body: null,
      redirect: 'manual',
    })
    if (answer.status !== 200) throw unusableKeys(`status ${answer.status}`)
    return answer.json()
  }
}

/** RFC 7591 section 2: `client_secret_basic` is the default; `openid-client` would send the secret in the body. */
function authentication(metadata: oidc.ServerMetadata, secret: Secret | undefined): oidc.ClientAuth {
  if (secret === undefined) return oidc.None()
  const offered = metadata.token_endpoint_auth_methods_supported
  const isBasic = offered === undefined || offered.includes('client_secret_basic')
  return isBasic ? oidc.ClientSecretBasic(secret.reveal()) : oidc.ClientSecretPost(secret.reveal())
}

function unusableKeys(detail: string): GatewayError {
  return new GatewayError('issuer_unavailable', `the issuer's keys can't be had: ${detail}`)
}
