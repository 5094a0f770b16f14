/**
 * The smallest gateway that logs people in: the identity layer behind a few routes on a real socket, and the real embedded identity provider beside it.
 * What the gateway itself adds (origins, pages, workspaces) has tests of its own.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { CookieScope } from '#identity/authentication.ts'
import { receiveLogoutToken } from '#identity/back-channel-logout.ts'
import { openBrowserSession } from '#identity/browser-session.ts'
import { type CliLogins, createCliLogins } from '#identity/cli-login.ts'
import { openIssuers } from '#identity/issuers.ts'
import { createLogins, type LoginFinish, type LoginStart } from '#identity/login.ts'
import { createLogouts } from '#identity/logout.ts'
import { createRenewals, type Renewals } from '#identity/renewals.ts'
import { consoleFrontPage, parseReturnTo } from '#identity/return-to.ts'
import type { Session } from '#identity/session.ts'
import { usernameClaims } from '#identity/username-claim.ts'
import { localhostLookup } from '#lib/localhost-lookup.ts'
import { createMetrics } from '#observe/metrics.ts'
import { paths } from '#surface/urls.ts'
import { createScriptedBrowser, type ScriptedBrowser } from './browser-session.ts'
import { dateFollows } from './date-follows.ts'
import { freePort } from './free-port.ts'
import { type TestIdentityProvider, testIdentityProvider } from './identity-provider.ts'
import { type IdentityWorld, identityWorld, namespace, type Replica } from './identity-world.ts'

export interface LoginGateway extends AsyncDisposable {
  readonly origin: string
  readonly world: IdentityWorld
  readonly replica: Replica
  readonly provider: TestIdentityProvider
  readonly renewals: Renewals
  /** Names of sessions that have something open. */
  readonly live: Set<string>
  browser(): ScriptedBrowser
  /** Everybody's sessions: user and kind. */
  sessions(): readonly string[]
}

interface Answer {
  readonly status: number
  readonly location?: string
  readonly setCookies?: readonly string[]
  readonly body?: string
}

type Route = (request: Asked) => Promise<Answer> | Answer

interface Asked {
  readonly method: string
  /** As it was sent. */
  readonly target: string
  readonly query: URLSearchParams
  readonly form: URLSearchParams
  readonly cookie: string | undefined
  readonly userAgent: string
  readonly session: Session | undefined
}

