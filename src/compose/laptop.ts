/** The laptop mode: gateway, operator, an embedded OpenID provider and local processes in one process, with its state in one folder. */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
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
import { workspaceKind } from '#workspace/workspace.ts'
import { endAfter } from './end-after.ts'
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

export async function openLaptop(parts: LaptopParts): Promise<Laptop> {
  const { clock, log, signal } = parts
  const issuer = embeddedIssuer(parts.settings)
  const settings: Settings = { ...parts.settings, oidc: [...parts.settings.oidc, issuer] }
  const clientSecret = new Secret(randomBytes(32).toString('base64url'))
  const secrets: Secrets = {
    ...parts.secrets,
    clientSecrets: new Map([...parts.secrets.clientSecrets, [issuer.id, clientSecret]]),
  }
  const kinds = [keyRingKind, oneTimeKind, sessionKind, shareKind, workspaceKind]
  // Outlives the rest, which still writes while it ends.
  const storeLife = new AbortController()
  const store = openEmbeddedStore({
    file: join(settings.home, 'state.sqlite'),
    kinds,
    clock,
    log,
    signal: storeLife.signal,
  })
  const folder = settings.demo.manifests
  const manifests = watchManifests({ folder, store, kinds: [workspaceKind, shareKind], clock, log, signal })
  const runtime = await openProcessRuntime({ home: settings.home, clock, log, baseEnv: parts.env, signal })
  const metrics = createMetrics()
  const open = await openGateway({
    ...{ ...parts, settings, secrets, runtime, metrics },
    resources: store.resources,
    dial: dialEndpoint,
    // Whoever may write into the folder owns this machine.
    authorshipOf: (share) => (manifests.isFromManifest(shareKind, share.metadata) ? 'ManifestGranted' : undefined),
    manifestProblems: () => manifests.problems(),
    lookup: localhostLookup,
  })
  const identityProvider = await startProvider(parts, store, open, issuer, clientSecret)
  open.tasks.run('operator', (ending) => operate(parts, store, open, runtime, ending))
  const known = Promise.all([manifests.ready, open.identities.keyRing.ready, open.identities.sessions.ready])
  const serving = await serve({ settings, open, metrics, clock, log, signal }, known)
  const ended = endAfter(signal, async () => {
    await Promise.all([open.ended, runtime.ended, identityProvider.closed, serving.ended])
    storeLife.abort()
    await store[Symbol.asyncDispose]()
  })
  return { gateway: open, identityProvider, drain: serving.drain, ended }
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
