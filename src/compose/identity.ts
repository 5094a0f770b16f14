/** Wires who somebody is under the settings in force: logins at the issuers, cookies, hand-overs and assertions. */
import { type Assertions, createAssertions } from '#identity/assertion.ts'
import { createAuthenticator, type SessionAuthenticator } from '#identity/authenticate.ts'
import { type CliLogins, createCliLogins } from '#identity/cli-login.ts'
import type { CookiePolicy } from '#identity/cookie-names.ts'
import { type LeasedIssuers, leaseIssuers } from '#identity/issuers.ts'
import { createLogins, type Logins } from '#identity/login.ts'
import { createLogouts, type Logouts } from '#identity/logout.ts'
import { createHandovers, type Handovers } from '#identity/ticket.ts'
import type { Clock } from '#lib/clock.ts'
import type { Log } from '#observe/log.ts'
import type { Secrets, Settings } from '#settings/settings.ts'
import { paths } from '#surface/urls.ts'
import { authorityOf, consoleOrigin, type Site } from '#workspace/address.ts'
import type { Keeping } from './keeping.ts'

export interface IdentityParts {
  readonly settings: Settings
  readonly secrets: Secrets
  readonly site: Site
  readonly keeping: Keeping
  readonly clock: Clock
  readonly log: Log
  readonly signal: AbortSignal
}

export interface Identities extends Keeping {
  readonly authenticator: SessionAuthenticator
  readonly cookies: CookiePolicy
  readonly handovers: Handovers
  readonly assertions: Assertions
  /** Leased: whoever opened them gives them back. */
  readonly issuers: LeasedIssuers
  readonly logins: Logins
  readonly logouts: Logouts
  readonly cliLogins: CliLogins
}

/** Throws `invalid_settings`; then nothing is held. */
export async function openIdentities(parts: IdentityParts): Promise<Identities> {
  const { settings, secrets, site, keeping, clock, log } = parts
  const issuers = await leaseIssuers(keeping.issuerPool, {
    settings: settings.oidc,
    clientSecrets: secrets.clientSecrets,
    redirectUri: consoleOrigin(site) + paths.callback,
  })
  const cookies: CookiePolicy = { externalScheme: site.scheme, externalPort: settings.external.port }
  const returnTo = { externalScheme: site.scheme, isOwnAuthority: (authority: string) => isOwn(site, authority) }
  const logins = createLogins({ ...keeping, issuers, cookies, returnTo, clock, log })
  const consoleAuthority = authorityOf(site, site.domain)
  return {
    ...keeping,
    cookies,
    issuers,
    logins,
    authenticator: createAuthenticator({ ...keeping, cookies, consoleAuthority }),
    handovers: createHandovers({ ...keeping, cookies, clock }),
    assertions: createAssertions({ ...keeping, clock, issuer: consoleOrigin(site) }),
    logouts: createLogouts({ ...keeping, issuers, loggedOutUri: consoleOrigin(site) + paths.loggedOut, clock, log }),
    cliLogins: createCliLogins({ ...parts, ...keeping, logins, issuers, consoleAuthority }),
  }
}

/** A login goes back to the console alone; from there a hand-over leads to the workspace. */
function isOwn(site: Site, authority: string): boolean {
  return authority === authorityOf(site, site.domain)
}
