/** Gatehouse's own surface with made-up people and workspaces behind it; whatever a route calls can be replaced. */
import { createServer } from 'node:http'
import type { FastifyInstance } from 'fastify'
import type { RequestHead } from '#http/request-head.ts'
import type { Authentication } from '#identity/authentication.ts'
import { parseReturnTo } from '#identity/return-to.ts'
import type { Session, SessionName } from '#identity/session.ts'
import { assetRoutes } from '#routes/assets.ts'
import { type CliRoutes, cliRoutes } from '#routes/cli.ts'
import { type ConsoleRoutes, consoleRoutes } from '#routes/console.ts'
import { type EventRoutes, eventRoutes } from '#routes/events.ts'
import { explainRoutes } from '#routes/explain.ts'
import { type HandoverRoutes, handoverRoutes } from '#routes/handover.ts'
import { type JwksRoutes, jwksRoutes } from '#routes/jwks.ts'
import { type LoginRoutes, loginRoutes } from '#routes/login.ts'
import { type LogoutRoutes, logoutRoutes } from '#routes/logout.ts'
import { openRoutes } from '#routes/open.ts'
import { problemRoutes } from '#routes/problems.ts'
import { createSurface, type Surface, type SurfaceOptions } from '#routes/server.ts'
import { type SessionRoutes, sessionRoutes } from '#routes/sessions.ts'
import { type SharePageRoutes, sharePageRoutes } from '#routes/share-page.ts'
import { shareRoutes } from '#routes/shares.ts'
import { whoamiRoutes } from '#routes/whoami.ts'
import { type WorkspaceRoutes, workspaceRoutes } from '#routes/workspaces.ts'
import type { ShareView, WorkspaceView } from '#surface/messages.ts'
import { notFound } from '#surface/problem.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { loadAssets } from '#ui/assets.ts'

export const origin = 'https://example.test'

export type Backend = ConsoleRoutes &
  CliRoutes &
  EventRoutes &
  HandoverRoutes &
  JwksRoutes &
  LoginRoutes &
  LogoutRoutes &
  SessionRoutes &
  SharePageRoutes &
  WorkspaceRoutes

export interface FakeSurface extends AsyncDisposable {
  readonly surface: Surface
  readonly app: FastifyInstance
  readonly faults: unknown[]
  readonly foreign: string[]
}

export async function fakeSurface(
  backend: Partial<Backend> = {},
  options: Partial<SurfaceOptions> = {},
): Promise<FakeSurface> {
  const faults: unknown[] = []
  const foreign: string[] = []
  const surface = await createSurface(
    {
      externalScheme: 'https',
      ownOrigin: origin,
      formTargets: ['https://idp.example'],
      assets: await loadAssets(),
      authenticate: async (head) => authenticationOf(head),
      onForeign: (refusal) => foreign.push(refusal),
      onFault: (error) => faults.push(error),
      ...options,
    },
    (app) => register(app, { ...emptyBackend(), ...backend }),
  )
  return { surface, app: surface.app, faults, foreign, [Symbol.asyncDispose]: () => surface[Symbol.asyncDispose]() }
}

async function register(app: FastifyInstance, backend: Backend): Promise<void> {
  await app.register(assetRoutes)
  await app.register(cliRoutes, backend)
  await app.register(consoleRoutes, backend)
  await app.register(eventRoutes, backend)
  await app.register(explainRoutes, backend)
  await app.register(handoverRoutes, backend)
  await app.register(jwksRoutes, backend)
  await app.register(loginRoutes, backend)
  await app.register(logoutRoutes, backend)
  await app.register(openRoutes, backend)
  await app.register(problemRoutes, backend)
  await app.register(sessionRoutes, backend)
  await app.register(sharePageRoutes, backend)
  await app.register(shareRoutes, backend)
  await app.register(whoamiRoutes, backend)
  await app.register(workspaceRoutes, backend)
}

export interface Served extends AsyncDisposable {
  readonly url: string
  readonly port: number
}

