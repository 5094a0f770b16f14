/** Wires one gateway out of its parts: identity, what is known of workspaces, the proxy, and its own surface. Listens nowhere. */
import type { LookupFunction } from 'node:net'
import { Carriers, type CarriersParts } from '#gateway/carriers.ts'
import { Gateway } from '#gateway/gateway.ts'
import { TenantCookies } from '#gateway/handover.ts'
import { Passes } from '#gateway/passes.ts'
import { revokeOnChange } from '#gateway/revocation.ts'
import { Witness } from '#gateway/witness.ts'
import { WorkspaceHost } from '#gateway/workspace-host.ts'
import { expectBody } from '#http/body-deadline.ts'
import { trustedNetworks } from '#http/forwarded.ts'
import { parseSessionName } from '#identity/session-id.ts'
import { type Clock, sleep } from '#lib/clock.ts'
import { StreamIndex } from '#live/streams.ts'
import type { Audit } from '#observe/audit.ts'
import type { Log } from '#observe/log.ts'
import type { Metrics } from '#observe/metrics.ts'
import { createRequestIds } from '#observe/request-id.ts'
import { KeepAliveClient } from '#proxy/keep-alive-client.ts'
import type { Resources } from '#resources/contract.ts'
import type { Instances } from '#runtime/contract.ts'
import type { Secrets, Settings } from '#settings/settings.ts'
import type { AccessPolicy } from '#workspace/access.ts'
import { makeSite, type Site } from '#workspace/address.ts'
import type { Dial } from '#workspace/probe.ts'
import type { WorkspaceShare } from '#workspace/share.ts'
import type { Authorship } from '#workspace/share-acceptance.ts'
import { countAnswer, keepAccounts } from './accounts.ts'
import { forgetEndedRoutes, upstreamBy } from './ended-routes.ts'
import { type Identities, openIdentities } from './identity.ts'
import { openSurface } from './surface.ts'
import { startTasks, type Tasks } from './tasks.ts'
import { openWorkspaces, type Workspaces } from './workspaces.ts'

/** What a gateway stands on; a cluster and a laptop differ in these alone. */
export interface Ground {
  readonly settings: Settings
  readonly secrets: Secrets
  readonly resources: Resources
  readonly runtime: Instances
  readonly dial: Dial
  readonly authorshipOf: (share: WorkspaceShare) => Authorship | undefined
  /** Files that could not be read as manifests; none in a cluster. */
  readonly manifestProblems: () => readonly { readonly file: string; readonly line: number; readonly reason: string }[]
  readonly lookup: LookupFunction
  readonly clock: Clock
  readonly log: Log
  readonly audit: Audit
  readonly metrics: Metrics
  /** Ends everything at once. */
  readonly signal: AbortSignal
}

export interface OpenGateway {
  readonly site: Site
  readonly gateway: Gateway
  readonly identities: Identities
  readonly workspaces: Workspaces
  readonly streams: StreamIndex
  readonly tasks: Tasks
  /** Its own pages stop listening for news, and come again: nothing of its own keeps a connection open. */
  endNews(): void
  /** Its own surface, and the loop in the background, have ended. */
  readonly ended: Promise<void>
}

export async function openGateway(ground: Ground): Promise<OpenGateway> {
  const { settings, clock, log, audit, metrics, signal } = ground
  const { domain, external, routing } = settings
  const site = makeSite({
    ...{ scheme: external.scheme, port: external.port, domain, mode: routing.mode },
    ...(routing.mode === 'path' ? { workspacesHost: routing.workspacesDomain } : {}),
  })
  const tasks = startTasks({ clock, log, signal })
  const streams = new StreamIndex()
  const identities = await openIdentities({ ...ground, site, streams })
  const { authenticator, assertions, cookies, handovers, sessions } = identities
  const workspaces = openWorkspaces({ ...ground, site, tasks })
  const { directory, prober } = workspaces
  const policy: AccessPolicy = {
    defaultAccessType: settings.access.defaultAccessType,
    administrators: settings.administrators,
  }
  const sessionOf = (name: string) => {
    const parsed = parseSessionName(name)
    return parsed && sessions.get(parsed)
  }
  const isOwnCookie = (name: string) => authenticator.isOwnCookie(name)
  const client = new KeepAliveClient({ clock, signal, dialLimit: settings.limits.connectTimeout })
  forgetEndedRoutes({ directory, client, streams })
  const shared = {
    ...ground,
    site,
    directory,
    policy,
    streams,
    sessionOf,
    isOwnCookie,
    authenticator,
    handovers,
    cookies,
  }
  const revocation = revokeOnChange({ ...shared, subscribeSessions: (listener) => sessions.subscribe(listener) })
  const closing = new AbortController()
  const surface = await openSurface({ ...shared, prober, identities, closing: closing.signal })
  const tenants = new TenantCookies(cookies)
  const onRefusedTicket = (reason: string, { requestId, client }: { requestId: string; client: string }) => {
    const nobody = { user: undefined, session: undefined, workspace: undefined, port: undefined }
    audit.record({ event: 'deny', ...nobody, requestId, client, reason: `ticket:${reason}` })
  }
  const host = new WorkspaceHost({ ...shared, tenants, renderPage: surface.renderPage, onRefusedTicket })
  const suspect: CarriersParts['suspect'] = (pass) => {
    const { instance, ref } = pass.entry
    if (instance) prober.suspect(ref, instance.instanceUid, pass.port.port)
  }
  const gateway = new Gateway({
    ...shared,
    trustedProxies: trustedNetworks(settings.trustedProxies),
    limits: settings.limits,
    passes: new Passes(streams, clock),
    upstreamOf: upstreamBy(ground.dial),
    isAwaited: (instance, port) => prober.isAwaited(instance, port),
    carriers: new Carriers({ client, isOwnCookie, assertions, audit, metrics, clock, suspect }),
    tenants,
    workspaceHost: host,
    witness: new Witness({ audit, metrics }),
    renewals: identities.renewals,
    renderPage: surface.renderPage,
    nextRequestId: createRequestIds(),
    ownSurface: (request, response, origin) => {
      countAnswer({ metrics, audit, clock }, request, response, origin)
      expectBody(request, clock, settings.limits.headerTimeout)
      surface.handle(request, response, origin)
    },
  })
  keepHouse(tasks, identities, ground)
  keepAccounts({ metrics, audit, sessions, streams, directory, signal })
  const ended = endWith(signal, [() => revocation[Symbol.dispose](), () => surface.close(), () => tasks.ended])
  return { site, gateway, identities, workspaces, streams, tasks, endNews: () => closing.abort(), ended }
}

const housekeepingEvery = 5 * 60_000

/** What nobody else does: locked people are kept out, and what has run out is deleted. */
function keepHouse(tasks: Tasks, { sessions, once }: Identities, { settings, clock }: Ground): void {
  tasks.run('housekeeping', async (signal) => {
    await sessions.setLocked(settings.locked)
    while (!signal.aborted) {
      await sleep(clock, housekeepingEvery, signal)
      await sessions.collectExpired()
      await once.collectExpired()
    }
  })
}

/** Runs every step when the signal ends it, whatever the others do. */
function endWith(signal: AbortSignal, steps: readonly (() => unknown)[]): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const end = async () => {
    const outcomes = await Promise.allSettled(steps.map(async (step) => step()))
    const failed = outcomes.find((outcome) => outcome.status === 'rejected')
    if (failed) throw failed.reason
  }
  signal.addEventListener('abort', () => resolve(end()), { once: true })
  return promise
}
