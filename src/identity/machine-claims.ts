/**
 * What a machine's token must say: exactly the issuer, the audience and the subject that an administrator has written down
 * (RFC 7519 section 4.1; for ServiceAccounts the claims that Kubernetes adds). Pure.
 */
import type { Timestamp } from '#lib/clock.ts'
import { type Claims, isClaims } from './claims.ts'
import type { Identity } from './identity.ts'

/** One issuer of tokens for machines, and who of it is let in. */
export interface MachineRules {
  /** As the issuer spells itself in `iss`; compared as text. */
  readonly issuer: string
  /** One that the token must name; tokens for the API server name another one. */
  readonly audience: string
  /** Whole `sub` values. */
  readonly subjects: readonly string[]
  /** Tokens of ServiceAccounts, whose usernames are Kubernetes' own; of any other issuer no name may look like one. */
  readonly isCluster: boolean
  /** Put before `sub`; empty for the cluster. */
  readonly usernamePrefix: string
}

export type MachineFault =
  | 'token_malformed'
  | 'token_issuer'
  | 'token_audience'
  | 'token_subject'
  | 'token_expired'
  | 'token_not_yet_valid'
  | 'token_claim_missing'

export type MachineVerdict =
  | { readonly kind: 'accepted'; readonly identity: Identity; readonly issuedAt: Timestamp; readonly until: Timestamp }
  | { readonly kind: 'refused'; readonly reason: MachineFault }

/** How far the issuer's clock may be ahead of ours; never added to the end of a token. */
const clockTolerance = 30_000

export function judgeMachine(claims: Claims, rules: MachineRules, now: Timestamp): MachineVerdict {
  const { iss, sub, exp, nbf, iat } = claims
  if (typeof exp !== 'number' || typeof iat !== 'number' || typeof sub !== 'string')
    return refused('token_claim_missing')
  if (iss !== rules.issuer) return refused('token_issuer')
  if (!audiencesOf(claims).includes(rules.audience)) return refused('token_audience')
  if (!rules.subjects.includes(sub)) return refused('token_subject')
  if (exp * 1000 <= now) return refused('token_expired')
  if (iat * 1000 > now + clockTolerance) return refused('token_not_yet_valid')
  if (nbf !== undefined && !(typeof nbf === 'number' && nbf * 1000 <= now + clockTolerance))
    return refused('token_not_yet_valid')
  const identity = rules.isCluster ? serviceAccount(claims, sub) : stranger(rules, sub)
  return identity ? { kind: 'accepted', identity, issuedAt: iat * 1000, until: exp * 1000 } : refused('token_subject')
}

/** `aud` is one name, or a list of names (RFC 7519 section 4.1.3). */
export function audiencesOf({ aud }: Claims): readonly unknown[] {
  return Array.isArray(aud) ? aud : [aud]
}

const subjectForm = /^system:serviceaccount:([a-z0-9-]+):([a-z0-9.-]+)$/

/** With the groups that Kubernetes gives it (pkg/serviceaccount), so that RBAC says the same of it here and there. */
function serviceAccount(claims: Claims, sub: string): Identity | undefined {
  const [, namespace, name] = subjectForm.exec(sub) ?? []
  const said = claims['kubernetes.io']
  if (namespace === undefined || !isClaims(said) || !isClaims(said.serviceaccount)) return undefined
  const { uid } = said.serviceaccount
  if (said.namespace !== namespace || said.serviceaccount.name !== name || typeof uid !== 'string') return undefined
  const groups = ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated']
  return { kind: 'machine', username: sub, uid, groups }
}

function stranger({ usernamePrefix }: MachineRules, sub: string): Identity | undefined {
  const username = usernamePrefix + sub
  return username === '' || username.startsWith('system:')
    ? undefined
    : { kind: 'machine', username, uid: sub, groups: [] }
}

function refused(reason: MachineFault): MachineVerdict {
  return { kind: 'refused', reason }
}
