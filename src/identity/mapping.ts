/**
 * From an issuer's claims to the identity that Kubernetes RBAC sees, by the administrator's rules. Pure. Whatever is not plainly in order is refused
 * with a reason of its own: a check that can't be made is a refusal, never skipped (CVE-2021-21411).
 */
import type { IssuerSettings } from '#settings/settings.ts'
import { type Claims, claimAt, isClaims } from './claims.ts'
import type { Identity } from './identity.ts'

export type MappingRules = Pick<IssuerSettings, 'usernameClaim' | 'usernamePrefix' | 'groupsClaim' | 'groupsPrefix'>

/** Why claims make no identity. */
export type MappingFault =
  | 'subject_missing'
  | 'username_missing'
  | 'username_malformed'
  | 'username_reserved'
  | 'email_unverified'
  | 'groups_malformed'
  | 'groups_too_many'
  /** The issuer left the groups out and points elsewhere for them (OpenID Connect Core 1.0 section 5.6.2); userinfo did not have them either. */
  | 'groups_overage'

export type Mapping =
  | {
      readonly kind: 'mapped'
      readonly identity: Identity
      /** Groups that were left out, and why, for the log. */
      readonly dropped: readonly DroppedGroup[]
    }
  | { readonly kind: 'refused'; readonly reason: MappingFault }

export interface DroppedGroup {
  readonly group: string
  readonly reason: 'reserved' | 'malformed'
}

/** A person in more groups can't log in: cutting the list would decide about grants by chance. */
export const mostGroups = 500
/** Bytes of a username or group in UTF-8. */
const longestName = 253
const longestSubject = 255

export function mapClaims(claims: Claims, rules: MappingRules): Mapping {
  const { sub } = claims
  if (typeof sub !== 'string' || sub === '' || sub.length > longestSubject) return refused('subject_missing')
  const username = usernameOf(claims, rules)
  if (username.kind === 'refused') return username
  const groups = groupsOf(claims, rules)
  if (groups.kind === 'refused') return groups
  const identity: Identity = { kind: 'person', username: username.name, uid: sub, groups: groups.names }
  return { kind: 'mapped', identity, dropped: groups.dropped }
}

/** Are the groups left out of these claims, with a pointer to where they are? Entra ID also says so by `hasgroups`. */
export function pointsElsewhereForGroups(claims: Claims, rules: MappingRules): boolean {
  if (claimAt(claims, rules.groupsClaim) !== undefined) return false
  const names = claims._claim_names
  const [outermost = ''] = rules.groupsClaim.split('.')
  const isNamed = isClaims(names) && (Object.hasOwn(names, rules.groupsClaim) || Object.hasOwn(names, outermost))
  return isNamed || (rules.groupsClaim === 'groups' && claims.hasgroups === true)
}

type Refused = { readonly kind: 'refused'; readonly reason: MappingFault }

function refused(reason: MappingFault): Refused {
  return { kind: 'refused', reason }
}

function usernameOf(claims: Claims, rules: MappingRules): Refused | { readonly kind: 'name'; readonly name: string } {
  const value = claimAt(claims, rules.usernameClaim)
  if (value === undefined || value === null || value === '') return refused('username_missing')
  if (typeof value !== 'string') return refused('username_malformed')
  const isEmail = rules.usernameClaim === 'email'
  if (isEmail && claims.email_verified !== true) return refused('email_unverified')
  const own = isEmail ? canonicalEmail(value) : value
  const name = own === undefined ? undefined : canonicalName(rules.usernamePrefix, own)
  if (name === undefined) return refused('username_malformed')
  return isReserved(name) ? refused('username_reserved') : { kind: 'name', name }
}

interface GroupNames {
  readonly kind: 'names'
  readonly names: readonly string[]
  readonly dropped: readonly DroppedGroup[]
}

function groupsOf(claims: Claims, rules: MappingRules): Refused | GroupNames {
  if (pointsElsewhereForGroups(claims, rules)) return refused('groups_overage')
  const listed = listOf(claimAt(claims, rules.groupsClaim))
  if (!listed) return refused('groups_malformed')
  if (listed.length > mostGroups) return refused('groups_too_many')
  const names = new Set<string>()
  const dropped: DroppedGroup[] = []
  for (const group of listed) {
    const name = canonicalName(rules.groupsPrefix, group)
    if (name === undefined) dropped.push({ group, reason: 'malformed' })
    else if (isReserved(name)) dropped.push({ group, reason: 'reserved' })
    else names.add(name)
  }
  return { kind: 'names', names: [...names], dropped }
}

/** A string is one group, absent or null is none; `undefined` for what is neither a string nor a list of strings. */
function listOf(value: unknown): readonly string[] | undefined {
  if (value === undefined || value === null) return []
  if (typeof value === 'string') return [value]
  return Array.isArray(value) && value.every((entry) => typeof entry === 'string') ? value : undefined
}

/** Kubernetes' own names (`system:masters`) are never an issuer's to give. */
export function isReserved(name: string): boolean {
  return name.startsWith('system:')
}

/** Controls, format and private characters, unassigned ones, halves of pairs; every blank but the plain one; a mark without its letter. */
const unfit = /[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}|^\p{M}/u

/**
 * One spelling for each name, in Unicode's composed form (NFC); `undefined` for names with another look-alike spelling: blanks at an end, marks that
 * would join the prefix, and whatever compatibility folding (NFKC) changes, such as ligatures and full-width letters.
 * Upper and lower case stay two names, as in Kubernetes.
 */
function canonicalName(prefix: string, own: string): string | undefined {
  const name = own.normalize('NFC')
  if (name === '' || name.trim() !== name || unfit.test(name) || name.normalize('NFKC') !== name) return undefined
  const whole = `${prefix}${name}`
  return Buffer.byteLength(whole) > longestName ? undefined : whole
}

/** One `@`, and a domain in ASCII letters, which mean the same in upper and lower case (RFC 5321 section 2.4). */
function canonicalEmail(email: string): string | undefined {
  const [local = '', domain = '', ...rest] = email.split('@')
  if (local === '' || rest.length > 0 || !/^[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+$/.test(domain)) return undefined
  return `${local}@${domain.toLowerCase()}`
}
