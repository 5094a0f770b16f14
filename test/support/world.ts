/**
 * A whole gateway for one test: the real composition on an embedded store in memory, real listeners, the real identity provider, and apps of
 * the test behind it. Only what runs is static: the apps are servers of the test.
 */

import { activityKind } from '#activity/activity-record.ts'
import type { Agents } from '#compose/agents.ts'
import { type OpenGateway, openGateway, openManagedGateway } from '#compose/gateway.ts'
import type { Ground } from '#compose/ground.ts'
import { keyRingKind } from '#identity/key-ring-record.ts'
import { oneTimeKind } from '#identity/one-time-record.ts'
import { sessionKind } from '#identity/session-record.ts'
import { type Clock, systemClock } from '#lib/clock.ts'
import { localhostLookup } from '#lib/localhost-lookup.ts'
import { type AuditEvent, createAudit } from '#observe/audit.ts'
import { createLog, type LineSink } from '#observe/log.ts'
import { createMetrics, type Metrics } from '#observe/metrics.ts'
import { runOperator } from '#operator/operator.ts'
import type { Resources } from '#resources/contract.ts'
import { openEmbeddedStore } from '#resources/embedded/store.ts'
import type { Reviewer } from '#resources/reviewer.ts'
import { dialEndpoint } from '#runtime/processes/dial.ts'
import { loadSettings } from '#settings/load.ts'
import type { Secret } from '#settings/secret.ts'
import type { ListenerSettings, Settings } from '#settings/settings.ts'
import type { WorkspaceRef } from '#surface/workspace-ref.ts'
import { consoleOrigin, placeOf, urlOf } from '#workspace/address.ts'
import { managerKind } from '#workspace/manager.ts'
import { shareKind } from '#workspace/share.ts'
import { templateKind } from '#workspace/template.ts'
import { createdByAnnotation, workspaceKind } from '#workspace/workspace.ts'
import { createScriptedBrowser, type ScriptedBrowser, thisMachine } from './browser-session.ts'
import { type EchoApp, echoApp } from './echo-app.ts'
import { freePort } from './free-port.ts'
import { type TestIdentityProvider, testIdentityProvider } from './identity-provider.ts'
import { createManager, unmanaged } from './managed.ts'
import { openReplica, type Replica } from './replica.ts'
import { type StaticRuntime, staticRuntime } from './static-runtime.ts'

export interface WorldOptions {
  readonly mode?: 'host' | 'path'
  readonly clock?: Clock
  /** Keeps neither lines nor audit events: it runs for long. */
  readonly isForgetful?: boolean
  /** Changes of the settings after defaults. */
  readonly settings?: (settings: Settings) => Settings
  /** Whose word a share is that was not made through Gatehouse; nobody judges them when absent. */
  readonly authorshipOf?: Ground['authorshipOf']
  /** As in a cluster, where RBAC has its say; nobody is asked when absent. */
  readonly reviewer?: Reviewer
  /** Whose tokens let machines in; nobody's when absent. */
  readonly machines?: Ground['machines']
  /** How pods say who they are; there are none when absent. */
  readonly podTokens?: Ground['podTokens']
  /** Whose turn it is to keep house. */
  readonly keepHouse?: Ground['keepHouse']
  /** Opens what it reaches what is only reached so through; nothing is when absent. */
  readonly openAgents?: OpenAgents
  /** Where browsers reach it; a free one when absent. */
  readonly port?: number
  /** Its settings are those of a WorkspaceManager, which says this beside a domain and an issuer and may be changed. */
  readonly managed?: Readonly<Record<string, unknown>>
  /** Where it may be as well, `http://other.localhost:8800`: people can log in from there. */
  readonly otherOrigins?: readonly string[]
  /** Of issuers that `settings` adds, by id. */
  readonly clientSecrets?: ReadonlyMap<string, Secret>
  /** Takes every line of the log and the audit trail as well. */
  readonly output?: LineSink
  /** HTTPS on this domain with these files, instead of plain HTTP on localhost. */
  readonly tls?: { readonly domain: string; readonly certFile: string; readonly keyFile: string; readonly ca: string }
}

export interface NewWorkspace {
  readonly name: string
  readonly namespace?: string
  readonly owner?: string
  /** Beside `desiredStatus: Running`. */
  readonly spec?: Record<string, unknown>
  /** By port; one echo app on 8888 when absent. */
  readonly apps?: Readonly<Record<number, EchoApp>>
}

export interface World extends AsyncDisposable {
  readonly origin: string
  readonly port: number
  readonly open: OpenGateway
  readonly resources: Resources
  readonly runtime: StaticRuntime
  readonly identityProvider: TestIdentityProvider
  readonly audit: readonly AuditEvent[]
  /** The first gateway's figure of this name and these labels, `route="api",outcome="answered"`; 0 where there is none. */
  figure(name: string, labels?: string): Promise<number>
  /** Every line of the log and the audit trail. */
  readonly lines: readonly string[]
  /** Waits until it is known, and until it is ready where it is to run. */
  workspace(
    fields: NewWorkspace,
  ): Promise<{ readonly ref: WorkspaceRef; readonly url: string; readonly host: string; readonly app: EchoApp }>
  url(ref: WorkspaceRef, port?: number): string
  browser(): ScriptedBrowser
  /** A browser of somebody who is logged in at the console. */
  as(username: string): Promise<ScriptedBrowser>
  until(isTrue: () => boolean | Promise<boolean>, what: string): Promise<void>
  /** One more gateway on the same store, listening on a port of its own; browsers know it by the names of the first. */
  replica(options?: ReplicaOptions): Promise<Replica>
}

