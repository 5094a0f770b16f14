/** Wires what one edition of the settings makes: who may log in where, who may do what, and the request path. Several may end while one is in force. */
import { Carriers, type CarriersParts } from '#gateway/carriers.ts'
import { Gateway } from '#gateway/gateway.ts'
import { TenantCookies } from '#gateway/handover.ts'
import { Passes } from '#gateway/passes.ts'
import { decideAllLive, type RevocationParts, revokeOnChange } from '#gateway/revocation.ts'
import { Sightings } from '#gateway/sightings.ts'
import { StatusNews } from '#gateway/status-news.ts'
import type { TunnelPolicy } from '#gateway/tunnel-policy.ts'
import { Tunnels } from '#gateway/tunnels.ts'
import { WorkspaceHost } from '#gateway/workspace-host.ts'
import { expectBody } from '#http/body-deadline.ts'
import { trustedNetworks } from '#http/forwarded.ts'
import type { ClientResponse } from '#http/messages.ts'
import { withMachines } from '#identity/machine-authenticator.ts'
import { parseSessionName } from '#identity/session-id.ts'
import { isShut } from '#proxy/upstream.ts'
import type { Edition } from '#settings/managed.ts'
import type { Settings } from '#settings/settings.ts'
import type { AccessPolicy, Trust } from '#workspace/access.ts'
import { makeSite, type Site } from '#workspace/address.ts'
import { sshPortsOf } from '#workspace/connections.ts'
import { countAnswer } from './accounts.ts'
import { type Agents, agentDoor } from './agents.ts'
import { upstreamBy } from './ended-routes.ts'
import { type Identities, openIdentities } from './identity.ts'
import { InFlight } from './in-flight.ts'
import type { State } from './state.ts'
import { openSurface } from './surface.ts'

export interface Front {
  readonly site: Site
  readonly gateway: Gateway
  readonly identities: Identities
  /** From here on changes to what is live are decided by this edition, until disposed. */
  decideChanges(): Disposable
  /** So is all that is live already. */
  decideAllLive(): void
  /** Its own pages stop listening for news, and come again: nothing of its own keeps a connection open. */
  endNews(): void
  /** Settles when nothing that was asked of its own surface is unanswered. */
  idle(): Promise<void>
  /** Ends it at once, and gives back what it held. */
  end(): Promise<void>
}

