/** Why a login is refused: one reason for each fault, for the log, the audit and the page. */
import {
  AuthorizationResponseError,
  ClientError,
  ResponseBodyError,
  WWWAuthenticateChallengeError,
} from 'openid-client'
import { GatewayError, hasCode, messageOf } from '#errors.ts'
import { type Claims, isClaims } from './claims.ts'
import type { MappingFault } from './mapping.ts'

export type LoginFault =
  // The state that comes back with the browser.
  | 'state_missing'
  /** Not sealed by us, or changed on its way. */
  | 'state_foreign'
  | 'state_replayed'
  /** This browser brings no cookie back, though the login was started over: it doesn't keep any. */
  | 'cookies_refused'
  | 'parameter_repeated'
  // What the issuer answered in the browser.
  | 'provider_error'
  | 'issuer_missing'
  | 'issuer_mismatch'
  | 'code_missing'
  // What the token endpoint answered.
  /** An authorization code or refresh token that is unknown, used up, taken back or somebody else's. */
  | 'code_refused'
  /** Our client id and secret, or at userinfo the access token that it had just given us. */
  | 'client_refused'
  | 'token_refused'
  | 'issuer_answer_malformed'
  // The ID token.
  | TokenFault
  | 'id_token_missing'
  | 'id_token_nonce'
  | 'id_token_hash'
  /** The issuer renewed somebody else's login. */
  | 'token_subject'
  // The person.
  | 'userinfo_subject'
  | 'username_taken'
  /** Somebody else has logged in than the one who agreed to let a command line in. */
  | 'another_person'
  | 'locked'
  | MappingFault

/** What can be wrong with any token that an issuer signs. */
export type TokenFault =
  | 'token_malformed'
  | 'token_alg_none'
  /** HS256 and its kin: a "signature" that whoever knows the public key or the client's secret can make. */
  | 'token_alg_symmetric'
  | 'token_alg'
  | 'token_unknown_key'
  | 'token_ambiguous_key'
  | 'token_signature'
  | 'token_claim_missing'
  | 'token_issuer'
  | 'token_audience'
  | 'token_authorized_party'
  | 'token_expired'
  | 'token_not_yet_valid'
  | 'token_issued_in_future'

/** Signatures that only the issuer can make, and that are made today. */
export const acceptedAlgorithms: readonly string[] = ['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519']

export function algorithmFault(algorithm: unknown): TokenFault | undefined {
  if (typeof algorithm !== 'string') return 'token_malformed'
  if (algorithm.toLowerCase() === 'none') return 'token_alg_none'
  if (algorithm.startsWith('HS')) return 'token_alg_symmetric'
  return acceptedAlgorithms.includes(algorithm) ? undefined : 'token_alg'
}

export type IssuerFailure =
  | { readonly kind: 'refused'; readonly reason: LoginFault; readonly detail: string }
  /** `isSent`: the issuer may have acted on it. */
  | { readonly kind: 'unavailable'; readonly isSent: boolean; readonly detail: string }

/** What a failed call of `openid-client` or of the network means. */
export function failureOf(error: unknown): IssuerFailure {
  const known = knownFailure(error)
  if (known) return known
  const ours = causesOf(error).find((cause) => cause instanceof GatewayError)
  if (hasCode(ours, 'issuer_unavailable')) return unavailable(false, ours)
  if (hasCode(ours, 'issuer_refused')) return refused('issuer_answer_malformed', ours)
  return unavailable(true, causesOf(error).at(-1))
}

function knownFailure(error: unknown): IssuerFailure | undefined {
  if (error instanceof AuthorizationResponseError) return refused('provider_error', error.error)
  if (error instanceof ResponseBodyError) {
    if (error.status >= 500) return unavailable(true, error.error)
    return refused(bodyFaults.get(error.error) ?? 'token_refused', error.error)
  }
  if (error instanceof WWWAuthenticateChallengeError) return refused('client_refused', `status ${error.status}`)
  if (!(error instanceof ClientError) || error.code === undefined) return undefined
  if (error.cause instanceof Response && error.cause.status >= 500)
    return unavailable(true, `status ${error.cause.status}`)
  const reason = clientFault(error.code, detailsOf(error))
  return reason && refused(reason, error)
}

const bodyFaults: ReadonlyMap<string, LoginFault> = new Map([
  ['invalid_grant', 'code_refused'],
  ['invalid_client', 'client_refused'],
  ['unauthorized_client', 'client_refused'],
])

function refused(reason: LoginFault, detail: unknown): IssuerFailure {
  return { kind: 'refused', reason, detail: messageOf(detail) }
}

function unavailable(isSent: boolean, detail: unknown): IssuerFailure {
  return { kind: 'unavailable', isSent, detail: messageOf(detail) }
}

function causesOf(error: unknown): readonly unknown[] {
  const causes: unknown[] = []
  for (let cause: unknown = error; cause instanceof Error && causes.length < 8; cause = cause.cause) causes.push(cause)
  return causes
}

/** `openid-client` puts what it compared into the cause of the cause. */
function detailsOf(error: ClientError): Claims {
  const inner = error.cause instanceof Error ? error.cause.cause : undefined
  return isClaims(inner) ? inner : {}
}

/** `undefined`: a fault of the network or of this program, not of an answer. */
function clientFault(code: string, details: Claims): LoginFault | undefined {
  switch (code) {
    case 'OAUTH_JWT_CLAIM_COMPARISON_FAILED':
      return comparedClaims.get(String(details.claim)) ?? 'token_malformed'
    case 'OAUTH_JWT_TIMESTAMP_CHECK_FAILED':
      return details.claim === 'nbf' ? 'token_not_yet_valid' : 'token_expired'
    case 'OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED':
      return details.attribute === 'sub' ? 'userinfo_subject' : 'issuer_answer_malformed'
    case 'OAUTH_INVALID_RESPONSE':
      return invalidResponse(details)
    case 'OAUTH_UNSUPPORTED_OPERATION':
      return 'token_malformed'
    case 'OAUTH_PARSE_ERROR':
    case 'OAUTH_RESPONSE_IS_NOT_JSON':
    case 'OAUTH_RESPONSE_IS_NOT_CONFORM':
    case 'OAUTH_HTTP_REQUEST_FORBIDDEN':
    case 'OAUTH_REQUEST_PROTOCOL_FORBIDDEN':
    case 'OAUTH_INVALID_SERVER_METADATA':
    case 'OAUTH_MISSING_SERVER_METADATA':
      return 'issuer_answer_malformed'
    default:
      return undefined
  }
}

const comparedClaims: ReadonlyMap<string, LoginFault> = new Map([
  ['iss', 'token_issuer'],
  ['aud', 'token_audience'],
  ['azp', 'token_authorized_party'],
  ['nonce', 'id_token_nonce'],
])

function invalidResponse(details: Claims): LoginFault {
  const { header, claims, body } = details
  if (isClaims(header)) return algorithmFault(header.alg) ?? 'token_alg'
  if (isClaims(claims)) {
    const isMissing = (claim: string) => claims[claim] === undefined
    if (['iss', 'sub', 'aud', 'exp', 'iat'].some(isMissing)) return 'token_claim_missing'
    return isMissing('nonce') ? 'id_token_nonce' : 'token_malformed'
  }
  // Only the token endpoint's answer has an access token; userinfo's has no ID token to miss.
  if (isClaims(body) && body.access_token !== undefined && body.id_token === undefined) return 'id_token_missing'
  if (isClaims(body)) return 'issuer_answer_malformed'
  return 'token_malformed'
}
