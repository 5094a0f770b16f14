/**
 * A username belongs to the first person who logged in with it. Mappings can make two people of one name: two issuers with overlapping prefixes,
 * a name that an issuer gives away anew. The second is refused until an administrator releases the name; so is whoever comes with a machine's name,
 * since the issuer of people need not know what machines are called.
 */
import { hasCode } from '#errors.ts'
import type { Resources } from '#resources/contract.ts'
import { type OneTimeSpec, oneTimeKind, oneTimeName } from './one-time-record.ts'

export interface UsernameClaims {
  /** `taken`: it belongs to another (issuer, subject). Throws `store_unavailable`. */
  claim(username: string, issuer: string, subject: string): Promise<'ok' | 'taken'>
  /** For administrators: whoever logs in next with it has it. `false`: nobody had it. */
  release(username: string): Promise<boolean>
}

/** Somebody may take or release it between the read and the create; more often than that is no coincidence. */
const mostTries = 3

export interface UsernameClaimsOptions {
  readonly resources: Resources
  readonly namespace: string
  /** Names that no person can have. */
  readonly machines?: ReadonlySet<string>
}

export function usernameClaims(options: UsernameClaimsOptions): UsernameClaims {
  const { resources, namespace, machines } = options
  const decide = async (name: string, issuer: string, subject: string) => {
    const spec = (await resources.get(oneTimeKind, { namespace, name }))?.spec
    if (spec?.purpose !== 'username') return 'free'
    return spec.issuer === issuer && spec.subject === subject ? 'ok' : 'taken'
  }
  const take = async (name: string, spec: OneTimeSpec): Promise<boolean> => {
    try {
      await resources.create(oneTimeKind, { metadata: { namespace, name }, spec })
      return true
    } catch (error) {
      if (hasCode(error, 'already_exists')) return false
      throw error
    }
  }
  return {
    async claim(username, issuer, subject) {
      if (machines?.has(username)) return 'taken'
      const name = oneTimeName('username', username)
      for (let tries = 0; tries < mostTries; tries += 1) {
        const decision = await decide(name, issuer, subject)
        if (decision !== 'free') return decision
        if (await take(name, { purpose: 'username', username, issuer, subject })) return 'ok'
      }
      return 'taken'
    },
    release: (username) => resources.delete(oneTimeKind, { namespace, name: oneTimeName('username', username) }),
  }
}