export interface ReplicaOptions {
  /** Where it listens; a free one when absent. */
  readonly port?: number
  /** Of its own, after those of the world. */
  readonly settings?: (settings: Settings) => Settings
  readonly openAgents?: OpenAgents
  /** The store as it sees it: one that can be broken, in front of the shared one. */
  readonly resources?: (shared: Resources) => Resources
}

export async function createWorld(options: WorldOptions = {}): Promise<World> {
  await using opened = new AsyncDisposableStack()
  const ending = new AbortController()
  const clock = options.clock ?? systemClock
  const port = options.port ?? (await freePort())
  const lines: string[] = []
  const audit: AuditEvent[] = []
  const sink = {
    write(line: string) {
      if (!options.isForgetful) lines.push(line)
      options.output?.write(line)
    },
  }
  const log = createLog({ level: 'debug', clock, sink })
  const written = createAudit({ sink, clock })
  const scheme = options.tls ? 'https' : 'http'
  const domain = options.tls?.domain ?? 'localhost'
  const clientOrigin = `${scheme}://${domain}:${port}`
  const identityProvider = opened.use(
    await testIdentityProvider({
      clientOrigin,
      otherOrigins: options.otherOrigins ?? [],
      clock,
      ...(options.tls ? { lookup: thisMachine, clientCa: options.tls.ca } : {}),
    }),
  )
  const whole = await settingsOf(options, port, identityProvider)
  const settings = options.managed ? unmanaged(whole) : whole
  const store = opened.use(
    openEmbeddedStore({
      file: ':memory:',
      kinds: [activityKind, keyRingKind, managerKind, oneTimeKind, sessionKind, shareKind, templateKind, workspaceKind],
      clock,
      log,
      signal: new AbortController().signal,
    }),
  )
  const runtime = staticRuntime()
  const ground: Omit<Ground, 'metrics'> = {
    settings,
    secrets: {
      clientSecrets: new Map([['test', identityProvider.clientSecret], ...(options.clientSecrets ?? [])]),
      demoPassword: undefined,
    },
    resources: store.resources,
    runtime,
    dial: dialEndpoint,
    authorshipOf: options.authorshipOf ?? (() => undefined),
    ...asInCluster(options),
    manifestProblems: () => [],
    lookup: localhostLookup,
    clock,
    log,
    audit: {
      record(event) {
        if (!options.isForgetful) audit.push(event)
        written.record(event)
      },
    },
    signal: ending.signal,
  }
  const gateways: OpenGateway[] = []
  opened.defer(async () => {
    ending.abort()
    await Promise.all(gateways.map(({ ended }) => ended))
  })
  const metrics = createMetrics()
  if (options.managed) await createManager(ground, whole, options.managed)
  const opening = options.managed ? openManagedGateway : openGateway
  const openOne = async (listeners: readonly ListenerSettings[], figures?: Metrics, own: ReplicaOptions = {}) => {
    const resources = own.resources?.(store.resources) ?? store.resources
    const mine = { ...ground, resources, settings: own.settings?.(settings) ?? settings }
    const one = await openReplica(await withAgents(mine, own.openAgents), listeners, figures, opening)
    gateways.push(one)
    return one
  }
  const open = await openOne(settings.listeners, metrics, options.openAgents ? { openAgents: options.openAgents } : {})
  await until(() => open.conditions.every((condition) => condition.isMet()), 'settings are in force')
  open.tasks.run('operator', (signal) =>
    runOperator({
      resources: store.resources,
      runtime,
      planOf: (workspace, ref) => ({
        ref,
        workspaceUid: workspace.metadata.uid,
        fingerprint: '',
        program: { kind: 'command', argv: [] },
        ports: [],
        env: {},
      }),
      prober: open.workspaces.prober,
      clock,
      log,
      audit: ground.audit,
      signal,
    }),
  )
  const apps = opened.use(new AsyncDisposableStack())
  const browser = () =>
    createScriptedBrowser({
      now: () => clock.now(),
      // The listener has one address; tried in turn under load, the first of two is given up too early.
      lookup: thisMachine,
      ...(options.tls ? { ca: options.tls.ca } : {}),
    })
  const running = opened.move()
  return {
    get origin() {
      return consoleOrigin(open.site)
    },
    port,
    open,
    resources: store.resources,
    runtime,
    identityProvider,
    audit,
    figure: async (name, labels = '') => figureIn(await metrics.render(), labels === '' ? name : `${name}{${labels}}`),
    lines,
    until,
    url: (ref, of) => urlOf(open.site, ref, of),
    browser,
    async as(username) {
      const visitor = browser()
      await visitor.open(`${consoleOrigin(open.site)}/`)
      await visitor.login(username, identityProvider.password)
      return visitor
    },
    async workspace({ name, namespace = 'team', owner, spec = {}, apps: given }) {
      const ref: WorkspaceRef = { namespace, name }
      const app = given ? Object.values(given)[0] : apps.use(await echoApp(`${namespace}/${name}`))
      if (!app) throw new Error('a workspace without an app')
      const ports = given ?? { 8888: app }
      runtime.provide(ref, Object.fromEntries(Object.entries(ports).map(([of, { endpoint }]) => [of, endpoint])))
      const annotations: Record<string, string> = owner === undefined ? {} : { [createdByAnnotation]: owner }
      const full = workspaceKind.parseSpec({ desiredStatus: 'Running', ...spec })
      await store.resources.create(workspaceKind, { metadata: { name, namespace, annotations }, spec: full })
      const wanted = full.desiredStatus === 'Running' ? 'Running' : 'Stopped'
      await until(() => open.workspaces.directory.get(ref)?.state.phase === wanted, `${namespace}/${name} is ${wanted}`)
      return { ref, url: urlOf(open.site, ref, undefined), host: placeOf(open.site, ref, undefined).host, app }
    },
    async replica(wanted = {}) {
      const own = wanted.port ?? (await freePort())
      const listeners = settings.listeners.map((listener) => ({ ...listener, port: own }))
      return { port: own, open: await openOne(listeners, undefined, wanted) }
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}

export type OpenAgents = (ground: Omit<Ground, 'metrics'>) => Promise<Agents | undefined>

/** As the runtime of a cluster reaches them, without its watches. */
async function withAgents<G extends Omit<Ground, 'metrics'>>(ground: G, open: OpenAgents | undefined): Promise<G> {
  const agents = await open?.(ground)
  if (!agents) return ground
  const dial: Ground['dial'] = (endpoint, signal, reading, hold) =>
    endpoint.kind === 'agent'
      ? agents.connect(endpoint.instanceUid, endpoint.port, signal, hold)
      : dialEndpoint(endpoint, signal, reading)
  return { ...ground, agents, dial }
}

type InCluster = Pick<Ground, 'reviewer' | 'machines' | 'podTokens' | 'keepHouse'>

function asInCluster({ reviewer, machines, podTokens, keepHouse }: WorldOptions): InCluster {
  return {
    ...(reviewer ? { reviewer } : {}),
    ...(machines ? { machines } : {}),
    ...(podTokens ? { podTokens } : {}),
    ...(keepHouse ? { keepHouse } : {}),
  }
}

const until: World['until'] = async (isTrue, what) => {
  const limit = performance.now() + 15_000
  while (!(await isTrue())) {
    if (performance.now() > limit) throw new Error(`waited in vain for: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

function figureIn(scrape: string, series: string): number {
  const line = scrape.split('\n').find((candidate) => candidate.startsWith(`${series} `))
  return Number(line?.slice(series.length + 1) ?? 0)
}

/** The same for all worlds of a process: to check them takes a while. */
const defaults: { loading?: ReturnType<typeof loadSettings> } = {}
const defaultSettings = () => (defaults.loading ??= loadSettings({ face: 'demo', env: {}, cwd: '/nowhere' }))

async function settingsOf(options: WorldOptions, port: number, provider: TestIdentityProvider): Promise<Settings> {
  const loaded = await defaultSettings()
  if (loaded.kind === 'invalid') throw new Error('the settings of the test are invalid')
  const { tls } = options
  const address = { host: '127.0.0.1', port, http2: tls !== undefined, proxyProtocol: { trusted: [] } }
  const listener: ListenerSettings = tls
    ? { ...address, kind: 'tls', certificates: [{ certFile: tls.certFile, keyFile: tls.keyFile, serverNames: [] }] }
    : { ...address, kind: 'plain' }
  const domain = tls?.domain ?? 'localhost'
  const settings: Settings = {
    ...loaded.settings,
    // One person may do what a test does thousands of times.
    limits: { ...loaded.settings.limits, requestsPerIdentity: 1_000_000, streamsPerIdentity: 1_000_000 },
    domain,
    external: { scheme: tls ? 'https' : 'http', port },
    routing: options.mode === 'path' ? { mode: 'path', workspacesDomain: `workspaces.${domain}` } : { mode: 'host' },
    listeners: [listener],
    oidc: [
      {
        id: 'test',
        displayName: 'Test',
        issuer: provider.issuer,
        clientId: provider.clientId,
        scopes: ['openid', 'profile', 'email', 'groups', 'offline_access'],
        usernameClaim: 'preferred_username',
        usernamePrefix: '',
        groupsClaim: 'groups',
        groupsPrefix: '',
        caFile: undefined,
        isHttpAllowed: true,
      },
    ],
  }
  return options.settings?.(settings) ?? settings
}
