/** The issuer says that somebody has logged out there (OpenID Connect Back-Channel Logout 1.0): the sessions here end with it. */
import { decodeJwt } from 'jose'
import { GatewayError } from '#errors.ts'
import type { Clock } from '#lib/clock.ts'
import type { Log } from '#observe/log.ts'
import type { Claims } from './claims.ts'
import { rememberedFor } from './clock-difference.ts'
import type { Issuer } from './issuer.ts'
import type { Issuers } from './issuers.ts'
import { type LoggedOut, type LogoutTokenFault, oldestLogoutToken, readLogoutToken } from './logout-token.ts'
import type { Once } from './once.ts'
import { parseSessionName } from './session-id.ts'
import type { WorkspaceSession } from './session-record.ts'
import type { SessionStore } from './session-store.ts'

export type BackChannelLogout =
  /** How many sessions; none is an answer as good as any. */
  | { readonly kind: 'ended'; readonly count: number }
  | { readonly kind: 'refused'; readonly reason: LogoutTokenFault }
  /** The issuer's keys or the store can't be had; the issuer may send it again. */
  | { readonly kind: 'unavailable' }

export interface BackChannelLogoutOptions {
  readonly sessions: Pick<SessionStore, 'find' | 'end'>
  readonly issuers: Pick<Issuers, 'byUrl'>
  readonly once: Pick<Once, 'claim'>
  readonly clock: Clock
  readonly log: Log
}

/** Characters; logout tokens are small, and this is read before anything is known of the sender. */
const longestToken = 16_384

/** `token`: the `logout_token` of the form. */
export async function receiveLogoutToken(options: BackChannelLogoutOptions, token: string): Promise<BackChannelLogout> {
  const outcome = await receive(options, token)
  const { log } = options
  if (outcome.kind === 'refused')
    log.warnOfMany({ component: 'identity', reason: `logout:${outcome.reason}` }, 'a logout token was refused')
  if (outcome.kind === 'ended') log.info({ component: 'identity', count: outcome.count }, 'the issuer ended sessions')
  return outcome
}

async function receive(options: BackChannelLogoutOptions, token: string): Promise<BackChannelLogout> {
  const name = token.length > longestToken ? undefined : issuerOf(token)
  if (name === undefined) return refused('token_malformed')
  const issuer = options.issuers.byUrl(name)
  if (!issuer) return refused('token_issuer')
  try {
    const loggedOut = await verified(options, issuer, token)
    if (typeof loggedOut === 'string') return refused(loggedOut)
    const key = JSON.stringify(['logout', name, loggedOut.jti])
    const isFirst = await options.once.claim(key, rememberedFor(oldestLogoutToken))
    return isFirst ? { kind: 'ended', count: await endAll(options, name, loggedOut) } : refused('replayed')
  } catch (error) {
    if (!(error instanceof GatewayError && error.retryable)) throw error
    options.log.warnOfMany(
      { component: 'identity', reason: 'logout:unchecked', issuer: issuer.settings.id, error },
      'a logout token could not be checked',
    )
    return { kind: 'unavailable' }
  }
}

async function verified(
  { clock }: BackChannelLogoutOptions,
  issuer: Issuer,
  token: string,
): Promise<LoggedOut | LogoutTokenFault> {
  const signature = await issuer.verifySignature(token)
  if (signature.kind === 'refused') return signature.reason
  const { issuer: name, clientId } = issuer.settings
  return readLogoutToken(signature.claims, { type: signature.header.typ, issuer: name, clientId, now: clock.now() })
}

async function endAll({ sessions, log }: BackChannelLogoutOptions, issuer: string, who: LoggedOut): Promise<number> {
  const ending = sessions.find((record) => record.spec.issuer === issuer && isMeant(record, who))
  const results = await Promise.allSettled(
    ending.flatMap((record) => {
      const name = parseSessionName(record.metadata.name)
      return name === undefined ? [] : [sessions.end(name, 'logged-out-at-issuer')]
    }),
  )
  for (const result of results) {
    if (result.status === 'rejected')
      log.error({ component: 'identity', error: result.reason }, 'a logged-out session keeps its record')
  }
  return results.length
}

/** The issuer's session where it names one; somebody's sessions of which that is not known end with it. */
function isMeant({ spec }: WorkspaceSession, { subject, sid }: LoggedOut): boolean {
  if (subject !== undefined && spec.subject !== subject) return false
  return sid === undefined || spec.sid === sid || (spec.sid === undefined && subject !== undefined)
}

/** Who claims to have signed it, `''` for nobody; believed when the signature says so. `undefined`: it is no token. */
function issuerOf(token: string): string | undefined {
  try {
    const { iss }: Claims = decodeJwt(token)
    return typeof iss === 'string' ? iss : ''
  } catch {
    // It is no token, and that is all there is to say.
    return undefined
  }
}

function refused(reason: LogoutTokenFault): BackChannelLogout {
  return { kind: 'refused', reason }
}
