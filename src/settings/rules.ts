/**
 * What single values can't tell: keys that contradict one another, and choices that are refused unless their `insecure…` flag is set.
 * Every rule speaks for itself, so that all their problems are reported at once.
 */
import { BlockList, isIP } from 'node:net'
import { parseDuration } from '#lib/duration.ts'
import { isLocalhostName } from '#lib/localhost-lookup.ts'
import { isEverywhere, parseNetwork } from '#lib/network.ts'
import type { Entry, Readable } from './check.ts'
import type { Path } from './problem.ts'
import type { RawIssuer, RawListener, RawMachine } from './schema.ts'

export interface Finding {
  readonly path: Path
  readonly message: string
}

/** `serve`: the gateway of a cluster. `demo`: the laptop mode, which brings its own issuer. */
export type Face = 'serve' | 'demo'

/** `manager`: what a `WorkspaceManager` says, which is judged for the gateway of a cluster when its own file has been. */
type Judged = Face | 'manager'

type Rule = (readable: Readable, judged: Judged) => readonly Finding[]

export function applyRules(readable: Readable, face: Judged): readonly Finding[] {
  return rules.flatMap((rule) => rule(readable, face))
}

/** Only where the list itself could be read: a faulty issuer is reported for what it is. */
const someIssuer: Rule = ({ hasIssuers }, face) =>
  face === 'manager' && hasIssuers === false ? [{ path: ['oidc'], message: 'must name at least one issuer' }] : []

// 63 characters of a workspace's label and a dot come before it, and a name has at most 253 (RFC 1035).
const longestDomain = 189

const domainLength: Rule = ({ domain }) =>
  domain !== undefined && domain.length > longestDomain
    ? [{ path: ['domain'], message: `must have at most ${longestDomain} characters, for names below it` }]
    : []

const httpIssuers: Rule = ({ issuers, insecureHttpIssuer }) =>
  issuers
    .filter(({ value }) => URL.parse(value.issuer)?.protocol === 'http:' && insecureHttpIssuer === false)
    .map(({ index }) => ({
      path: ['oidc', index, 'issuer'],
      message: 'must be https (set insecureHttpIssuer to accept plain HTTP while developing)',
    }))

const distinctIssuers: Rule = ({ issuers }) => [
  ...repeated(issuers, 'id', (issuer) => issuer.id),
  ...repeated(issuers, 'issuer', (issuer) => JSON.stringify([issuer.issuer, issuer.clientId])),
]

function repeated(issuers: readonly Entry<RawIssuer>[], key: string, of: (issuer: RawIssuer) => string): Finding[] {
  return issuers
    .filter(({ value }, position) => issuers.findIndex((other) => of(other.value) === of(value)) < position)
    .map(({ index }) => ({ path: ['oidc', index, key], message: 'is used by an earlier issuer' }))
}

/** Otherwise one issuer could hand out a name that belongs to the other. */
const distinctPrefixes: Rule = ({ issuers }) => {
  const clash = (key: 'usernamePrefix' | 'groupsPrefix', position: number): boolean => {
    const own = issuers[position]?.value[key] ?? ''
    const earlier = issuers.slice(0, position).map(({ value }) => value[key])
    return earlier.some((other) => own.startsWith(other) || other.startsWith(own))
  }
  const keys = ['usernamePrefix', 'groupsPrefix'] as const
  return issuers.flatMap(({ index }, position) =>
    keys
      .filter((key) => clash(key, position))
      .map((key) => ({ path: ['oidc', index, key], message: 'overlaps with the prefix of an earlier issuer' })),
  )
}

/** The demo's own people have plain names, without a prefix, so names of other issuers must be unable to look like them. */
const besideDemoPeople: Rule = ({ issuers }, face) =>
  face !== 'demo'
    ? []
    : issuers.flatMap(({ index, value }) =>
        (['usernamePrefix', 'groupsPrefix'] as const)
          .filter((key) => !/[^A-Za-z0-9]$/.test(value[key]))
          .map((key) => ({
            path: ['oidc', index, key],
            message: "must end in something like a colon, to tell its names from those of the demo's own people",
          })),
      )

const systemNames: Rule = ({ issuers }) =>
  issuers.flatMap(({ index, value }) =>
    (['usernamePrefix', 'groupsPrefix'] as const)
      .filter((key) => value[key].startsWith('system:'))
      .map((key) => ({ path: ['oidc', index, key], message: 'must not begin with system:, which is Kubernetes own' })),
  )

const openidScope: Rule = ({ issuers }) =>
  issuers
    .filter(({ value }) => !value.scopes.includes('openid'))
    .map(({ index }) => ({ path: ['oidc', index, 'scopes'], message: 'must include openid' }))

const certificates: Rule = ({ listeners }) =>
  listeners.flatMap(({ index, value }) => {
    const path = ['listeners', index, 'certificates']
    if (value.kind === 'tls' && value.certificates.length === 0) return [{ path, message: 'is required for tls' }]
    if (value.kind === 'plain' && value.certificates.length > 0) return [{ path, message: 'is for tls listeners' }]
    return []
  })

const distinctAddresses: Rule = ({ listeners, operations }) => {
  const taken = new Set(operations?.hosts.map((host) => addressOf({ host, port: operations.port })))
  return listeners.flatMap(({ index, value }) => {
    const address = addressOf(value)
    if (taken.has(address)) return [{ path: ['listeners', index, 'port'], message: 'is taken by another listener' }]
    taken.add(address)
    return []
  })
}

function addressOf(listener: { host: string; port: number }): string {
  return JSON.stringify([listener.host, listener.port])
}

