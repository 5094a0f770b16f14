/** Figures and audit lines that belong to no single request: what the own surface answers, and sessions that end by themselves. */
import type { ClientRequest, ClientResponse } from '#http/messages.ts'
import type { SessionStore } from '#identity/session-store.ts'
import type { Clock } from '#lib/clock.ts'
import type { StreamIndex } from '#live/streams.ts'
import type { Audit } from '#observe/audit.ts'
import type { Metrics, Outcome, RouteKind } from '#observe/metrics.ts'
import { paths } from '#surface/urls.ts'
import type { Directory } from '#workspace/directory.ts'
import { workspacePhases } from '#workspace/state.ts'

/** Longest first where one begins like another. */
const kinds: readonly (readonly [prefix: string, kind: RouteKind])[] = [
  [paths.assets, 'assets'],
  [paths.jwks, 'jwks'],
  [paths.login, 'login'],
  [paths.callback, 'login'],
  [paths.logout, 'logout'],
  [paths.loggedOut, 'logout'],
  [paths.backchannelLogout, 'logout'],
  [paths.handover, 'handover'],
  ['/.gatehouse/cli/', 'login'],
  ['/.gatehouse/open/', 'open'],
  [paths.api, 'api'],
  ['/.gatehouse/', 'console'],
]

function kindOf(target: string): RouteKind {
  const path = target.split('?', 1)[0] ?? ''
  if (path === paths.console) return 'console'
  if (path.startsWith(paths.api) && path.endsWith('/events')) return 'events'
  return kinds.find(([prefix]) => path.startsWith(prefix))?.[1] ?? 'unknown'
}

function outcomeOf({ statusCode, writableFinished }: ClientResponse): Outcome {
  if (!writableFinished) return 'aborted'
  if (statusCode >= 500) return 'failed'
  if (statusCode === 401 || statusCode === 403) return 'denied'
  if (statusCode >= 400) return 'refused'
  return statusCode >= 300 && statusCode !== 304 ? 'redirected' : 'answered'
}

export interface AnswerParts {
  readonly metrics: Metrics
  readonly audit: Audit
  readonly clock: Clock
}

/** Gives what counts an answer of the own surface, to be called when it is over; who was asked to log in first is in the audit trail, like every other refusal. */
export function countAnswer(
  { metrics, audit, clock }: AnswerParts,
  request: ClientRequest,
  response: ClientResponse,
  { requestId, client }: { readonly requestId: string; readonly client: string },
): () => void {
  const kind = kindOf(request.url ?? '')
  const began = clock.now()
  return () => {
    metrics.requests(kind, outcomeOf(response)).add()
    metrics.answerTime(kind).observe(clock.now() - began)
    if (response.statusCode !== 401) return
    const nobody = { user: undefined, session: undefined, workspace: undefined, port: undefined }
    audit.record({ event: 'deny', ...nobody, requestId, client, reason: 'login-needed' })
  }
}

export interface Accountable {
  readonly metrics: Metrics
  readonly audit: Audit
  readonly sessions: SessionStore
  readonly streams: StreamIndex
  readonly directory: Directory
  readonly signal: AbortSignal
}

export function keepAccounts({ metrics, audit, sessions, streams, directory, signal }: Accountable): void {
  metrics.gauge('workspaces', () => {
    const counts = new Map(workspacePhases.map((phase) => [phase, 0]))
    for (const { state } of directory.all()) counts.set(state.phase, (counts.get(state.phase) ?? 0) + 1)
    return counts
  })
  metrics.gauge('streams', () => streams.count())
  metrics.gauge('sessions', () => sessions.find(() => true).length)
  const following = sessions.subscribe((change) => {
    if (change.type !== 'ended') return
    // These have a line that names who did it.
    if (change.why === 'logged-out' || change.why === 'revoked') return
    const { identity, name } = change.session
    const nobody = { requestId: undefined, client: undefined }
    audit.record({ event: 'session-ended', user: identity.username, session: name, ...nobody, reason: change.why })
  })
  signal.addEventListener('abort', () => following[Symbol.dispose](), { once: true })
}