/** Throws `invalid_settings`; then nothing is held. Nothing goes by it yet. */
export async function openFront(state: State, edition: Edition): Promise<Front> {
  const { ground, keeping, machines, streams, witness, turnstile, nextRequestId } = state
  const { clock, log, audit, metrics, signal } = ground
  const { settings } = edition
  const site = siteOf(settings)
  const people = await openIdentities({ ...edition, site, keeping, clock, log, signal })
  const identities: Identities = { ...people, authenticator: withMachines(people.authenticator, machines) }
  await using opened = new AsyncDisposableStack()
  opened.use(identities.issuers)
  const { authenticator, cookies, sessions } = identities
  const { directory, prober } = state.workspaces
  const shared = {
    ...ground,
    ...edition,
    ...{ site, directory, streams, cookies, authenticator, identities },
    ...{ ssh: state.ssh, activity: state.idle.activity },
    ...(state.reviews ? { reviews: state.reviews } : {}),
    policy: policyOf(settings, ground.trust),
    tunnels: tunnelPolicyOf(settings, ground.agents),
    handovers: identities.handovers,
    sessionOf: (name: string) => {
      const parsed = parseSessionName(name)
      return parsed && (sessions.get(parsed) ?? machines.get(parsed))
    },
    isOwnCookie: (name: string) => authenticator.isOwnCookie(name),
    subscribeSessions(listener: Parameters<RevocationParts['subscribeSessions']>[0]) {
      const both = new DisposableStack()
      both.use(sessions.subscribe(listener))
      both.use(machines.subscribe(listener))
      return both
    },
  }
  const closing = new AbortController()
  const surface = await openSurface({ ...shared, prober, closing: closing.signal })
  opened.defer(() => surface.close())
  const tenants = new TenantCookies(cookies)
  const { renderPage } = surface
  const news = new StatusNews({ ...shared, closing: closing.signal })
  const inFlight = new InFlight<ClientResponse>()
  const door = agentDoor({ ...shared, slots: state.slots })
  const gateway = new Gateway({
    ...shared,
    trustedProxies: trustedNetworks(settings.trustedProxies),
    limits: settings.limits,
    passes: new Passes(streams, clock),
    upstreamOf: upstreamBy(ground.dial),
    isAwaited: (instance, port) => prober.isAwaited(instance, port),
    carriers: carriersOf(state, identities),
    tunnelling: tunnellingOf(state, tunnelPolicyOf(settings, ground.agents)),
    ...(door ? { agentDoor: door } : {}),
    tenants,
    workspaceHost: new WorkspaceHost({ ...shared, news, tenants, renderPage, onRefusedTicket: refusedTickets(state) }),
    witness,
    turnstile,
    renewals: identities.renewals,
    renderPage,
    nextRequestId,
    ownSurface: (request, response, origin, expectsContinue) => {
      inFlight.add(response, countAnswer({ metrics, audit, clock }, request, response, origin))
      expectBody(request, clock, settings.limits.headerTimeout)
      surface.handle(request, response, origin, expectsContinue)
    },
  })
  const revocation: RevocationParts = shared
  const held = opened.move()
  return {
    ...{ site, gateway, identities },
    decideChanges: () => revokeOnChange(revocation),
    decideAllLive: () => decideAllLive(revocation),
    endNews: () => closing.abort(),
    idle: () => inFlight.idle(),
    async end() {
      closing.abort()
      await held.disposeAsync()
    },
  }
}

function siteOf({ domain, external, routing }: Settings): Site {
  return makeSite({
    ...{ scheme: external.scheme, port: external.port, domain, mode: routing.mode },
    ...(routing.mode === 'path' ? { workspacesHost: routing.workspacesDomain } : {}),
  })
}

function policyOf({ access, administrators }: Settings, trust: Trust | undefined): AccessPolicy {
  return { defaultAccessType: access.defaultAccessType, administrators, ...(trust ? { trust } : {}) }
}

function tunnelPolicyOf({ connections, insecure }: Settings, agents: Agents | undefined): TunnelPolicy {
  const sshPorts = sshPortsOf(connections)
  const isByAgent = agents?.isFor ?? (() => false)
  return { connections, sshPorts, insecureDirectSsh: insecure.includes('insecureDirectSsh'), isByAgent }
}

function tunnellingOf({ ground, recorder, ...state }: State, policy: TunnelPolicy): Tunnels {
  const { connectTimeout } = ground.settings.limits
  const sightings = new Sightings(recorder, ground.log)
  const { endingOf } = state.idle
  return new Tunnels({ ...ground, ...state, policy, connectTimeout, sightings, endingOf })
}

function carriersOf(state: State, identities: Identities): Carriers {
  const { ground, client, turnstile, recorder } = state
  const { prober } = state.workspaces
  const { authenticator, assertions } = identities
  const isOwnCookie = (name: string) => authenticator.isOwnCookie(name)
  const suspect: CarriersParts['suspect'] = (pass, fault) => {
    const { instance, ref } = pass.entry
    const shutBy = isShut(fault) ? fault.message : undefined
    if (instance) prober.suspect(ref, instance.instanceUid, pass.port.port, shutBy)
  }
  const bodies = ground.settings.limits
  const sightings = new Sightings(recorder, ground.log)
  return new Carriers({ ...ground, turnstile, bodies, client, isOwnCookie, assertions, suspect, sightings })
}

function refusedTickets({ ground: { audit } }: State) {
  return (reason: string, { requestId, client }: { readonly requestId: string; readonly client: string }) => {
    const nobody = { user: undefined, session: undefined, workspace: undefined, port: undefined }
    audit.record({ event: 'deny', ...nobody, requestId, client, reason: `ticket:${reason}` })
  }
}