/** Both on the time of one fake clock. */
export async function loginGateway(): Promise<LoginGateway> {
  await using stack = new AsyncDisposableStack()
  const world = stack.use(identityWorld())
  stack.use(dateFollows(world.clock))
  const port = await freePort()
  const origin = `http://localhost:${port}`
  const provider = stack.use(await testIdentityProvider({ clientOrigin: origin, clock: world.clock }))
  const cookies = { externalScheme: 'http', externalPort: port } as const
  const scope: CookieScope = { kind: 'console', authority: `localhost:${port}`, path: '/' }
  const replica = await world.replica({ cookies, authenticator: { consoleAuthority: scope.authority } })
  const ending = new AbortController()
  stack.defer(() => ending.abort())
  const { clock, log } = world
  const common = { ...replica, clock, log, signal: ending.signal }
  const issuers = await openIssuers({
    ...{ clock, log, signal: ending.signal, lookup: localhostLookup, redirectUri: `${origin}${paths.callback}` },
    clientSecrets: new Map([['demo', provider.clientSecret]]),
    settings: [
      {
        ...{ id: 'demo', displayName: 'Demo', issuer: provider.issuer, clientId: provider.clientId },
        scopes: ['openid', 'profile', 'email'],
        ...{ usernameClaim: 'preferred_username', usernamePrefix: '', groupsClaim: 'groups', groupsPrefix: '' },
        ...{ caFile: undefined, isHttpAllowed: true },
      },
    ],
  })
  const returnTo = {
    externalScheme: 'http',
    isOwnAuthority: (authority: string) => authority === scope.authority,
  } as const
  const usernames = usernameClaims({ resources: replica.resources, namespace })
  const logins = createLogins({ ...common, issuers, usernames, cookies, returnTo })
  const live = new Set<string>()
  const renewals = createRenewals({ ...common, issuers, metrics: createMetrics(), isLive: (name) => live.has(name) })
  const logouts = createLogouts({ ...common, issuers, loggedOutUri: `${origin}${paths.loggedOut}` })
  const cli = createCliLogins({ ...common, issuers, logins, replica: 'this one', consoleAuthority: scope.authority })

  const finished = async (finish: LoginFinish, asked: Asked): Promise<Answer> => {
    switch (finish.kind) {
      case 'restarted':
        return started(finish.start)
      case 'unavailable':
        return { status: 503, setCookies: finish.setCookies, body: 'the identity provider is away' }
      case 'refused':
        return { status: 400, setCookies: finish.setCookies, body: finish.reason }
      case 'ok': {
        if (cli.isCliAttachment(finish.attachment)) return ofCli(cli, finish.attachment, finish)
        const made = await openBrowserSession({ ...common, cookies, scope }, finish, {
          userAgent: asked.userAgent,
          previous: asked.session,
        })
        return { status: 303, location: finish.returnTo, setCookies: [...finish.setCookies, made.setCookie] }
      }
    }
  }

  const routes: Readonly<Record<string, Route>> = {
    [paths.login]: async ({ query, cookie }) => {
      const target = parseReturnTo(query.get('to') ?? '/', returnTo) ?? consoleFrontPage
      return started(await logins.start({ returnTo: target, cookieHeader: cookie }))
    },
    [paths.callback]: async (asked) => finished(await logins.finish(asked.query, asked.cookie), asked),
    [paths.logout]: async ({ session }) => {
      const location = session && (await logouts.end(session.name)).location
      return { status: 303, location: location ?? paths.loggedOut }
    },
    [paths.loggedOut]: ({ query }) => ({
      status: 200,
      body: logouts.isOwnReturn(query) ? 'logged out' : 'no logout of ours',
    }),
    [paths.backchannelLogout]: async ({ form }) => {
      const outcome = await receiveLogoutToken({ ...common, issuers }, form.get('logout_token') ?? '')
      return { status: outcome.kind === 'ended' ? 200 : 400, body: JSON.stringify(outcome) }
    },
    [paths.cliAuthorize]: (asked) => consent(cli, asked),
    [paths.cliToken]: async ({ form }) => {
      const outcome = await cli.exchange({ code: form.get('code') ?? '', verifier: form.get('code_verifier') ?? '' })
      return outcome.kind === 'ok'
        ? { status: 200, body: outcome.secret.reveal() }
        : { status: 400, body: outcome.reason }
    },
  }
  const whoami: Route = ({ session, target }) => {
    if (!session) return toLogin(target)
    renewals.touch(session, { live: false })
    return { status: 200, body: JSON.stringify(session.identity) }
  }

  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    const target = request.url ?? ''
    const { pathname: path, searchParams: query } = new URL(target, origin)
    const { cookie, authorization, 'user-agent': userAgent = '' } = request.headers
    const bearer = authorization?.replace(/^Bearer /, '')
    const who = await replica.authenticator.resolve({ cookie, bearer }, scope)
    const session = who.kind === 'session' ? who.session : undefined
    const form = await formOf(request)
    const asked = { method: request.method ?? '', target, query, form, cookie, userAgent, session }
    const answer = await (routes[path] ?? whoami)(asked)
    if (answer.location !== undefined) response.setHeader('Location', answer.location)
    if (answer.setCookies) response.setHeader('Set-Cookie', [...answer.setCookies])
    response.writeHead(answer.status, { 'Content-Type': 'text/html' }).end(answer.body)
  }
  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => response.writeHead(500).end(String(error)))
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  stack.defer(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  const all = stack.move()
  return {
    ...{ origin, world, replica, provider, renewals, live },
    browser: () => createScriptedBrowser({ now: () => clock.now() }),
    sessions: () => replica.sessions.find(() => true).map(({ spec }) => `${spec.username} ${spec.kind}`),
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  }
}

function toLogin(target: string): Answer {
  return { status: 302, location: `${paths.login}?${new URLSearchParams({ to: target })}` }
}

function started(start: LoginStart): Answer {
  switch (start.kind) {
    case 'redirect':
      return { status: 303, location: start.location, setCookies: start.setCookies }
    case 'choose':
      return { status: 200, body: start.issuers.map(({ id }) => id).join() }
    case 'unavailable':
      return { status: 503, body: 'the identity provider is away' }
  }
}

async function consent(cli: CliLogins, { method, target, query, form, session, cookie }: Asked): Promise<Answer> {
  if (!session) return toLogin(target)
  if (method === 'POST') {
    const grant = await cli.grant(form.get('consent') ?? '', session, cookie)
    return grant.kind === 'login' ? started(grant.start) : { status: 400, body: grant.reason }
  }
  const asked = cli.startConsent(query, session)
  if (asked.kind === 'refused') return { status: 400, body: asked.reason }
  return {
    status: 200,
    body: `<p>${asked.device}</p><form method="post"><input name="consent" value="${asked.form}"></form>`,
  }
}

async function ofCli(
  cli: CliLogins,
  attachment: string,
  finish: Extract<LoginFinish, { kind: 'ok' }>,
): Promise<Answer> {
  const callback = await cli.finish(finish.login, attachment)
  if (callback.kind === 'refused') return { status: 400, body: callback.reason }
  return { status: 303, location: callback.location, setCookies: finish.setCookies }
}

async function formOf(request: IncomingMessage): Promise<URLSearchParams> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(Buffer.from(chunk))
  return new URLSearchParams(Buffer.concat(chunks).toString())
}
