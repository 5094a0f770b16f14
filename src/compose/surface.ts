/** Wires Gatehouse's own pages and API: each plugin gets the functions it needs. */
import { ActivityDesk, type ActivityDeskParts } from '#gateway/activity-desk.ts'
import { type AgentStandingParts, withAgent } from '#gateway/agent-standing.ts'
import { credentialsOf } from '#gateway/credentials.ts'
import { Desk } from '#gateway/desk.ts'
import { ticketLocation } from '#gateway/handover.ts'
import type { LastActiveDeskParts } from '#gateway/last-active-desk.ts'
import { ShareDesk } from '#gateway/share-desk.ts'
import type { TunnelPolicy } from '#gateway/tunnel-policy.ts'
import { actorOf } from '#gateway/witness.ts'
import type { CookieScope } from '#identity/authentication.ts'
import { receiveLogoutToken } from '#identity/back-channel-logout.ts'
import { clearSessionCookie } from '#identity/cookie-names.ts'
import type { PodTokens } from '#identity/pod-token.ts'
import { parseReturnTo } from '#identity/return-to.ts'
import type { Session } from '#identity/session.ts'
import type { Clock } from '#lib/clock.ts'
import type { StreamIndex } from '#live/streams.ts'
import type { Audit } from '#observe/audit.ts'
import type { Log } from '#observe/log.ts'
import type { Metrics } from '#observe/metrics.ts'
import type { Resources } from '#resources/contract.ts'
import { activityRoutes } from '#routes/activity.ts'
import { assetRoutes } from '#routes/assets.ts'
import { cliRoutes } from '#routes/cli.ts'
import { cliFileRoutes } from '#routes/cli-file.ts'
import { consoleRoutes } from '#routes/console.ts'
import { eventRoutes } from '#routes/events.ts'
import { explainRoutes } from '#routes/explain.ts'
import { handoverRoutes } from '#routes/handover.ts'
import { ideRoutes } from '#routes/ide.ts'
import { jwksRoutes } from '#routes/jwks.ts'
import { lastActiveRoutes } from '#routes/last-active.ts'
import { loginRoutes } from '#routes/login.ts'
import { logoutRoutes } from '#routes/logout.ts'
import { openRoutes } from '#routes/open.ts'
import { problemRoutes } from '#routes/problems.ts'
import { createSurface } from '#routes/server.ts'
import { sessionRoutes } from '#routes/sessions.ts'
import { sharePageRoutes } from '#routes/share-page.ts'
import { shareRoutes } from '#routes/shares.ts'
import { sshRoutes } from '#routes/ssh.ts'
import type { Actor } from '#routes/visitor.ts'
import { whoamiRoutes } from '#routes/whoami.ts'
import { workspaceRoutes } from '#routes/workspaces.ts'
import type { Instances } from '#runtime/contract.ts'
import type { Settings } from '#settings/settings.ts'
import type { MissingPolicy } from '#surface/messages.ts'
import type { WorkspaceRef } from '#surface/workspace-ref.ts'
import { loadAssets } from '#ui/assets.ts'
import { problemPages } from '#ui/pages/problem.ts'
import { type AccessPolicy, isAdministrator } from '#workspace/access.ts'
import { authorityOf, consoleOrigin, type Site } from '#workspace/address.ts'
import type { Directory } from '#workspace/directory.ts'
import type { Prober } from '#workspace/prober.ts'
import type { Reviews } from '#workspace/reviews.ts'
import { loadCliFile } from './cli-file.ts'
import type { Identities } from './identity.ts'
import { lastActiveSurface } from './last-active.ts'
import { denied, finishLogin, strangerAt } from './login-end.ts'
import { sessionDesk } from './session-desk.ts'
import { ideDesk, type Ssh, sshSurface } from './ssh.ts'

export interface SurfaceParts {
  readonly settings: Settings
  readonly site: Site
  readonly identities: Identities
  readonly ssh: Ssh
  readonly podTokens?: PodTokens
  readonly directory: Directory
  readonly agents?: NonNullable<AgentStandingParts['agents']>
  readonly policy: AccessPolicy
  readonly tunnels: TunnelPolicy
  readonly reviews?: Reviews
  readonly prober: Prober
  readonly resources: Resources
  readonly runtime: Instances
  readonly streams: StreamIndex
  readonly sessionOf: (name: string) => Session | undefined
  readonly activity: ActivityDeskParts['activity'] & LastActiveDeskParts['activity']
  readonly missingPolicies?: () => readonly MissingPolicy[]
  readonly manifestProblems: () => readonly { readonly file: string; readonly line: number; readonly reason: string }[]
  readonly audit: Audit
  readonly metrics: Metrics
  readonly clock: Clock
  readonly log: Log
  /** Nothing of its own may keep a connection open any more. */
  readonly closing: AbortSignal
}

export async function openSurface(parts: SurfaceParts) {
  const { site, identities, settings, log, audit } = parts
  const scope: CookieScope = { kind: 'console', authority: authorityOf(site, site.domain), path: '/' }
  const { authenticator } = identities
  const surface = await createSurface(
    {
      externalScheme: site.scheme,
      ownOrigin: consoleOrigin(site),
      formTargets: settings.oidc.map(({ issuer }) => new URL(issuer).origin),
      assets: await loadAssets(),
      authenticate: async (head) => {
        const visitor = await authenticator.resolve(credentialsOf(head, authenticator), scope)
        // Who is at the console alone is at work as well, and stays logged in.
        if (visitor.kind === 'session') identities.renewals.touch(visitor.session, { live: false })
        return visitor
      },
      bodyBytes: settings.limits.bodyBytes,
      onForeign: (refusal, origin, session) =>
        audit.record({
          event: 'deny',
          ...actorOf(origin, session),
          workspace: undefined,
          port: undefined,
          reason: `cross-origin:${refusal}`,
        }),
      onFault: (error, requestId) => log.error({ requestId, error }, 'a request to the own surface failed'),
    },
    (app) => register(app, parts, scope),
  )
  return {
    handle: surface.handle,
    renderPage: problemPages({ externalScheme: site.scheme, home: `${consoleOrigin(site)}/` }),
    close: () => surface[Symbol.asyncDispose](),
  }
}

