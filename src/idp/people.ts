/** Who can log in at the embedded provider, and what it says about them. */
import type { Account } from 'oidc-provider'

export interface Person {
  /** Also what they type in to log in. */
  readonly username: string
  readonly name: string
  readonly groups: readonly string[]
}

/** The people of the demonstration. */
export const demoPeople: readonly Person[] = [
  { username: 'alice', name: 'Alice Archer', groups: [] },
  { username: 'bob', name: 'Bob Baker', groups: [] },
  { username: 'carol', name: 'Carol Carter', groups: ['admins'] },
  { username: 'dave', name: 'Dave Dyer', groups: ['ds'] },
]

/** Claims by the scope that asks for them. `groups` comes with `profile` too, because not every client knows of a scope for it. */
export const claimsByScope: Readonly<Record<string, readonly string[]>> = {
  openid: ['sub', 'sid'],
  profile: ['name', 'preferred_username', 'groups'],
  groups: ['groups'],
  email: ['email', 'email_verified'],
}

export interface People {
  find(username: string): Person | undefined
  /** The account behind a `sub`; it reads the groups anew each time it is asked for claims. */
  account(subject: string): Account | undefined
  subjectOf(username: string): string
  setGroups(username: string, groups: readonly string[]): void
}

export function people(list: readonly Person[]): People {
  const byName = new Map(list.map((person) => [person.username, person]))
  // Not the username itself, so that nobody downstream mistakes one for the other.
  const subjectOf = (username: string) => `demo-${username}`
  const find = (username: string) => byName.get(username)
  return {
    find,
    subjectOf,
    setGroups(username, groups) {
      const person = find(username)
      if (person) byName.set(username, { ...person, groups })
    },
    account(subject) {
      const person = subject.startsWith('demo-') ? find(subject.slice('demo-'.length)) : undefined
      if (!person) return undefined
      const { username } = person
      return {
        accountId: subject,
        claims: async () => ({
          sub: subject,
          preferred_username: username,
          name: person.name,
          email: `${username}@example.com`,
          email_verified: true,
          groups: [...(find(username)?.groups ?? [])],
        }),
      }
    },
  }
}
