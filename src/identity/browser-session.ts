/** From a finished login to a browser's session. */
import { messageOf } from '#errors.ts'
import type { Timestamp } from '#lib/clock.ts'
import type { Log } from '#observe/log.ts'
import type { CookieScope } from './authentication.ts'
import { type CookiePolicy, setSessionCookie } from './cookie-names.ts'
import type { KeyRing } from './key-ring.ts'
import type { FinishedLogin } from './login.ts'
import type { Session } from './session.ts'
import { signSessionId } from './session-cookie.ts'
import type { SessionStore } from './session-store.ts'

export interface BrowserSessionOptions {
  readonly sessions: Pick<SessionStore, 'create' | 'end'>
  readonly keyRing: KeyRing
  readonly cookies: CookiePolicy
  /** The console's. */
  readonly scope: CookieScope
  readonly log: Log
}

/**
 * Always a new session with a new id: whatever cookie somebody may have planted in the browser before is worth nothing after (session fixation).
 * The session that the browser had ends, unless another tab of the same person has made it since this login began: it is as new as this one.
 * Throws as {@link SessionStore.create}.
 */
export async function openBrowserSession(
  options: BrowserSessionOptions,
  finished: { readonly login: FinishedLogin; readonly startedAt: Timestamp },
  browser: { readonly userAgent: string; readonly previous: Session | undefined },
): Promise<{ readonly session: Session; readonly setCookie: string }> {
  const { sessions, keyRing, cookies, scope, log } = options
  const { session, id } = await sessions.create({ ...finished.login, kind: 'browser', userAgent: browser.userAgent })
  const { previous } = browser
  if (previous && !isOfOtherTab(previous, session, finished.startedAt)) {
    await sessions.end(previous.name, 'replaced').catch((error: unknown) => {
      // Ended on this replica all the same; its record goes with the next collection.
      log.warn({ component: 'identity', session: previous.name, error }, `the replaced session: ${messageOf(error)}`)
    })
  }
  const maxAge = Math.floor((session.notAfter - session.createdAt) / 1000)
  return { session, setCookie: setSessionCookie(cookies, scope, signSessionId(keyRing, id, scope), maxAge) }
}

function isOfOtherTab(previous: Session, session: Session, startedAt: Timestamp): boolean {
  const isSamePerson = previous.issuer === session.issuer && previous.subject === session.subject
  return isSamePerson && previous.kind === 'browser' && previous.createdAt > startedAt
}