/** Behind a balancer that ends TLS a plain listener on every address is the usual thing; it is none where browsers use it directly. */
const wideBind: Rule = ({ listeners, external, operations, insecureWideBind }, face) => {
  if (insecureWideBind !== false) return []
  const isWide = (listener: RawListener) => listener.kind === 'plain' && !isLoopback(listener.host)
  const message = 'must be a loopback address (set insecureWideBind to let other machines connect in the clear)'
  const found = listeners
    .filter(({ value }) => external?.scheme === 'http' && isWide(value))
    .map(({ index }): Finding => ({ path: ['listeners', index, 'host'], message }))
  // In a cluster probes and metrics are asked for from outside of the pod; there is nothing else on that listener.
  const wideOperations = (face === 'serve' ? [] : (operations?.hosts ?? [])).flatMap((host, index): Finding[] =>
    isLoopback(host) ? [] : [{ path: ['operations', 'hosts', index], message }],
  )
  return [...found, ...wideOperations]
}

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

function isLoopback(address: string): boolean {
  return loopback.check(address, isIP(address) === 4 ? 'ipv4' : 'ipv6')
}

const everyProxy: Rule = ({ trustedProxies, listeners, insecureTrustEveryProxy }) => {
  if (insecureTrustEveryProxy !== false) return []
  const message = 'trusts every address (set insecureTrustEveryProxy if that is meant)'
  const inListeners = listeners.flatMap(({ index, value }) =>
    value.proxyProtocol.trusted.map((text, at) => ({
      text,
      path: ['listeners', index, 'proxyProtocol', 'trusted', at],
    })),
  )
  const all = [
    ...trustedProxies.map(({ index, value }) => ({ text: value, path: ['trustedProxies', index] })),
    ...inListeners,
  ]
  return all.filter(({ text }) => isEverywhereText(text)).map(({ path }) => ({ path, message }))
}

function isEverywhereText(text: string): boolean {
  const network = parseNetwork(text)
  return network !== undefined && isEverywhere(network)
}

const plainExternal: Rule = ({ domain, external, insecureHttpExternal }) => {
  const isExposed = external?.scheme === 'http' && domain !== undefined && !isLocalhostName(domain)
  if (!isExposed || insecureHttpExternal !== false) return []
  const message = `must be https for ${domain} (set insecureHttpExternal to let cookies travel in the clear)`
  return [{ path: ['external', 'scheme'], message }]
}

const sharedOrigin: Rule = ({ routing }) =>
  routing?.mode === 'host' && routing.insecureSharedOrigin
    ? [{ path: ['routing', 'insecureSharedOrigin'], message: 'means something in path mode only' }]
    : []

const sessionTimes: Rule = ({ sessions }) => {
  if (sessions === undefined) return []
  const [renewEvery, horizon] = [parseDuration(sessions.renewEvery) ?? 0, parseDuration(sessions.horizon) ?? 0]
  return renewEvery > horizon ? [{ path: ['sessions', 'renewEvery'], message: 'must not be longer than horizon' }] : []
}

const distinctMachines: Rule = ({ machines }) =>
  machines.flatMap(({ index, value }): readonly Finding[] => {
    const isEarlier = machines.some((other) => other.index < index && other.value.issuer === value.issuer)
    const path = ['machines', index]
    return [
      ...(isEarlier
        ? [{ path: [...path, 'issuer'], message: 'is used by an earlier entry; name all its subjects there' }]
        : []),
      ...(value.kind === 'cluster' ? clusterMachine(path, value) : foreignMachine(path, value)),
    ]
  })

function clusterMachine(path: Path, { usernamePrefix, subjects }: RawMachine): readonly Finding[] {
  const findings = subjects.flatMap((subject, at): readonly Finding[] =>
    subject.startsWith('system:serviceaccount:')
      ? []
      : [{ path: [...path, 'subjects', at], message: 'must be system:serviceaccount:NAMESPACE:NAME' }],
  )
  const prefix = {
    path: [...path, 'usernamePrefix'],
    message: 'is for kind issuer; a ServiceAccount has the name Kubernetes knows',
  }
  return usernamePrefix === '' ? findings : [...findings, prefix]
}

function foreignMachine(path: Path, { usernamePrefix, tokenReview }: RawMachine): readonly Finding[] {
  const review = { path: [...path, 'tokenReview'], message: 'is for kind cluster' }
  const prefix = {
    path: [...path, 'usernamePrefix'],
    message: 'must end in something like a colon, to tell its names from those of people',
  }
  return [...(tokenReview ? [review] : []), ...(/[^A-Za-z0-9]$/.test(usernamePrefix) ? [] : [prefix])]
}

/** The system's own SSH server is reached by nobody, so that a kind that leads there would only be one that never works. */
const portOfSystemSsh = 22

const sshPorts: Rule = ({ connections = {} }) =>
  Object.entries(connections).flatMap(([pattern, { port }]): readonly Finding[] => {
    const path = ['connections', pattern, 'port']
    if (port === undefined) return []
    if (pattern === 'port-forward') return [{ path, message: 'is for kinds of SSH; who forwards a port names it' }]
    return port === portOfSystemSsh ? [{ path, message: 'must not be 22, which is never connected to' }] : []
  })

const rules: readonly Rule[] = [
  someIssuer,
  domainLength,
  httpIssuers,
  distinctIssuers,
  distinctPrefixes,
  besideDemoPeople,
  systemNames,
  openidScope,
  certificates,
  distinctAddresses,
  wideBind,
  everyProxy,
  plainExternal,
  distinctMachines,
  sharedOrigin,
  sessionTimes,
  sshPorts,
]
