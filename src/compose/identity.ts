/** Wires who somebody is: keys, sessions, logins at the issuers, hand-overs and assertions. */
import type { LookupFunction } from 'node:net'
import { type Assertions, createAssertions } from '#identity/assertion.ts'
import { createAuthenticator, type SessionAuthenticator } from '#identity/authenticate.ts'
import { type CliLogins, createCliLogins } from '#identity/cli-login.ts'
import type { CookiePolicy } from '#identity/cookie-names.ts'
import { type Issuers, openIssuers } from '#identity/issuers.ts'
import { type KeyRing, openKeyRing } from '#identity/key-ring.ts'
import { createLogins, type Logins } from '#identity/login.ts'
import { createLogouts, type Logouts } from '#identity/logout.ts'
import { createOnce, type Once } from '#identity/once.ts'
import { createRenewals, type Renewals } from '#identity/renewals.ts'
import { createSealer, type Sealer } from '#identity/seal.ts'
import { openSessions, type SessionStore } from '#identity/session-store.ts'
import { createHandovers, type Handovers } from '#identity/ticket.ts'
import { usernameClaims } from '#identity/username-claim.ts'
import type { Clock } from '#lib/clock.ts'
import type { StreamIndex } from '#live/streams.ts'
import type { Log } from '#observe/log.ts'
import type { Resources } from '#resources/contract.ts'
import type { Secrets, Settings } from '#settings/settings.ts'
import { paths } from '#surface/urls.ts'
import { authorityOf, consoleOrigin, type Site } from '#workspace/address.ts'

export interface IdentityParts {
  readonly settings: Settings
  readonly secrets: Secrets
  readonly site: Site
  readonly resources: Resources
  /** What is open for a session keeps it renewed. */
  readonly streams: StreamIndex
  readonly lookup: LookupFunction
  readonly clock: Clock
  readonly log: Log
  readonly signal: AbortSignal
}

export interface Identities {
  readonly keyRing: KeyRing
  readonly sessions: SessionStore
  readonly authenticator: SessionAuthenticator
  readonly cookies: CookiePolicy
  readonly sealer: Sealer
  readonly once: Once
  readonly handovers: Handovers
  readonly assertions: Assertions
  readonly issuers: Issuers
  readonly logins: Logins
  readonly renewals: Renewals
  readonly logouts: Logouts
  readonly cliLogins: CliLogins
}

export async function openIdentities(parts: IdentityParts): Promise<Identities> {
  const { settings, secrets, site, resources, streams, clock, log, signal } = parts
  const namespace = settings.sessions.stateNamespace
  const keyRing = openKeyRing({ ...parts, namespace })
  const { renewEvery: lifetime, horizon } = settings.sessions
  const sessions = openSessions({ ...parts, keyRing, namespace, lifetime, horizon })
  const cookies: CookiePolicy = { externalScheme: site.scheme, externalPort: settings.external.port }
  const once = createOnce({ resources, namespace, clock })
  const sealer = createSealer({ keyRing, clock })
  const issuers = await openIssuers({
    ...parts,
    settings: settings.oidc,
    clientSecrets: secrets.clientSecrets,
    redirectUri: consoleOrigin(site) + paths.callback,
  })
  const usernames = usernameClaims({ resources, namespace })
  const returnTo = { externalScheme: site.scheme, isOwnAuthority: (authority: string) => isOwn(site, authority) }
  const logins = createLogins({ issuers, sealer, usernames, sessions, cookies, returnTo, clock, log })
  const consoleAuthority = authorityOf(site, site.domain)
  return {
    keyRing,
    sessions,
    cookies,
    sealer,
    once,
    issuers,
    authenticator: createAuthenticator({ keyRing, sessions, cookies, consoleAuthority }),
    handovers: createHandovers({ keyRing, sessions, once, cookies, clock }),
    assertions: createAssertions({ keyRing, clock, issuer: consoleOrigin(site) }),
    logins,
    renewals: createRenewals({
      ...{ sessions, issuers, sealer, clock, log, signal, lifetime },
      isLive: (name) => streams.ofSession(name).length > 0,
    }),
    logouts: createLogouts({
      sessions,
      issuers,
      sealer,
      loggedOutUri: consoleOrigin(site) + paths.loggedOut,
      clock,
      log,
    }),
    cliLogins: createCliLogins({ ...parts, logins, issuers, sessions, once, sealer, keyRing, consoleAuthority }),
  }
}

/** A login goes back to the console alone; from there a hand-over leads to the workspace. */
function isOwn(site: Site, authority: string): boolean {
  return authority === authorityOf(site, site.domain)
}
