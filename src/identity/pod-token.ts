/**
 * Tokens by which a pod says that it is that pod: projected ones of its ServiceAccount, which the API server binds to the pod by name and UID
 * (Kubernetes, "Bound service account tokens"). For one audience and no other, so that a token that was made for something else is worth nothing here.
 */
import { GatewayError } from '#errors.ts'
import type { Clock, Timestamp } from '#lib/clock.ts'
import { type Claims, isClaims } from './claims.ts'
import type { IssuerKeys } from './issuer-keys.ts'

export type PodTokenFault =
  | 'token_malformed'
  | 'token_signature'
  | 'token_issuer'
  | 'token_audience'
  | 'token_expired'
  | 'token_not_yet_valid'
  /** It is bound to no pod, or what it says of one does not agree with itself. */
  | 'token_of_no_pod'

export type PodVerdict =
  | { readonly kind: 'pod'; readonly namespace: string; readonly uid: string }
  | { readonly kind: 'refused'; readonly reason: PodTokenFault }

export interface PodTokens {
  /** Whether there is such a pod now is somebody else's question. Throws `issuer_unavailable`, `store_unavailable`. */
  verify(token: string, audience: string): Promise<PodVerdict>
}

export interface PodTokensOptions {
  readonly keys: IssuerKeys
  /** What the cluster's API server calls itself in tokens. Throws. */
  readonly issuer: () => Promise<string>
  readonly clock: Clock
}

const compactForm = /^[A-Za-z0-9_-]{1,4096}\.[A-Za-z0-9_-]{1,8192}\.[A-Za-z0-9_-]{1,2048}$/
/** How far the issuer's clock may be ahead of ours; never added to the end of a token. */
const clockTolerance = 30_000

export function openPodTokens({ keys, issuer, clock }: PodTokensOptions): PodTokens {
  return {
    async verify(token, audience) {
      if (!compactForm.test(token)) return refused('token_malformed')
      const signature = await keys.verify(token)
      if (signature.kind === 'refused') return refused('token_signature')
      return judgePod(signature.claims, { issuer: await issuer(), audience }, clock.now())
    },
  }
}

export function judgePod(
  claims: Claims,
  rules: { readonly issuer: string; readonly audience: string },
  now: Timestamp,
): PodVerdict {
  const { iss, aud, exp, nbf, iat } = claims
  if (iss !== rules.issuer) return refused('token_issuer')
  const audiences: readonly unknown[] = Array.isArray(aud) ? aud : [aud]
  if (audiences.length !== 1 || audiences[0] !== rules.audience) return refused('token_audience')
  if (typeof exp !== 'number' || exp * 1000 <= now) return refused('token_expired')
  for (const from of [iat, nbf ?? iat])
    if (typeof from !== 'number' || from * 1000 > now + clockTolerance) return refused('token_not_yet_valid')
  return podIn(claims) ?? refused('token_of_no_pod')
}

function podIn({ sub, 'kubernetes.io': said }: Claims): PodVerdict | undefined {
  if (!isClaims(said) || !isClaims(said.pod) || !isClaims(said.serviceaccount)) return undefined
  const { namespace, pod, serviceaccount } = said
  if (typeof namespace !== 'string' || typeof pod.uid !== 'string' || pod.uid === '') return undefined
  if (sub !== `system:serviceaccount:${namespace}:${String(serviceaccount.name)}`) return undefined
  return { kind: 'pod', namespace, uid: pod.uid }
}

function refused(reason: PodTokenFault): PodVerdict {
  return { kind: 'refused', reason }
}

/** Out of the API server's discovery document; asked for once, and again while there was no answer. */
export function issuerFrom(load: () => Promise<unknown>): () => Promise<string> {
  let known: string | undefined
  return async () => {
    if (known !== undefined) return known
    const document = await load()
    if (!isClaims(document) || typeof document.issuer !== 'string' || document.issuer === '')
      throw new GatewayError('issuer_unavailable', 'the API server does not say which issuer it is')
    known = document.issuer
    return known
  }
}
