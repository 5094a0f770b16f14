/** The public keys of an issuer, and whether a token is signed with one of them. Says nothing about what the token claims. */
import { type CompactJWSHeaderParameters, compactVerify, createLocalJWKSet, decodeProtectedHeader, errors } from 'jose'
import Type from 'typebox'
import { GatewayError } from '#errors.ts'
import { type Clock, type Milliseconds, OnwardDate, type Timestamp } from '#lib/clock.ts'
import { checkerOf } from '#lib/schema.ts'
import { singleFlight } from '#lib/single-flight.ts'
import { type Claims, isClaims } from './claims.ts'
import { acceptedAlgorithms, algorithmFault, type TokenFault } from './login-fault.ts'

export type Signature =
  | { readonly kind: 'verified'; readonly header: CompactJWSHeaderParameters; readonly claims: Claims }
  | { readonly kind: 'refused'; readonly reason: TokenFault }

export interface IssuerKeys {
  /** Throws `issuer_unavailable` when the keys can't be had. */
  verify(token: string): Promise<Signature>
}

/** So long are keys good without asking; a key that the issuer takes back is refused after it at the latest. */
const freshFor: Milliseconds = 5 * 60_000
/** A token with an invented key makes us ask the issuer no more often than that. */
const pause: Milliseconds = 60_000

type KeySet = ReturnType<typeof createLocalJWKSet>

const checkKeySet = checkerOf(
  Type.Object({ keys: Type.Array(Type.Object({ kty: Type.String() }, { additionalProperties: true })) }),
)

/** `load` fetches the JSON of the key set (RFC 7517). */
export function issuerKeys(options: { readonly load: () => Promise<unknown>; readonly clock: Clock }): IssuerKeys {
  const { load, clock } = options
  const date = new OnwardDate(clock)
  const once = singleFlight<'keys', KeySet>()
  let known: { readonly set: KeySet; readonly at: Timestamp } | undefined
  let triedAt = Number.NEGATIVE_INFINITY

  const fetchKeys = () =>
    once('keys', async () => {
      triedAt = date.now()
      const checked = checkKeySet(await load())
      if (!checked.ok) throw new GatewayError('issuer_unavailable', "the issuer's keys are no JSON Web Key Set")
      known = { set: createLocalJWKSet(checked.value), at: triedAt }
      return known.set
    })
  const keys = async () => (known && date.now() - known.at < freshFor ? known.set : fetchKeys())

  return {
    async verify(token) {
      const fault = headerFault(token)
      if (fault !== undefined) return { kind: 'refused', reason: fault }
      const first = await verifyWith(await keys(), token)
      if (first.kind === 'verified' || first.reason !== 'token_unknown_key' || date.now() - triedAt < pause)
        return first
      return verifyWith(await fetchKeys(), token)
    },
  }
}

function headerFault(token: string): TokenFault | undefined {
  try {
    return algorithmFault(decodeProtectedHeader(token).alg)
  } catch {
    // Whatever is wrong with its form, it is no token.
    return 'token_malformed'
  }
}

async function verifyWith(keys: KeySet, token: string): Promise<Signature> {
  try {
    const { payload, protectedHeader } = await compactVerify(token, keys, { algorithms: [...acceptedAlgorithms] })
    const claims: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload))
    return isClaims(claims) ? { kind: 'verified', header: protectedHeader, claims } : refused('token_malformed')
  } catch (error) {
    return refused(signatureFault(error))
  }
}

function refused(reason: TokenFault): Signature {
  return { kind: 'refused', reason }
}

function signatureFault(error: unknown): TokenFault {
  if (error instanceof errors.JWKSNoMatchingKey) return 'token_unknown_key'
  if (error instanceof errors.JWKSMultipleMatchingKeys) return 'token_ambiguous_key'
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'token_signature'
  return 'token_malformed'
}
