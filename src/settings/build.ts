/** Checked raw settings as {@link Settings}: spans of time in milliseconds, unions for what excludes one another. */
import { GatewayError } from '#errors.ts'
import type { Milliseconds } from '#lib/clock.ts'
import { parseDuration } from '#lib/duration.ts'
import { type Network, parseNetwork } from '#lib/network.ts'
import { parseQuantity } from '#lib/quantity.ts'
import type { InsecureName } from './insecure.ts'
import type { RawConnections, RawIssuer, RawListener, RawMachine, RawSettings } from './schema.ts'
import type {
  ConnectionSettings,
  IssuerSettings,
  ListenerSettings,
  MachineSettings,
  Routing,
  Settings,
} from './settings.ts'

export function buildSettings(raw: RawSettings): Settings {
  const { managerName, domain, home, external, operations, administrators, locked, access } = raw
  const { environmentAliases, log, limits, sessions, probe } = raw
  return {
    managerName,
    domain,
    home,
    ports: { gateway: raw.port, identity: raw.port + 1, operations: raw.port + 2 },
    external,
    routing: buildRouting(raw.domain, raw.routing),
    listeners: raw.listeners.map(buildListener),
    trustedProxies: networks(raw.trustedProxies),
    operations,
    oidc: raw.oidc.map((issuer) => buildIssuer(issuer, raw.insecureHttpIssuer)),
    administrators,
    locked,
    access,
    agents: { namespaces: raw.agents.namespaces, peers: raw.agents.peers },
    connections: buildConnections(raw.connections),
    sessions: { ...sessions, renewEvery: span(sessions.renewEvery), horizon: span(sessions.horizon) },
    probe: { period: span(probe.period), timeout: span(probe.timeout), failures: probe.failures },
    start: { timeout: span(raw.start.timeout) },
    load: raw.load,
    limits: {
      ...limits,
      headerTimeout: span(limits.headerTimeout),
      keepAlive: span(limits.keepAlive),
      connectTimeout: span(limits.connectTimeout),
      peerProbe: span(limits.peerProbe),
      uploadIdle: span(limits.uploadIdle),
      downloadIdle: span(limits.downloadIdle),
    },
    drain: { grace: span(raw.drain.grace) },
    ssh: { deployment: raw.ssh.deployment, user: raw.ssh.user },
    environmentAliases,
    log,
    machines: raw.machines.map(buildMachine),
    cluster: {
      ...raw.cluster,
      kubeconfig: raw.cluster.kubeconfig,
      staleWhileUnreachable: span(raw.cluster.staleWhileUnreachable),
    },
    demo: { manifests: raw.demo.manifests },
    insecure: insecureNames(raw),
  }
}

export function buildRouting(domain: string, raw: RawSettings['routing']): Routing {
  if (raw.mode === 'host') return { mode: 'host' }
  return { mode: 'path', workspacesDomain: raw.insecureSharedOrigin ? domain : `workspaces.${domain}` }
}

function buildListener(raw: RawListener): ListenerSettings {
  const { host, port, http2 = raw.kind === 'tls' } = raw
  const address = { host, port, http2, proxyProtocol: { trusted: networks(raw.proxyProtocol.trusted) } }
  return raw.kind === 'plain'
    ? { ...address, kind: 'plain' }
    : { ...address, kind: 'tls', certificates: raw.certificates }
}

export function buildIssuer(raw: RawIssuer, isHttpAllowed: boolean): IssuerSettings {
  const { clientSecret: _, ...rest } = raw
  return { ...rest, displayName: raw.displayName ?? raw.id, caFile: raw.caFile, isHttpAllowed }
}

export function buildConnections(raw: RawConnections): readonly ConnectionSettings[] {
  return Object.entries(raw).map(([pattern, { port, maxPerWorkspace, maxPerUser, idle, max, minMemory }]) => ({
    ...{ pattern, port, maxPerWorkspace, maxPerUser },
    idle: idle === undefined ? undefined : span(idle),
    max: max === undefined ? undefined : span(max),
    minMemory: minMemory === undefined ? undefined : parsed(parseQuantity(minMemory), String(minMemory)),
  }))
}

function buildMachine({ kind, tokenReview, usernamePrefix, ...rest }: RawMachine): MachineSettings {
  return kind === 'cluster' ? { ...rest, kind, tokenReview } : { ...rest, kind, usernamePrefix }
}

function insecureNames(raw: RawSettings): readonly InsecureName[] {
  const flags: { readonly [Name in InsecureName]: boolean } = {
    insecureHttpIssuer: raw.insecureHttpIssuer,
    insecureHttpExternal: raw.insecureHttpExternal,
    insecureWideBind: raw.insecureWideBind,
    insecureTrustEveryProxy: raw.insecureTrustEveryProxy,
    insecureDirectSsh: raw.insecureDirectSsh,
    'cluster.insecureOwnerAnnotation': raw.cluster.insecureOwnerAnnotation,
    'routing.insecureSharedOrigin': raw.routing.insecureSharedOrigin,
  }
  return insecureOrder.filter((name) => flags[name])
}

const insecureOrder: readonly InsecureName[] = [
  'insecureHttpIssuer',
  'insecureHttpExternal',
  'insecureWideBind',
  'insecureTrustEveryProxy',
  'insecureDirectSsh',
  'cluster.insecureOwnerAnnotation',
  'routing.insecureSharedOrigin',
]

function span(text: string): Milliseconds {
  return parsed(parseDuration(text), text)
}

function networks(texts: readonly string[]): readonly Network[] {
  return texts.map((text) => parsed(parseNetwork(text), text))
}

/** The schema has checked the form; this would be a fault of ours. */
function parsed<T>(value: T | undefined, text: string): T {
  if (value === undefined) throw new GatewayError('invalid_settings', `not understood after all: ${text}`)
  return value
}
