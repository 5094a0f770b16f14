/** What an issuer says about a person: a JSON object from outside, of which nothing is known yet. */

export type Claims = Readonly<Record<string, unknown>>

export function isClaims(value: unknown): value is Claims {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * The claim of this name or, where there is none, the value at the end of a dotted path (`realm_access.roles`).
 * The whole name goes first, because namespaced claims (`https://example.com/groups`) have dots of their own. Inherited members don't count.
 */
export function claimAt(claims: Claims, path: string): unknown {
  if (Object.hasOwn(claims, path)) return claims[path]
  let value: unknown = claims
  for (const part of path.split('.')) {
    if (!isClaims(value) || !Object.hasOwn(value, part)) return undefined
    value = value[part]
  }
  return value
}
