/**
 * What may be written in a settings file or the environment: one schema, with the meaning and the default of each key beside it.
 * After defaults are filled in every key is present; {@link RawSettings} is what has passed it. Units and cross-checks come later.
 */
import { type Static, type TObjectOptions, type TProperties, Type } from 'typebox'
import { agentsSchema } from './agents-schema.ts'
import { connectionsSchema } from './connections-schema.ts'
import { usualHome } from './early-home.ts'
import { insecureMeanings } from './insecure.ts'

/** Defaults that others depend on; the rest stand beside their keys. */
export const initial = {
  port: 8800,
  hosts: ['127.0.0.1', '::1'],
  home: usualHome,
  manifests: 'config/samples/demo',
} as const

/** Objects refuse keys they don't know: a misspelt security setting must not be a silent default. */
export function keys<P extends TProperties>(properties: P, options: TObjectOptions = {}) {
  return Type.Object(properties, { ...options, additionalProperties: false })
}

/** An object whose keys all have defaults, so that it may be left out. */
function section<P extends TProperties>(description: string, properties: P) {
  return keys(properties, { default: {}, description })
}

const text = (description: string, more: { default?: string; format?: string } = {}) =>
  Type.String({ minLength: 1, maxLength: 2048, ...more, description })
const flag = (description: string) => Type.Boolean({ default: false, description })
const duration = (description: string, initial: string) =>
  Type.String({ format: 'duration', default: initial, description })
const count = (description: string, initial: number, range: { minimum: number; maximum: number }) =>
  Type.Integer({ ...range, default: initial, description })
const most = (description: string, initial: number) => count(description, initial, { minimum: 1, maximum: 1_000_000 })
const portNumber = (description: string) => Type.Integer({ minimum: 1, maximum: 65535, description })
const path = (description: string, more: { default?: string } = {}) => text(description, { ...more, format: 'path' })
const names = (description: string) => Type.Array(Type.String({ minLength: 1 }), { default: [], description })
const networks = (description: string) => Type.Array(Type.String({ format: 'network' }), { default: [], description })
const hostAddresses = (description: string) =>
  Type.Array(Type.String({ format: 'address' }), { default: initial.hosts, minItems: 1, description })
const oneOf = <const V extends string[]>(values: [...V], initial: V[number], description: string) =>
  Type.Enum(values, { default: initial, description })

/** Secrets are never written down here; this says where they are. Exactly one of the two. */
const secret = (description: string) =>
  keys(
    {
      file: Type.Optional(path('A file that holds the secret and nothing else, relative to the settings file.')),
      env: Type.Optional(text('An environment variable that holds the secret.', { format: 'variable' })),
    },
    { minProperties: 1, maxProperties: 1, description },
  )

export const listenerSchema = keys({
  kind: oneOf(['plain', 'tls'], 'plain', '`plain`: HTTP, on loopback or behind a balancer that ends TLS.'),
  host: text('Address to listen on.', { default: '127.0.0.1', format: 'address' }),
  port: portNumber('Port to listen on.'),
  http2: Type.Optional(
    Type.Boolean({
      description:
        'HTTP/2 beside HTTP/1.1: in TLS for clients that ask for it (ALPN), else for a balancer that begins with it (h2c by prior knowledge). Default: `true` for `tls`, `false` for `plain`.',
    }),
  ),
  certificates: Type.Array(
    keys({
      certFile: path('PEM file of the certificate chain. Read again when it changes.'),
      keyFile: path('PEM file of the private key.'),
      serverNames: names('Names it is for (`*.` allowed); none: all others.'),
    }),
    { default: [], description: 'For `tls` only, chosen by the name the client asks for.' },
  ),
  proxyProtocol: section('PROXY protocol version 2.', {
    trusted: networks('Networks whose connections start with a PROXY header. Others may not send one.'),
  }),
})

export const issuerSchema = keys({
  id: text('Short name, used in URLs and the log.', { format: 'label' }),
  displayName: Type.Optional(text('Name on the login page. Default: the id.')),
  issuer: text('Issuer URL, exactly as the issuer spells it.', { format: 'issuer' }),
  clientId: text('Client id registered at the issuer.'),
  clientSecret: Type.Optional(secret('Where the client secret is; none for a public client.')),
  scopes: Type.Array(Type.String({ format: 'scope' }), {
    default: ['openid', 'profile', 'email'],
    minItems: 1,
    description: 'Scopes to ask for; `offline_access` where the issuer gives refresh tokens only then.',
  }),
  usernameClaim: text('Claim that names the person; dots lead into objects.', { default: 'preferred_username' }),
  usernamePrefix: Type.String({ default: '', maxLength: 64, description: 'Put before every username.' }),
  groupsClaim: text('Claim that lists the groups; dots lead into objects.', { default: 'groups' }),
  groupsPrefix: Type.String({ default: '', maxLength: 64, description: 'Put before every group.' }),
  caFile: Type.Optional(path("PEM file of the authority that signed the issuer's certificate.")),
})

