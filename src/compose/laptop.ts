/** The laptop mode: gateway, operator, an embedded OpenID provider and local processes in one process, with its state in one folder. */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { activityKind } from '#activity/activity-record.ts'
import { keyRingKind } from '#identity/key-ring-record.ts'
import { oneTimeKind } from '#identity/one-time-record.ts'
import { sessionKind } from '#identity/session-record.ts'
import { type IdentityProvider, startIdentityProvider } from '#idp/identity-provider.ts'
import { demoPeople } from '#idp/people.ts'
import type { Clock } from '#lib/clock.ts'
import { localhostLookup } from '#lib/localhost-lookup.ts'
import type { Audit } from '#observe/audit.ts'
import type { Log } from '#observe/log.ts'
import { createMetrics } from '#observe/metrics.ts'
import { catalogueOf, type LocalPrograms } from '#operator/apps.ts'
import { runOperator } from '#operator/operator.ts'
import { planOf } from '#operator/plan.ts'
import { watchManifests } from '#resources/embedded/manifests.ts'
import { type EmbeddedStore, openEmbeddedStore } from '#resources/embedded/store.ts'
import { dialEndpoint } from '#runtime/processes/dial.ts'
import { openProcessRuntime } from '#runtime/processes/process-runtime.ts'
import { openInnerDoor } from '#server/inner-door.ts'
import { Secret } from '#settings/secret.ts'
import type { IssuerSettings, Secrets, Settings } from '#settings/settings.ts'
import { paths } from '#surface/urls.ts'
import { consoleOrigin, placeOf } from '#workspace/address.ts'
import { shareKind } from '#workspace/share.ts'
import { templateKind } from '#workspace/template.ts'
import { workspaceKind } from '#workspace/workspace.ts'
import { allEnded, endAfter } from './end-after.ts'
import { type OpenGateway, openGateway } from './gateway.ts'
import { serve } from './serving.ts'

export interface LaptopParts {
  readonly settings: Settings
  readonly secrets: Secrets
  readonly password: Secret
  readonly programs: LocalPrograms
  /** Of it only `PATH`, the language and the time zone reach a workspace. */
  readonly env: Readonly<Record<string, string>>
  readonly clock: Clock
  readonly log: Log
  readonly audit: Audit
  /** Of log and audit trail, that could not be written so far. */
  readonly lostLines: () => number
  /** That nobody caught, by kind, so far. */
  readonly faults: () => ReadonlyMap<string, number>
  /** Ends everything at once. */
  readonly signal: AbortSignal
}

export interface Laptop {
  readonly gateway: OpenGateway
  readonly identityProvider: IdentityProvider
  /** Takes nothing new, lets requests come to their end within the grace, and tells sockets to come back. */
  drain(impatient: AbortSignal): Promise<void>
  /** After the signal: no child runs any more, and the store is closed. */
  readonly ended: Promise<void>
}

/** A start that fails halfway, or is ended, has ended what it began when it rejects: workspaces among them. */
export async function openLaptop(parts: LaptopParts): Promise<Laptop> {
  const failed = new AbortController()
  const signal = AbortSignal.any([parts.signal, failed.signal])
  const begun = new AsyncDisposableStack()
  try {
    const laptop = await begin({ ...parts, signal }, begun)
    signal.throwIfAborted()
    return { ...laptop, ended: endAfter(signal, () => begun.disposeAsync()) }
  } catch (error) {
    failed.abort(error)
    await begun.disposeAsync().catch((fault: unknown) => {
      parts.log.error({ component: 'laptop', error: fault }, 'a start that failed is not undone entirely')
    })
    throw error
  }
}

