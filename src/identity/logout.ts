/** Logging out: here at once, then at the issuer by way of the browser (OpenID Connect RP-Initiated Logout 1.0). */
import { hasCode } from '#errors.ts'
import type { Clock, Milliseconds } from '#lib/clock.ts'
import type { Log } from '#observe/log.ts'
import type { Issuer } from './issuer.ts'
import type { Issuers } from './issuers.ts'
import type { Sealer } from './seal.ts'
import type { SessionName } from './session.ts'
import type { WorkspaceSession } from './session-record.ts'
import type { SessionStore } from './session-store.ts'

export interface Logouts {
  /**
   * Ends the session here, whatever the issuer does. `location`: where the browser goes next to be logged out there too; `undefined` where the issuer
   * has no such place, or can't be asked now. Throws `store_unavailable`: then it has ended on this replica alone, for now.
   */
  end(name: SessionName): Promise<{ readonly location: string | undefined }>
  /** Does the browser come back from a logout that began here, less than 10 minutes ago? */
  isOwnReturn(query: URLSearchParams): boolean
}

export interface LogoutOptions {
  readonly sessions: Pick<SessionStore, 'record' | 'fetchRecord' | 'tokens' | 'end'>
  readonly issuers: Pick<Issuers, 'byUrl'>
  readonly sealer: Sealer
  /** Where issuers send browsers back to, registered there. */
  readonly loggedOutUri: string
  readonly clock: Clock
  readonly log: Log
}

const stateLifetime: Milliseconds = 10 * 60_000

export function createLogouts(options: LogoutOptions): Logouts {
  const { sessions, issuers, sealer } = options
  return {
    async end(name) {
      const record = sessions.record(name) ?? (await sessions.fetchRecord(name))
      // First here: nothing that happens at the issuer may keep the session alive.
      await sessions.end(name, 'logged-out')
      const issuer = record && issuers.byUrl(record.spec.issuer)
      // A command line has no browser to be sent anywhere.
      if (!record || !issuer || record.spec.kind === 'cli') return { location: undefined }
      return { location: await atIssuer(options, issuer, record) }
    },
    isOwnReturn: (query) => sealer.open('logout/state', query.get('state') ?? '') === 'logout',
  }
}

async function atIssuer(options: LogoutOptions, issuer: Issuer, record: WorkspaceSession): Promise<string | undefined> {
  const { sessions, sealer, clock, log, loggedOutUri } = options
  const { idToken } = sessions.tokens(record)
  const state = sealer.seal('logout/state', 'logout', { expiresAt: clock.now() + stateLifetime })
  try {
    const url = await issuer.logoutUrl({ idTokenHint: idToken, returnTo: loggedOutUri, state })
    return url?.href
  } catch (error) {
    const isAway = hasCode(error, 'issuer_unavailable')
    log.warn(
      { component: 'identity', issuer: issuer.settings.id, error },
      isAway ? 'the issuer is away; its own login there goes on' : 'a logout at the issuer failed',
    )
    return undefined
  }
}
