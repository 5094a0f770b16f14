/** Settings as the rest of Gatehouse gets them: nested, every key present, unions where only one of several can hold. No secret is in here. */
import type { Milliseconds } from '#lib/clock.ts'
import type { Network } from '#lib/network.ts'
import type { InsecureName } from './insecure.ts'
import type { Secret } from './secret.ts'

export interface Settings {
  readonly managerName: string
  /** Host name of the console, lower case, without a port. */
  readonly domain: string
  /** Absolute path of the folder of the embedded store and of logs. */
  readonly home: string
  readonly ports: Ports
  readonly external: External
  readonly routing: Routing
  readonly listeners: readonly ListenerSettings[]
  /** Peers whose `X-Forwarded-For` is believed. */
  readonly trustedProxies: readonly Network[]
  readonly operations: { readonly hosts: readonly string[]; readonly port: number }
  readonly oidc: readonly IssuerSettings[]
  readonly administrators: { readonly groups: readonly string[]; readonly users: readonly string[] }
  readonly locked: readonly string[]
  readonly access: { readonly defaultAccessType: 'OwnerOnly' | 'Public' }
  /** Namespaces whose workspaces are reached through the agent in their pod; `*` is all of them. */
  readonly agents: { readonly namespaces: readonly string[]; readonly peers: PeerSettings | undefined }
  /** Which tunnels there may be; empty: all, with the usual bounds. */
  readonly connections: readonly ConnectionSettings[]
  readonly sessions: {
    readonly renewEvery: Milliseconds
    readonly horizon: Milliseconds
    readonly stateNamespace: string
  }
  readonly probe: { readonly period: Milliseconds; readonly timeout: Milliseconds; readonly failures: number }
  readonly start: { readonly timeout: Milliseconds }
  readonly load: { readonly enabled: boolean; readonly busyMillicores: number }
  readonly limits: Limits
  readonly drain: { readonly grace: Milliseconds }
  /** `deployment`: the domain says it, where it is undefined. */
  readonly ssh: { readonly deployment: string | undefined; readonly user: string }
  readonly environmentAliases: { readonly dataiku: boolean }
  readonly log: { readonly level: 'debug' | 'info' | 'warn' | 'error' }
  readonly machines: readonly MachineSettings[]
  readonly cluster: ClusterSettings
  /** `manifests`: absolute path. */
  readonly demo: { readonly manifests: string }
  /** Checks that somebody has switched off. For the log at start; each rule has read them already. */
  readonly insecure: readonly InsecureName[]
}

/** The three ports that move together. */
export interface Ports {
  readonly gateway: number
  /** Of the embedded identity provider; the demo alone has one. */
  readonly identity: number
  readonly operations: number
}

/** How browsers reach the gateway. */
export interface External {
  readonly scheme: 'http' | 'https'
  readonly port: number
}

/**
 * `workspacesDomain` in path mode: the one host of all workspaces, `workspaces.<domain>`, or `<domain>` itself where somebody accepted
 * that workspaces share their origin with the console.
 */
export type Routing = { readonly mode: 'host' } | { readonly mode: 'path'; readonly workspacesDomain: string }

export type ListenerSettings = ListenerAddress &
  ({ readonly kind: 'plain' } | { readonly kind: 'tls'; readonly certificates: readonly CertificateSettings[] })

export interface ListenerAddress {
  readonly host: string
  readonly port: number
  /** Is HTTP/2 spoken beside HTTP/1.1: in TLS where the client asks for it, elsewhere to who begins with it? */
  readonly http2: boolean
  /** Networks whose connections start with a PROXY header; empty: PROXY is not spoken. */
  readonly proxyProtocol: { readonly trusted: readonly Network[] }
}

export interface CertificateSettings {
  /** Absolute paths of PEM files. */
  readonly certFile: string
  readonly keyFile: string
  /** Empty: for every name no other certificate is for. */
  readonly serverNames: readonly string[]
}

export interface IssuerSettings {
  readonly id: string
  readonly displayName: string
  readonly issuer: string
  readonly clientId: string
  readonly scopes: readonly string[]
  readonly usernameClaim: string
  readonly usernamePrefix: string
  readonly groupsClaim: string
  readonly groupsPrefix: string
  /** Absolute path of a PEM file. */
  readonly caFile: string | undefined
  /** Somebody accepted plain HTTP for it. */
  readonly isHttpAllowed: boolean
}

/** Where replicas ask each other for connections through agents. Absolute paths of PEM files. */
export interface PeerSettings {
  readonly port: number
  readonly certFile: string
  readonly keyFile: string
  readonly caFile: string
}

/** Bounds of connections of one kind; what is undefined is as usual. */
export interface ConnectionSettings {
  /** A connection type, or several by a `*`. */
  readonly pattern: string
  /** Of SSH. */
  readonly port: number | undefined
  readonly maxPerWorkspace: number | undefined
  readonly maxPerUser: number | undefined
  /** In which nothing passes. */
  readonly idle: Milliseconds | undefined
  readonly max: Milliseconds | undefined
  /** Bytes, of the workspace. */
  readonly minMemory: number | undefined
}

/** Whose tokens let machines in. */
export type MachineSettings = {
  readonly issuer: string
  readonly audience: string
  readonly subjects: readonly string[]
} & (
  | { readonly kind: 'cluster'; readonly tokenReview: boolean }
  | { readonly kind: 'issuer'; readonly usernamePrefix: string }
)

export interface ClusterSettings {
  /** Absolute path; undefined: the service account of the pod. */
  readonly kubeconfig: string | undefined
  /** Empty: all. */
  readonly namespaces: readonly string[]
  readonly servesUnclaimed: boolean
  /** In `sessions.stateNamespace`. */
  readonly serviceAccount: string
  readonly accessReview: 'subject' | 'connection'
  readonly staleWhileUnreachable: Milliseconds
  readonly insecureOwnerAnnotation: boolean
}

export interface Limits {
  readonly headerBytes: number
  readonly headerFields: number
  readonly targetLength: number
  readonly bodyBytes: number
  readonly headerTimeout: Milliseconds
  readonly keepAlive: Milliseconds
  readonly connectTimeout: Milliseconds
  /** Silence after which TCP looks whether a peer is still there. */
  readonly peerProbe: Milliseconds
  readonly connectionsPerAddress: number
  /** A second. */
  readonly requestsPerAddress: number
  /** A second. */
  readonly requestsPerIdentity: number
  /** A minute. */
  readonly loginsPerAddress: number
  readonly streamsPerIdentity: number
  /** Requests of one HTTP/2 connection at once. */
  readonly streamsPerConnection: number
  readonly uploadIdle: Milliseconds
  readonly downloadIdle: Milliseconds
}

/** Everything secret that settings lead to; handed only to what needs it. */
export interface Secrets {
  /** By the id of the issuer; none for public clients. */
  readonly clientSecrets: ReadonlyMap<string, Secret>
  /** Undefined: the demo makes one at its first start. */
  readonly demoPassword: Secret | undefined
}