/** On a port of its own, as the gateway hands requests over. */
export async function served({ surface }: FakeSurface): Promise<Served> {
  const server = createServer((request, response) =>
    surface.handle(request, response, { requestId: 'given-1', client: '192.0.2.1' }),
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** Knows nobody's workspace, and refuses what it is asked to do. */
function emptyBackend(): Backend {
  const refused = { ok: false, problem: notFound } as const
  const rules = { externalScheme: 'https', isOwnAuthority: () => false } as const
  return {
    clock: fakeClock(),
    listWorkspaces: () => [],
    viewWorkspace: () => undefined,
    async *watchWorkspace() {},
    untilSessionEnds: () => new AbortController().signal,
    closing: new AbortController().signal,
    startWorkspace: () => refused,
    stopWorkspace: () => refused,
    readLogs: () => refused,
    listShares: () => refused,
    createShare: () => refused,
    deleteShare: () => refused,
    explain: () => refused,
    listSessions: () => [],
    endSession: () => refused,
    manifestProblems: () => [],
    missingPolicies: () => [],
    parseReturnTo: (raw) => parseReturnTo(raw, rules),
    startLogin: async () => ({ kind: 'redirect', location: 'https://idp.example/auth?x=1', setCookies: ['login=1'] }),
    finishLogin: async () => ({ kind: 'done', location: '/', setCookies: ['session=alice'] }),
    logOut: async () => ({ location: 'https://idp.example/end', setCookies: ['session=; Max-Age=0'] }),
    receiveLogoutToken: async () => ({ kind: 'refused', reason: 'token_malformed' }),
    handover: () => undefined,
    jwks: () => ({ keys: [] }),
    startConsent: () => ({ kind: 'refused', reason: 'state_invalid' }),
    grant: async () => ({ kind: 'refused', reason: 'consent_invalid' }),
    deny: () => undefined,
    exchange: async () => ({ kind: 'refused', reason: 'code_invalid' }),
    renew: async () => undefined,
  }
}

/** `Cookie: session=alice` or `Authorization: Bearer alice` is alice; `session=unavailable` is a store that does not answer. */
function authenticationOf(head: RequestHead): Authentication {
  const byCookie = /(?:^|; )session=([^;]+)/.exec(head.cookie ?? '')?.[1]
  const byBearer = /^Bearer (.+)$/.exec(head.authorization ?? '')?.[1]
  if (byCookie === 'unavailable') return { kind: 'unavailable' }
  if (byCookie !== undefined)
    return { kind: 'session', session: sessionOf(decodeURIComponent(byCookie)), via: 'cookie' }
  if (byBearer !== undefined) return { kind: 'session', session: sessionOf(byBearer), via: 'bearer' }
  return { kind: 'anonymous', reason: 'none' }
}

export function sessionOf(username: string): Session {
  const createdAt = Date.parse('2026-01-01T08:00:00Z')
  return {
    name: `session-of-${username.length}` as SessionName, // a made-up name, in the form of one
    kind: 'browser',
    identity: { kind: 'person', username, uid: `uid-${username}`, groups: ['ds'] },
    issuer: 'https://idp.example',
    subject: `sub-${username}`,
    userAgent: 'Mozilla/5.0',
    createdAt,
    expiresAt: createdAt + 3_600_000,
    notAfter: createdAt + 12 * 3_600_000,
  }
}

/** Runs, belongs to alice, and may be used in every way. */
export function workspaceView(change: Partial<WorkspaceView> = {}): WorkspaceView {
  return {
    namespace: 'alice',
    name: 'notebook',
    displayName: 'Notebook',
    owner: 'alice',
    mine: true,
    grant: 'owner',
    state: 'Running',
    reason: 'ResourcesReady',
    message: 'The workspace is running.',
    steps: [],
    ports: [portView()],
    can: { open: true, start: false, stop: true, share: true, logs: true },
    url: portView().url,
    ...change,
  }
}

type PortView = WorkspaceView['ports'][number]

export function portView(change: Partial<PortView> = {}): PortView {
  return {
    name: 'lab',
    port: 8888,
    label: 'JupyterLab',
    url: 'https://notebook-mfwgsy3f.example.test/',
    exposed: true,
    ready: true,
    ...change,
  }
}

export function shareView(change: Partial<ShareView> = {}): ShareView {
  return {
    name: 'notebook-1a2b',
    createdBy: 'alice',
    createdAt: '2026-01-01T08:00:00Z',
    grantees: [{ kind: 'User', name: 'bob' }],
    access: 'connect',
    workspaces: ['notebook'],
    status: { accepted: true, reason: 'OwnerGranted', message: '' },
    ...change,
  }
}

/** What a browser sends along with a click on a link, and with a form on one of our pages. */
export const navigation = {
  accept: 'text/html,application/xhtml+xml',
  'sec-fetch-mode': 'navigate',
  'sec-fetch-dest': 'document',
  'sec-fetch-site': 'none',
} as const
export const ownForm = {
  ...navigation,
  'sec-fetch-site': 'same-origin',
  origin,
  'content-type': 'application/x-www-form-urlencoded',
} as const
/** What our own scripts send. */
export const ownFetch = {
  accept: 'application/json',
  'sec-fetch-mode': 'cors',
  'sec-fetch-dest': 'empty',
  'sec-fetch-site': 'same-origin',
} as const

export const alice = { cookie: 'session=alice' } as const