/** `begun`: waits for the end of what is begun here, which the signal brings about. */
async function begin(parts: LaptopParts, begun: AsyncDisposableStack): Promise<Omit<Laptop, 'ended'>> {
  const { clock, log, signal } = parts
  signal.throwIfAborted()
  const issuer = embeddedIssuer(parts.settings)
  const settings: Settings = { ...parts.settings, oidc: [...parts.settings.oidc, issuer] }
  const clientSecret = new Secret(randomBytes(32).toString('base64url'))
  const secrets: Secrets = {
    ...parts.secrets,
    clientSecrets: new Map([...parts.secrets.clientSecrets, [issuer.id, clientSecret]]),
  }
  const store = openStore(parts, begun)
  const ends: Promise<unknown>[] = []
  begun.defer(() => allEnded(ends))
  const folder = settings.demo.manifests
  const manifests = watchManifests({
    folder,
    store,
    kinds: [workspaceKind, shareKind, templateKind],
    clock,
    log,
    signal,
  })
  const runtime = await openProcessRuntime({ home: settings.home, clock, log, baseEnv: parts.env, signal })
  ends.push(runtime.ended)
  const metrics = createMetrics()
  metrics.gauge('lost-log-lines', parts.lostLines)
  metrics.gauge('faults', parts.faults)
  const open = await openGateway({
    ...{ ...parts, settings, secrets, runtime, metrics },
    resources: store.resources,
    dial: dialEndpoint,
    ...(settings.load.enabled ? { readLoad: runtime.load } : {}),
    // Whoever may write into the folder owns this machine.
    authorshipOf: (share) => (manifests.isFromManifest(shareKind, share.metadata) ? 'ManifestGranted' : undefined),
    manifestProblems: () => manifests.problems(),
    replica: 'laptop',
    lookup: localhostLookup,
  })
  ends.push(open.ended)
  const identityProvider = await startProvider(parts, store, open, issuer, clientSecret)
  ends.push(identityProvider.closed)
  open.tasks.run('operator', (ending) => operate(parts, store, open, runtime, ending))
  const known = Promise.all([manifests.ready, open.identities.keyRing.ready, open.identities.sessions.ready])
  const serving = await serve({ settings, open, metrics, clock, log, signal }, known)
  ends.push(serving.ended)
  return { gateway: open, identityProvider, drain: serving.drain }
}

function openStore({ settings, clock, log }: LaptopParts, begun: AsyncDisposableStack): EmbeddedStore {
  const kinds = [activityKind, keyRingKind, oneTimeKind, sessionKind, shareKind, templateKind, workspaceKind]
  const file = join(settings.home, 'state.sqlite')
  // Outlives the rest, which still writes while it ends.
  return begun.use(openEmbeddedStore({ file, kinds, clock, log, signal: new AbortController().signal }))
}

function embeddedIssuer(settings: Settings): IssuerSettings {
  return {
    id: 'laptop',
    displayName: 'This laptop',
    issuer: `http://idp.localhost:${settings.ports.identity}`,
    clientId: 'gatehouse',
    scopes: ['openid', 'profile', 'email', 'groups', 'offline_access'],
    usernameClaim: 'preferred_username',
    usernamePrefix: '',
    groupsClaim: 'groups',
    groupsPrefix: '',
    caFile: undefined,
    isHttpAllowed: true,
  }
}

function startProvider(
  { settings, password, clock, log, signal }: LaptopParts,
  store: EmbeddedStore,
  { site, gateway }: OpenGateway,
  issuer: IssuerSettings,
  clientSecret: Secret,
): Promise<IdentityProvider> {
  const origin = consoleOrigin(site)
  const port = settings.ports.identity
  return startIdentityProvider({
    port,
    hosts: [`idp.localhost:${port}`],
    issuer: issuer.issuer,
    clients: [
      {
        clientId: issuer.clientId,
        name: 'Gatehouse',
        clientSecret,
        redirectUris: [origin + paths.callback],
        postLogoutRedirectUris: [origin + paths.loggedOut],
        backchannelLogoutUri: origin + paths.backchannelLogout,
      },
    ],
    users: demoPeople,
    password,
    table: store.table('identity-provider'),
    reach: { kind: 'here', connect: openInnerDoor(gateway, signal) },
    clock,
    log,
    signal,
  })
}

async function operate(
  { settings, programs, clock, log, audit }: LaptopParts,
  store: EmbeddedStore,
  { site, workspaces }: OpenGateway,
  runtime: Awaited<ReturnType<typeof openProcessRuntime>>,
  signal: AbortSignal,
): Promise<void> {
  const planSite = {
    apps: catalogueOf(programs),
    publicPath: (ref: Parameters<typeof placeOf>[1], port: number | undefined) => placeOf(site, ref, port).prefix,
    environmentAliases: settings.environmentAliases,
  }
  await runOperator({
    resources: store.resources,
    runtime,
    planOf: (workspace, ref) => planOf(workspace, ref, planSite),
    prober: workspaces.prober,
    clock,
    log,
    audit,
    signal,
  })
}
