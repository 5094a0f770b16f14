/** What an issuer says in the browser's URL, before any of it is used. */
import type { ServerMetadata } from 'openid-client'
import type { LoginFault } from './login-fault.ts'

/** Errors of a silent attempt that only say that the person has to be asked (OpenID Connect Core 1.0 section 3.1.2.6). */
const asksForPerson = new Set([
  'login_required',
  'interaction_required',
  'consent_required',
  'account_selection_required',
])

/** Parsers differ about which of two counts (RFC 6749 section 3.1 forbids them). */
export function hasRepeatedParameter(query: URLSearchParams): boolean {
  const names = [...query.keys()]
  return new Set(names).size < names.length
}

/** RFC 9207 section 2.4 comes before everything else: an answer of another issuer must not even tell us an error. */
export function authorizationFault(query: URLSearchParams, metadata: ServerMetadata): LoginFault | undefined {
  const iss = query.get('iss')
  if (iss === null && metadata.authorization_response_iss_parameter_supported === true) return 'issuer_missing'
  if (iss !== null && iss !== metadata.issuer) return 'issuer_mismatch'
  if (query.has('error')) return 'provider_error'
  return query.get('code') ? undefined : 'code_missing'
}

/** Did a silent attempt fail only because the person has to be asked? */
export function needsPerson(query: URLSearchParams): boolean {
  return asksForPerson.has(query.get('error') ?? '')
}
