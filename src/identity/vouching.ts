/** From a token endpoint's answer to the claims that the issuer vouches for: the signed ID token, completed from userinfo where that is needed. */
import { type Configuration, fetchUserInfo, type TokenEndpointResponse } from 'openid-client'
import type { Timestamp } from '#lib/clock.ts'
import { Secret } from '#settings/secret.ts'
import { type Claims, claimAt } from './claims.ts'
import { idTokenFault } from './id-token.ts'
import type { IssuerKeys } from './issuer-keys.ts'
import type { IssuerFailure, LoginFault } from './login-fault.ts'
import { type MappingRules, pointsElsewhereForGroups } from './mapping.ts'
import type { IssuerTokens } from './session-tokens.ts'

/** What the issuer vouches for. */
export interface Vouched {
  readonly kind: 'vouched'
  /** Of the ID token, with what userinfo adds. */
  readonly claims: Claims
  readonly tokens: IssuerTokens
}

export type Refreshed =
  | Vouched
  /** No ID token and no userinfo: the refresh token was good, and that is all that is known. */
  | { readonly kind: 'unchanged'; readonly tokens: IssuerTokens }
  /** `tokens`: given before the fault was found; the old refresh token may be used up. */
  | (IssuerFailure & { readonly tokens?: IssuerTokens })

export interface Vouching {
  readonly client: Configuration
  readonly settings: MappingRules & { readonly clientId: string }
  readonly keys: IssuerKeys
  readonly now: Timestamp
}

export function tokensOf(answer: TokenEndpointResponse): IssuerTokens {
  return {
    refreshToken: answer.refresh_token === undefined ? undefined : new Secret(answer.refresh_token),
    idToken: answer.id_token === undefined ? undefined : new Secret(answer.id_token),
  }
}

/** `code`: the authorization code that the answer is for. Throws what `openid-client` throws. */
export function vouchForLogin(
  answer: TokenEndpointResponse,
  vouching: Vouching & { readonly code: string | undefined },
): Promise<Vouched | IssuerFailure> {
  return vouch(answer, vouching)
}

/** For the answer to a refresh token of `subject`. */
export async function vouchAnew(
  answer: TokenEndpointResponse,
  vouching: Vouching & { readonly subject: string },
): Promise<Refreshed> {
  const tokens = tokensOf(answer)
  if (answer.id_token !== undefined) {
    const vouched = await vouch(answer, vouching)
    return vouched.kind === 'vouched' ? vouched : { ...vouched, tokens }
  }
  if (!hasUserInfo(vouching.client)) return { kind: 'unchanged', tokens }
  const claims = await fetchUserInfo(vouching.client, answer.access_token, vouching.subject)
  return { kind: 'vouched', claims, tokens }
}

async function vouch(
  answer: TokenEndpointResponse,
  vouching: Vouching & { readonly code?: string | undefined; readonly subject?: string },
): Promise<Vouched | IssuerFailure> {
  const signature = await vouching.keys.verify(answer.id_token ?? '')
  if (signature.kind === 'refused') return refused(signature.reason)
  const { claims, header } = signature
  const fault = idTokenFault(claims, {
    clientId: vouching.settings.clientId,
    algorithm: header.alg,
    accessToken: answer.access_token,
    code: vouching.code,
    now: vouching.now,
  })
  if (fault !== undefined) return refused(fault)
  if (vouching.subject !== undefined && claims.sub !== vouching.subject) return refused('token_subject')
  return { kind: 'vouched', claims: await completed(claims, answer.access_token, vouching), tokens: tokensOf(answer) }
}

function refused(reason: LoginFault): IssuerFailure {
  return { kind: 'refused', reason, detail: reason }
}

/** Asks userinfo where the ID token lacks what the mapping needs; what the ID token says, it says alone. */
async function completed(claims: Claims, accessToken: string, { client, settings }: Vouching): Promise<Claims> {
  const isComplete =
    claimAt(claims, settings.usernameClaim) !== undefined &&
    claimAt(claims, settings.groupsClaim) !== undefined &&
    !pointsElsewhereForGroups(claims, settings)
  if (isComplete || !hasUserInfo(client) || typeof claims.sub !== 'string') return claims
  const more: Claims = await fetchUserInfo(client, accessToken, claims.sub)
  // Whether an address is verified is said about the address beside it.
  const { email_verified: _other, ...rest } = more
  return 'email' in claims ? { ...rest, ...claims } : { ...more, ...claims }
}

function hasUserInfo(client: Configuration): boolean {
  return client.serverMetadata().userinfo_endpoint !== undefined
}
