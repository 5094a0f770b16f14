/** How `oidc-provider` is set up here: one confidential first-party client kind, PKCE for everybody, nothing else switched on. */
import type { Adapter, Client, KoaContext } from 'oidc-provider'
import { Provider } from 'oidc-provider'
import type { RequestInit, Response } from 'undici'
import type { Secret } from '#settings/secret.ts'
import type { SigningKey } from './keys.ts'
import { logoutPage, messagePage } from './pages.ts'
import { claimsByScope, type People } from './people.ts'

/** A program that may log people in. It is first-party: nobody is asked for consent. */
export interface ProviderClient {
  readonly clientId: string
  /** For people. */
  readonly name: string
  readonly clientSecret: Secret
  readonly redirectUris: readonly string[]
  readonly postLogoutRedirectUris: readonly string[]
  /** Where logout tokens are sent (OpenID Connect Back-Channel Logout 1.0). */
  readonly backchannelLogoutUri?: string
}

export interface ProviderOptions {
  readonly issuer: string
  readonly port: number
  readonly clients: readonly ProviderClient[]
  readonly people: People
  readonly keys: readonly SigningKey[]
  readonly cookieKey: string
  readonly adapter: (model: string) => Adapter
  /** Reaches the clients' logout addresses. */
  readonly fetch: (url: string, options: RequestInit) => Promise<Response>
}

const minute = 60
const hour = 60 * minute
const day = 24 * hour

/** The path of the login page of one attempt. */
export const loginPath = (uid: string) => `/login/${uid}`

export function createProvider(options: ProviderOptions): Provider {
  const { people } = options
  // A browser sends the cookies of one host to all its ports, so the names carry the port.
  const cookie = (name: string) => `idp-${options.port}-${name}`
  const provider: Provider = new Provider(options.issuer, {
    adapter: options.adapter,
    clients: options.clients.map(clientMetadata),
    jwks: { keys: options.keys },
    claims: claimsByScope,
    scopes: ['openid', 'offline_access', 'profile', 'email', 'groups'],
    // The ID token carries what the scopes ask for, as most providers do it.
    conformIdTokenClaims: false,
    responseTypes: ['code'],
    cookies: {
      names: { session: cookie('session'), interaction: cookie('login'), resume: cookie('resume') },
      keys: [options.cookieKey],
      long: { signed: true, httpOnly: true, sameSite: 'lax', path: '/' },
      short: { signed: true, httpOnly: true, sameSite: 'lax' },
    },
    features: {
      devInteractions: { enabled: false },
      dPoP: { enabled: false },
      pushedAuthorizationRequests: { enabled: false },
      backchannelLogout: { enabled: true },
      revocation: { enabled: true, allowedPolicy: isOwnToken },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource: async (ctx: KoaContext, form: string) => html(ctx, logoutPage(form, isOwnLogout(ctx))),
        postLogoutSuccessSource: async (ctx: KoaContext) =>
          html(ctx, messagePage('Logged out', 'You are logged out of the identity provider.')),
      },
    },
    ttl: {
      AccessToken: hour,
      AuthorizationCode: minute,
      Grant: 14 * day,
      IdToken: hour,
      Interaction: hour,
      RefreshToken: 14 * day,
      Session: day,
    },
    pkce: { required: () => true },
    routes: {
      authorization: '/authorize',
      end_session: '/logout',
      jwks: '/jwks',
      revocation: '/revoke',
      token: '/token',
      userinfo: '/userinfo',
    },
    interactions: { url: (_ctx, interaction) => loginPath(interaction.uid) },
    clientAuthMethods: ['client_secret_basic', 'client_secret_post'],
    findAccount: async (_ctx, subject) => people.account(subject),
    loadExistingGrant: async (ctx) => grantOf(provider, ctx),
    issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    // Logging out here ends what was given out in that login.
    expiresWithSession: async () => true,
    rotateRefreshToken: true,
    renderError: async (ctx, out) =>
      html(ctx, messagePage('This login did not work', out.error_description ?? out.error)),
    fetch: options.fetch,
  })
  // It speaks plain HTTP on loopback alone: an issuer in https has a TLS end of this machine before it, which says what browsers asked for.
  provider.proxy = options.issuer.startsWith('https:')
  return provider
}

function clientMetadata(client: ProviderClient): object {
  return {
    client_id: client.clientId,
    client_secret: client.clientSecret.reveal(),
    redirect_uris: client.redirectUris,
    post_logout_redirect_uris: client.postLogoutRedirectUris,
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    ...(client.backchannelLogoutUri === undefined
      ? {}
      : { backchannel_logout_uri: client.backchannelLogoutUri, backchannel_logout_session_required: true }),
  }
}

/** The grant of this login for this client: made in silence, with every scope, the first time it is needed. */
async function grantOf(provider: Provider, ctx: KoaContext) {
  const { client, session, result } = ctx.oidc
  if (!client || session?.accountId === undefined) return undefined
  const known = result?.consent?.grantId ?? session.grantIdFor(client.clientId)
  const existing = known === undefined ? undefined : await provider.Grant.find(known)
  return existing ?? newGrant(provider, client, session.accountId)
}

async function newGrant(provider: Provider, client: Client, accountId: string) {
  const grant = new provider.Grant({ accountId, clientId: client.clientId })
  grant.addOIDCScope('openid offline_access profile email groups')
  await grant.save()
  return grant
}

/** Has the client shown an ID token of the person who is logged in? Then the logout needs no second question. */
function isOwnLogout(ctx: KoaContext): boolean {
  const subject = ctx.oidc.entities.IdTokenHint?.payload.sub
  return typeof subject === 'string' && subject === ctx.oidc.session?.accountId
}

async function isOwnToken(_ctx: KoaContext, client: Client, token: { readonly clientId: string }): Promise<boolean> {
  return token.clientId === client.clientId
}

function html(ctx: KoaContext, body: string): void {
  ctx.type = 'html'
  ctx.body = body
}