export const machineSchema = keys({
  kind: oneOf(
    ['cluster', 'issuer'],
    'cluster',
    "`cluster`: tokens of this cluster's ServiceAccounts; `issuer`: JSON Web Tokens of somebody else.",
  ),
  issuer: text("The token's `iss`, exactly as it stands there.", {}),
  audience: text("One that the token must name in `aud`; never one of the API server's own.", { default: 'gatehouse' }),
  subjects: Type.Array(Type.String({ minLength: 1, maxLength: 512 }), {
    minItems: 1,
    description: 'Each a whole `sub`, such as `system:serviceaccount:ci:bot`.',
  }),
  usernamePrefix: Type.String({ default: '', maxLength: 64, description: 'Put before `sub`, for `issuer` alone.' }),
  tokenReview: flag(
    'Have the API server confirm each token (TokenReview), for `cluster` alone; needs a cluster-wide right.',
  ),
})

export const settingsSchema = keys({
  managerName: text('Name of this WorkspaceManager; workspaces that name another one are not served.', {
    default: 'gatehouse',
    format: 'subdomain',
  }),
  domain: text('Host name of the console and of login; workspaces live below it. Default in the demo: localhost.', {
    format: 'subdomain',
  }),
  port: count('First of the three ports: gateway, identity provider of the demo, operations.', initial.port, {
    minimum: 1,
    maximum: 65533,
  }),
  hosts: hostAddresses('Addresses of the plain listeners that there are when `listeners` is not given.'),
  home: path('Folder of the embedded store and of logs.', { default: initial.home }),
  external: keys(
    {
      scheme: Type.Enum(['http', 'https'], {
        description: 'Scheme that browsers use; default: https, http in the demo. Never guessed from a header.',
      }),
      port: portNumber('Port that browsers use. Default: 443, in the demo `port`.'),
    },
    { description: 'How browsers reach Gatehouse.' },
  ),
  routing: section('How a URL names a workspace.', {
    mode: oneOf(['host', 'path'], 'host', '`host`: each workspace and port has a host of its own.'),
    insecureSharedOrigin: flag(insecureMeanings['routing.insecureSharedOrigin']),
  }),
  listeners: Type.Array(listenerSchema, {
    minItems: 1,
    description: 'Where the gateway listens. Default: a plain listener on `port` of each of `hosts`.',
  }),
  trustedProxies: networks('Peers whose `X-Forwarded-For` is believed.'),
  operations: keys(
    {
      hosts: hostAddresses('Addresses to listen on.'),
      port: portNumber('Port to listen on. Default: two above `port`.'),
    },
    { description: 'The listener of `/healthz`, `/readyz` and `/metrics`.' },
  ),
  oidc: Type.Array(issuerSchema, { default: [], description: 'Where people log in.' }),
  insecureHttpIssuer: flag(insecureMeanings.insecureHttpIssuer),
  insecureHttpExternal: flag(insecureMeanings.insecureHttpExternal),
  insecureWideBind: flag(insecureMeanings.insecureWideBind),
  insecureTrustEveryProxy: flag(insecureMeanings.insecureTrustEveryProxy),
  insecureDirectSsh: flag(insecureMeanings.insecureDirectSsh),
  administrators: section('Who may do everything, with a grant of its own in the audit.', {
    groups: names('Groups, as mapped.'),
    users: names('Usernames, as mapped.'),
  }),
  locked: names('Usernames, as mapped, that are kept out even if the issuer lets them in.'),
  access: section('Access to workspaces that say nothing of their own.', {
    defaultAccessType: oneOf(['OwnerOnly', 'Public'], 'OwnerOnly', 'Meaning of an unset `accessType`.'),
  }),
  agents: agentsSchema,
  connections: connectionsSchema,
  sessions: section('How long a login lasts.', {
    renewEvery: duration('A session is renewed at the issuer this often.', '1h'),
    horizon: duration('No session lasts longer.', '12h'),
    stateNamespace: text('Namespace of session records and keys.', { default: 'gatehouse', format: 'label' }),
  }),
  probe: section('When a workspace counts as ready, unless its port says otherwise.', {
    period: duration('Time between two probes.', '2s'),
    timeout: duration('Time for an answer.', '5s'),
    failures: count('Failures after which a start counts as failed.', 30, { minimum: 1, maximum: 100_000 }),
  }),
  start: section('Starting workspaces.', { timeout: duration('Time for a start, image pulls included.', '10m') }),
  load: section('How busy the processors of a workspace are, as evidence of work that traffic does not show.', {
    enabled: Type.Boolean({
      default: true,
      description:
        'Ask before a workspace is stopped: the metrics API in a cluster (needs `get` on `pods.metrics.k8s.io`), the processes on a laptop.',
    }),
    busyMillicores: count(
      'Thousandths of a processor from which on something runs; below half of it nothing does. Less where a pod may use but little.',
      200,
      { minimum: 2, maximum: 1_000_000 },
    ),
  }),
  limits: section('What a client may ask of the gateway.', {
    headerBytes: count('Bytes of a request head.', 16_384, { minimum: 4096, maximum: 1_048_576 }),
    headerFields: count('Fields of a request head.', 200, { minimum: 20, maximum: 1900 }),
    targetLength: count('Bytes of a request target.', 8192, { minimum: 1024, maximum: 65_536 }),
    bodyBytes: count("Bytes of a body sent to Gatehouse's own API.", 65_536, { minimum: 1024, maximum: 16_777_216 }),
    headerTimeout: duration("Time for a client to send a request head, and a body to Gatehouse's own API.", '10s'),
    keepAlive: duration('Time an idle client connection is kept.', '75s'),
    connectTimeout: duration('Time to connect to a workspace.', '5s'),
    peerProbe: duration(
      'Silence after which a peer is asked by TCP whether it is still there; one that does not say so ten times, a second apart, is gone.',
      '30s',
    ),
    connectionsPerAddress: most(
      'Connections of one client address, or of one IPv6 network of 64 bits; loopback and trusted proxies are not counted.',
      10_000,
    ),
    requestsPerAddress: most('New requests of one such address a second, of people who are not logged in.', 1000),
    requestsPerIdentity: most(
      'New requests and upgrades of one identity a second. Ten seconds of it may come at once.',
      1000,
    ),
    loginsPerAddress: most(
      'Steps of logins from one such address a minute: a login has two, that of a command line four.',
      3000,
    ),
    streamsPerIdentity: most(
      'What one identity may have open at once: requests under way, event streams, WebSockets.',
      2000,
    ),
    streamsPerConnection: count('Requests of one HTTP/2 connection at once.', 128, { minimum: 1, maximum: 1000 }),
    uploadIdle: duration('Time in which nothing of a body sent to a workspace may move.', '1m'),
    downloadIdle: duration(
      "Time in which nothing of an answer's body may move; event streams may be silent for as long as they like.",
      '5m',
    ),
  }),
  drain: section('Ending the process.', { grace: duration('Time for requests in flight after SIGTERM.', '30s') }),
  ssh: section('Workspaces by SSH.', {
    deployment: Type.Optional(
      text(
        'What this Gatehouse is called in the aliases `<name>.<namespace>.<deployment>.gatehouse`. Default: its domain, with hyphens for dots.',
        { format: 'label' },
      ),
    ),
    user: text('Who somebody is within a workspace: the user of its image that its SSH server runs as.', {
      default: 'workspace',
      format: 'username',
    }),
  }),
  environmentAliases: section('Further names for variables of workspaces.', {
    dataiku: flag('Also set `DKU_CODE_STUDIO_BROWSER_PATH…`.'),
  }),
  log: section('The log.', {
    level: oneOf(['debug', 'info', 'warn', 'error'], 'info', 'Least level written.'),
  }),
  machines: Type.Array(machineSchema, {
    default: [],
    description: 'Whose tokens let machines in; nothing but what is written here, to the letter.',
  }),
  cluster: section('The gateway of a cluster (`gatehouse serve`) alone.', {
    kubeconfig: Type.Optional(path('Kubeconfig of the API server. Default: the service account of the pod.')),
    namespaces: Type.Array(Type.String({ format: 'label' }), {
      default: [],
      description:
        'Namespaces whose workspaces are served; none: all. With names in it nothing is asked for cluster-wide.',
    }),
    servesUnclaimed: Type.Boolean({
      default: true,
      description: 'Also serve workspaces that name no manager; off for a second Gatehouse beside another one.',
    }),
    serviceAccount: text('Own account, in `sessions.stateNamespace`: whom the admission policies let write.', {
      default: 'gatehouse',
      format: 'subdomain',
    }),
    accessReview: oneOf(
      ['subject', 'connection'],
      'subject',
      "Who is asked for RBAC: the API server (`SubjectAccessReview`), or jupyter-k8s' extension of it (`ConnectionAccessReview`).",
    ),
    staleWhileUnreachable: duration('An earlier yes stands for so long while the API server gives no answer.', '5m'),
    insecureOwnerAnnotation: flag(insecureMeanings['cluster.insecureOwnerAnnotation']),
  }),
  demo: section('The laptop mode (`gatehouse demo`) alone.', {
    manifests: path('Folder of workspace manifests.', { default: initial.manifests }),
    password: Type.Optional(
      secret("Where the password of the demo's people is; default: one made at the first start."),
    ),
  }),
})

export type RawSettings = Static<typeof settingsSchema>
export type RawConnections = RawSettings['connections']
export type RawMachine = Static<typeof machineSchema>
export type RawListener = Static<typeof listenerSchema>
export type RawIssuer = Static<typeof issuerSchema>
export type SecretReference = NonNullable<RawIssuer['clientSecret']>
