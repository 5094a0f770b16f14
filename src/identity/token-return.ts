/**
 * A refresh token outlives its session at the issuer, where it would still be good for whoever got hold of a copy: it is given back (RFC 7009) once
 * the session is over. Nothing waits for it, and a token that can't be given back is told to the log and forgotten.
 *
 * Issuers take back more than the one token: all that came of that login there (RFC 7009 section 2.1), which may be other sessions here. So the last
 * session of a login gives it back.
 */
import type { Log } from '#observe/log.ts'
import type { Secret } from '#settings/secret.ts'
import type { Issuer } from './issuer.ts'
import type { Issuers } from './issuers.ts'
import type { SessionSpec } from './session-record.ts'
import type { SessionStore } from './session-store.ts'
import type { SessionEnd } from './session-table.ts'

export interface TokenReturnOptions {
  readonly sessions: Pick<SessionStore, 'subscribe' | 'find' | 'tokens'>
  readonly issuers: Pick<Issuers, 'byUrl'>
  readonly log: Log
  /** Nothing is given back after. */
  readonly signal: AbortSignal
}

/** Of one issuer, each bounded in time by its requests; when everybody is logged out at once, it is not asked for everybody at once. */
const mostAtOnce = 4
const mostWaiting = 10_000

/** What waits for one issuer's turn. */
interface Line {
  readonly waiting: Secret[]
  atWork: number
}

export function giveTokensBack(options: TokenReturnOptions): Disposable {
  const { sessions, issuers, log, signal } = options
  const lines = new Map<string, Line>()
  return sessions.subscribe((change) => {
    if (change.type !== 'ended' || !isOurDoing(change.why)) return
    const { spec } = change.record
    const issuer = issuers.byUrl(spec.issuer)
    const { refreshToken } = sessions.tokens(change.record)
    if (!issuer || !refreshToken || sessions.find((other) => isOfSameLogin(spec, other.spec)).length > 0) return
    const line = lines.get(spec.issuer) ?? { waiting: [], atWork: 0 }
    lines.set(spec.issuer, line)
    if (line.waiting.length >= mostWaiting) {
      log.warn(
        { component: 'identity', issuer: issuer.settings.id },
        'a refresh token was not given back: too many are',
      )
      return
    }
    line.waiting.push(refreshToken)
    if (line.atWork < mostAtOnce) void workOff(line, issuer, { log, signal })
  })
}

/**
 * Another replica may still renew what has only run out here, and whoever deleted a record has its token to give back. What an issuer refuses to
 * renew is the renewal's to give back, which knows the token that was given last.
 */
function isOurDoing(why: SessionEnd): boolean {
  return why !== 'expired' && why !== 'deleted' && why !== 'refused-by-issuer'
}

/** Where an issuer does not name its sessions, all of a person's logins there may be one. */
function isOfSameLogin(ended: SessionSpec, other: SessionSpec): boolean {
  if (other.issuer !== ended.issuer || other.subject !== ended.subject) return false
  return ended.sid === undefined || other.sid === undefined || other.sid === ended.sid
}

/** Never throws. */
async function workOff(
  line: Line,
  issuer: Issuer,
  { log, signal }: Pick<TokenReturnOptions, 'log' | 'signal'>,
): Promise<void> {
  line.atWork += 1
  for (let token = line.waiting.shift(); token !== undefined && !signal.aborted; token = line.waiting.shift()) {
    try {
      await issuer.revoke(token)
    } catch (error) {
      log.warn({ component: 'identity', issuer: issuer.settings.id, error }, 'a refresh token could not be given back')
    }
  }
  line.atWork -= 1
}
