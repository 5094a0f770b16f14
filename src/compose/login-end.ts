/** How a login ends: with a session for the browser, or for the command line that asked for it, and a line in the audit trail whatever comes of it. */
import { hasCode } from '#errors.ts'
import type { CookieScope } from '#identity/authentication.ts'
import { openBrowserSession } from '#identity/browser-session.ts'
import type { LoginFinish } from '#identity/login.ts'
import type { Session } from '#identity/session.ts'
import type { Audit, AuditActor } from '#observe/audit.ts'
import type { Log } from '#observe/log.ts'
import type { Metrics } from '#observe/metrics.ts'
import type { Browser, LoginCompletion } from '#routes/login.ts'
import type { Identities } from './identity.ts'

export interface LoginEndParts {
  readonly identities: Identities
  readonly audit: Audit
  readonly metrics: Pick<Metrics, 'logins'>
  readonly log: Log
}

/** Somebody whom nobody knows yet, as the audit trail names him. */
export function strangerAt({ requestId, client }: { readonly requestId: string; readonly client: string }): AuditActor {
  return { user: undefined, session: undefined, requestId, client }
}

export function denied({ audit }: Pick<LoginEndParts, 'audit'>, actor: AuditActor, reason: string): void {
  audit.record({ event: 'deny', ...actor, workspace: undefined, port: undefined, reason })
}

/** Back from the issuer: a session for this browser, or for the command line that asked for it. */
export async function finishLogin(
  parts: LoginEndParts,
  scope: CookieScope,
  query: URLSearchParams,
  browser: Browser,
): Promise<LoginCompletion> {
  const { identities, metrics, log } = parts
  const { requestId, address: client } = browser
  const finish = await identities.logins.finish(query, browser.cookieHeader)
  const refused = (reason: string) => denied(parts, strangerAt({ requestId, client }), `login:${reason}`)
  if (finish.kind !== 'ok') {
    metrics.logins(finish.kind === 'refused' ? 'refused' : 'failed').add()
    if (finish.kind === 'refused') refused(finish.reason)
    return finish
  }
  try {
    return await keepLogin(parts, scope, finish, browser)
  } catch (error) {
    if (!hasCode(error, 'store_unavailable')) throw error
    metrics.logins('failed').add()
    log.warnOfMany({ component: 'identity', reason: 'login:store_unavailable', error }, 'a login could not be kept')
    const { issuer, returnTo, setCookies } = finish
    return { kind: 'unavailable', away: 'store', issuer, returnTo, setCookies }
  }
}

/** Throws `store_unavailable`. */
async function keepLogin(
  parts: LoginEndParts,
  scope: CookieScope,
  finish: Extract<LoginFinish, { kind: 'ok' }>,
  browser: Browser,
): Promise<LoginCompletion> {
  const { identities, metrics, audit, log } = parts
  const { requestId, address: client } = browser
  const { login, attachment, setCookies } = finish
  const said = (session: Session) => ({
    user: session.identity.username,
    session: session.name,
    requestId,
    client,
    issuer: session.issuer,
  })
  if (identities.cliLogins.isCliAttachment(attachment)) {
    const callback = await identities.cliLogins.finish(login, attachment)
    metrics.logins(callback.kind === 'refused' ? 'refused' : 'ok').add()
    if (callback.kind === 'refused') {
      denied(parts, strangerAt({ requestId, client }), `login:${callback.reason}`)
      return { kind: 'refused', reason: callback.reason, returnTo: finish.returnTo, setCookies }
    }
    audit.record({ event: 'login', ...said(callback.session), kind: 'cli' })
    return { kind: 'done', location: callback.location, setCookies }
  }
  const { userAgent, previous } = browser
  const opened = await openBrowserSession({ ...identities, scope, log }, finish, {
    userAgent,
    previous: previous?.session,
  })
  metrics.logins('ok').add()
  audit.record({ event: 'login', ...said(opened.session), kind: 'browser' })
  return { kind: 'done', location: finish.returnTo, setCookies: [...setCookies, opened.setCookie] }
}
