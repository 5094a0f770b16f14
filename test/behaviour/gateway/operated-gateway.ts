/** One gateway with everything around it that its operators see, on a store that a test can hold up and an issuer that it can take away. */
import { activityKind } from '#activity/activity-record.ts'
import { openGateway } from '#compose/gateway.ts'
import { serve } from '#compose/serving.ts'
import { keyRingKind } from '#identity/key-ring-record.ts'
import { oneTimeKind } from '#identity/one-time-record.ts'
import { sessionKind } from '#identity/session-record.ts'
import { systemClock } from '#lib/clock.ts'
import { localhostLookup } from '#lib/localhost-lookup.ts'
import { createLog } from '#observe/log.ts'
import { createMetrics } from '#observe/metrics.ts'
import { openEmbeddedStore } from '#resources/embedded/store.ts'
import { dialEndpoint } from '#runtime/processes/dial.ts'
import { loadSettings } from '#settings/load.ts'
import type { Settings } from '#settings/settings.ts'
import { type FaultyResources, faultyResources } from '#test/support/faulty-resources.ts'
import { freePort } from '#test/support/free-port.ts'
import { type TestIdentityProvider, testIdentityProvider } from '#test/support/identity-provider.ts'
import { type StaticRuntime, staticRuntime } from '#test/support/static-runtime.ts'
import { shareKind } from '#workspace/share.ts'
import { templateKind } from '#workspace/template.ts'
import { workspaceKind } from '#workspace/workspace.ts'

export interface OperatedGateway extends AsyncDisposable {
  readonly origin: string
  /** Of health, readiness and metrics. */
  readonly operations: string
  readonly resources: FaultyResources
  readonly runtime: StaticRuntime
  readonly issuer: TestIdentityProvider
  readonly gateway: Awaited<ReturnType<typeof openGateway>>
}

/** Not ready yet for as long as `isHeld` is not disposed: it reads nothing from the store. */
export async function operatedGateway(): Promise<OperatedGateway & { readonly isHeld: Disposable }> {
  await using opened = new AsyncDisposableStack()
  const [port, operationsPort] = [await freePort(), await freePort()]
  const origin = `http://localhost:${port}`
  const issuer = opened.use(await testIdentityProvider({ clientOrigin: origin }))
  const settings = await settingsOf(port, operationsPort, issuer)
  const log = createLog({ level: 'error', clock: systemClock, sink: { write: () => undefined } })
  const kinds = [activityKind, keyRingKind, oneTimeKind, sessionKind, shareKind, templateKind, workspaceKind]
  const never = new AbortController().signal
  const store = opened.use(openEmbeddedStore({ file: ':memory:', kinds, clock: systemClock, log, signal: never }))
  const resources = faultyResources(store.resources)
  const isHeld = resources.hold('list', 'get', 'create', 'watch')
  const runtime = staticRuntime()
  const metrics = createMetrics()
  const ending = new AbortController()
  const gateway = await openGateway({
    ...{ settings, resources, runtime, metrics, log, clock: systemClock },
    secrets: { clientSecrets: new Map([['test', issuer.clientSecret]]), demoPassword: undefined },
    dial: dialEndpoint,
    authorshipOf: () => undefined,
    manifestProblems: () => [],
    lookup: localhostLookup,
    audit: { record: () => undefined },
    signal: ending.signal,
  })
  const { keyRing, sessions } = gateway.identities
  const known = Promise.all([keyRing.ready, sessions.ready])
  const serving = serve({ settings, open: gateway, metrics, clock: systemClock, log, signal: ending.signal }, known)
  opened.defer(async () => {
    isHeld[Symbol.dispose]()
    const { ended } = await serving
    ending.abort()
    await Promise.all([gateway.ended, ended])
  })
  const all = opened.move()
  const operations = `http://localhost:${operationsPort}`
  return {
    ...{ origin, operations, resources, runtime, issuer, gateway, isHeld },
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  }
}

async function settingsOf(port: number, operationsPort: number, issuer: TestIdentityProvider): Promise<Settings> {
  const loaded = await loadSettings({ face: 'demo', env: { GATEHOUSE_PORT: String(port) }, cwd: '/nowhere' })
  if (loaded.kind === 'invalid') throw new Error('the settings of the test are invalid')
  return {
    ...loaded.settings,
    operations: { hosts: ['127.0.0.1'], port: operationsPort },
    oidc: [
      {
        ...{ id: 'test', displayName: 'Test', issuer: issuer.issuer, clientId: issuer.clientId },
        scopes: ['openid', 'profile', 'groups', 'offline_access'],
        ...{ usernameClaim: 'preferred_username', usernamePrefix: '', groupsClaim: 'groups', groupsPrefix: '' },
        ...{ caFile: undefined, isHttpAllowed: true },
      },
    ],
  }
}
