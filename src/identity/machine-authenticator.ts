/** Lets machines in beside people: a bearer of their form is asked of their sessions, everything else of the people's authenticator. */
import type { SessionAuthenticator } from './authenticate.ts'
import type { Authentication, CookieScope, Credentials } from './authentication.ts'
import type { MachineAnswer, MachineSessions } from './machine-sessions.ts'

/** A cookie goes before a bearer, as everywhere: whoever sends both is a browser. */
export function withMachines(people: SessionAuthenticator, machines: MachineSessions): SessionAuthenticator {
  const tokenOf = (credentials: Credentials, scope: CookieScope): string | undefined => {
    const { cookie, bearer } = credentials
    if (bearer === undefined || !machines.isOurs(bearer)) return undefined
    return cookie?.includes(people.cookieName(scope)) ? undefined : bearer
  }
  return {
    peek(credentials, scope) {
      const token = tokenOf(credentials, scope)
      if (token === undefined) return people.peek(credentials, scope)
      const answer = machines.peek(token)
      return answer && authenticationOf(answer)
    },
    async resolve(credentials, scope) {
      const token = tokenOf(credentials, scope)
      return token === undefined ? people.resolve(credentials, scope) : authenticationOf(await machines.resolve(token))
    },
    cookieName: (scope) => people.cookieName(scope),
    isOwnBearer: (token) => people.isOwnBearer(token) || machines.isOurs(token),
    isOwnCookie: (name) => people.isOwnCookie(name),
    sessionIdOf: (cookieHeader, scope) => people.sessionIdOf(cookieHeader, scope),
  }
}

function authenticationOf(answer: MachineAnswer): Authentication {
  return answer.kind === 'session' ? { ...answer, via: 'bearer' } : answer
}