type App = Parameters<Parameters<typeof createSurface>[1]>[0]

async function register(app: App, parts: SurfaceParts, scope: CookieScope): Promise<void> {
  const { identities, clock, site } = parts
  const sessions = sessionDesk(parts)
  const desk = new Desk({
    ...parts,
    identityOf: sessions.identityOf,
    isLocked: (username) => identities.sessions.isLocked(username),
    subscribeSessions: (listener) => identities.sessions.subscribe(listener),
    isPortReady: (entry, port) => !(entry.instance && parts.prober.isAwaited(entry.instance, port)),
  })
  const shares = new ShareDesk(parts)
  const activity = new ActivityDesk(parts)
  const workspaces = {
    listWorkspaces: (actor: Actor) => desk.list(actor),
    viewWorkspace: async (actor: Actor, ref: WorkspaceRef) => withAgent(parts, await desk.view(actor, ref)),
    watchWorkspace: desk.watch.bind(desk),
    startWorkspace: (actor: Actor, ref: WorkspaceRef) => desk.setDesiredStatus(actor, ref, 'Running'),
    stopWorkspace: (actor: Actor, ref: WorkspaceRef) => desk.setDesiredStatus(actor, ref, 'Stopped'),
    readLogs: desk.logs.bind(desk),
    listShares: shares.list.bind(shares),
    createShare: shares.create.bind(shares),
    deleteShare: shares.revoke.bind(shares),
    explain: desk.explain.bind(desk),
    readActivity: activity.view.bind(activity),
    keepWorkspace: activity.keep.bind(activity),
    readIdes: ideDesk(parts),
    // On a laptop everybody who may log in is the person whose files they are.
    manifestProblems: () => parts.manifestProblems(),
    missingPolicies: ({ session }: Actor) =>
      isAdministrator(session.identity, parts.policy) ? (parts.missingPolicies?.() ?? []) : [],
    listSessions: sessions.list,
    endSession: sessions.end,
    untilSessionEnds: sessions.untilEnded,
    closing: parts.closing,
    clock,
  }
  const { authenticator, cliLogins, assertions } = identities
  const returnTo = { externalScheme: site.scheme, isOwnAuthority: (authority: string) => authority === scope.authority }
  await app.register(assetRoutes)
  await app.register(cliFileRoutes, { cliFile: await loadCliFile() })
  await app.register(loginRoutes, {
    parseReturnTo: (raw) => parseReturnTo(raw, returnTo),
    startLogin: (request) => identities.logins.start(request),
    finishLogin: (query, browser) => finishLogin(parts, scope, query, browser),
  })
  await app.register(logoutRoutes, {
    async logOut(actor) {
      const { location } = await identities.logouts.end(actor.session.name)
      parts.audit.record({ event: 'logout', ...sessions.actorOf(actor) })
      return { location, setCookies: [clearSessionCookie(identities.cookies, scope)] }
    },
    async receiveLogoutToken(token, origin) {
      const received = await receiveLogoutToken({ ...identities, clock, log: parts.log }, token)
      if (received.kind === 'refused') denied(parts, strangerAt(origin), `logout:${received.reason}`)
      return received
    },
  })
  await app.register(handoverRoutes, {
    handover(_actor, { to, nonce, cookieHeader }) {
      const id = authenticator.sessionIdOf(cookieHeader, scope)
      return id && ticketLocation({ ...identities, site }, id, { to, nonce })
    },
  })
  await app.register(cliRoutes, {
    startConsent: (query, actor) => cliLogins.startConsent(query, actor.session),
    async grant(form, actor, cookieHeader) {
      const grant = await cliLogins.grant(form, actor.session, cookieHeader)
      if (grant.kind === 'refused') denied(parts, sessions.actorOf(actor), `cli:${grant.reason}`)
      return grant
    },
    deny(form, actor) {
      const location = cliLogins.deny(form, actor.session)
      denied(parts, sessions.actorOf(actor), location === undefined ? 'cli:consent_invalid' : 'cli:declined')
      return location
    },
    async exchange(request, origin) {
      const exchange = await cliLogins.exchange(request)
      if (exchange.kind === 'refused') denied(parts, strangerAt(origin), `cli:${exchange.reason}`)
      return exchange
    },
    async renew({ session: { name, expiresAt } }) {
      // So that one that asks all the time asks the issuer four times in a session's life.
      const isDue = expiresAt - clock.now() < (parts.settings.sessions.renewEvery * 3) / 4
      if (isDue) await identities.renewals.renewNow(name)
      return identities.sessions.get(name)
    },
  })
  await app.register(sshRoutes, sshSurface(parts))
  await app.register(lastActiveRoutes, lastActiveSurface(parts))
  await app.register(jwksRoutes, { jwks: () => assertions.jwks() })
  const plugins: readonly ((app: App, options: typeof workspaces) => Promise<void>)[] = [
    consoleRoutes,
    whoamiRoutes,
    openRoutes,
    workspaceRoutes,
    eventRoutes,
    activityRoutes,
    ideRoutes,
    shareRoutes,
    sharePageRoutes,
    explainRoutes,
    sessionRoutes,
    problemRoutes,
  ]
  for (const plugin of plugins) await app.register(plugin, workspaces)
}
