/**
 * `gatehouse serve` on the real cluster, run by this process: the command itself, with the rights that the chart gives its account and no others,
 * between it and the API server a proxy that sees every request, a real OpenID provider on this machine, and an operator that is not ours.
 * Browsers reach it on localhost.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { parse, stringify } from 'yaml'
import { serve } from '#cli/serve.ts'
import { openCluster } from '#compose/cluster.ts'
import { type Clock, systemClock } from '#lib/clock.ts'
import { localhostLookup } from '#lib/localhost-lookup.ts'
import { kubeconfigAccess } from '#resources/kubernetes/api-access.ts'
import { openApiClient } from '#resources/kubernetes/api-client.ts'
import { makeSite, urlOf } from '#workspace/address.ts'
import { createScriptedBrowser, type ScriptedBrowser, thisMachine } from './browser-session.ts'
import { leastValues, type Rendered, render } from './chart.ts'
import { kubectl, openNamespace } from './cluster.ts'
import { apply, deleteObject, kubeconfigPath } from './cluster-api.ts'
import { installCrds } from './cluster-install.ts'
import { bindPeople } from './cluster-site/people.ts'
import { type ContainerConfig, echoContainer, testImage } from './echo-container.ts'
import { type FaultProxy, faultProxy } from './fault-proxy.ts'
import { freePort } from './free-port.ts'
import { type GatewayAccount, openAccount } from './gateway-account.ts'
import { type TestIdentityProvider, testIdentityProvider } from './identity-provider.ts'
import { type ServedProcess, startServedProcess } from './served-process.ts'
import { startTestController } from './test-controller.ts'
import { until } from './until.ts'

export interface ServedOptions {
  /** Installed for the whole cluster, instead of for the namespace of its workspaces alone. */
  readonly everywhere?: boolean
  /** Of the chart, as far as rights depend on them. */
  readonly values?: object
  /** Beside what the world needs, such as `machines`. */
  readonly settings?: (names: { readonly namespace: string; readonly team: string }) => object
  readonly clock?: Clock
}

export interface ReplicaOptions {
  /** Instead of that of the world. */
  readonly clock?: Clock
  /** Another address of this machine, `127.0.0.2`, at which it listens on the port of the first. On a port of its own when absent. */
  readonly host?: string
  /** It is a process of its own, whose clock is that of the machine until it is set. */
  readonly isProcess?: true
}

export interface ServedReplica {
  readonly host: string
  readonly port: number
  /** Every line of its log and audit trail. */
  readonly lines: readonly string[]
  readonly process?: ServedProcess
  figures(): Promise<string>
}

export interface ServedCluster extends AsyncDisposable {
  /** Gatehouse's own; also the name of its account and its manager. */
  readonly namespace: string
  /** Of the workspaces. */
  readonly team: string
  readonly account: GatewayAccount
  /** Roles and bindings as the chart renders them, which is how they are in the cluster. */
  readonly rights: readonly Rendered[]
  readonly proxy: FaultProxy
  readonly provider: TestIdentityProvider
  readonly origin: string
  /** Waits until it is ready. Browsers know every one by the names of the first. */
  start(own?: ReplicaOptions): Promise<ServedReplica>
  url(name: string, port?: number): string
  /** A browser of somebody who is logged in at the console of the first. */
  as(username: string): Promise<ScriptedBrowser>
  /** Of everybody. */
  readonly password: string
  workspace(name: string, owner: string, fields?: { container?: ContainerConfig; spec?: object }): Promise<void>
  /** In the namespace of the workspaces. */
  do(args: readonly string[], ...input: readonly object[]): Promise<string>
  /** In Gatehouse's own. */
  ours(args: readonly string[], ...input: readonly object[]): Promise<string>
}

const group = 'workspace.jupyter.org'

export async function openServed(options: ServedOptions = {}): Promise<ServedCluster> {
  await installCrds()
  await using stack = new AsyncDisposableStack()
  const { name: namespace } = stack.use(await openNamespace('gh-served'))
  const { name: team } = stack.use(await openNamespace('gh-team'))
  const rights = await applyRights(namespace, { ...options.values, namespaces: options.everywhere ? [] : [team] })
  const wide = rights.filter(({ kind }) => kind.startsWith('Cluster'))
  stack.defer(async () => void (await Promise.all(wide.map((object) => deleteObject(object)))))
  const account = stack.use(await openAccount(namespace, namespace))
  const proxy = stack.use(await faultProxy())
  const port = await freePort()
  const origin = `http://localhost:${port}`
  const provider = stack.use(await testIdentityProvider({ clientOrigin: origin }))
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-served-'))
  stack.defer(() => rm(folder, { recursive: true }))
  const kubeconfig = join(folder, 'kubeconfig')
  await writeFile(kubeconfig, await byWayOf(proxy, account.kubeconfig), { mode: 0o600 })
  await bindPeople(team)
  await createManager(namespace, provider)
  stack.use(startOperator(team))
  const site = makeSite({ scheme: 'http', domain: 'localhost', port, mode: 'host' })
  const replicas: ServedReplica[] = []
  const running = stack.use(new AsyncDisposableStack())
  const kept = stack.move()
  const within =
    (where: string) =>
    (args: readonly string[], ...input: readonly object[]) =>
      kubectl(['-n', where, ...args], input.length > 0 ? { input } : {})
  return {
    ...{
      namespace,
      team,
      account,
      rights,
      proxy,
      provider,
      origin,
      password: provider.password,
      do: within(team),
      ours: within(namespace),
    },
    url: (name, port) => urlOf(site, { namespace: team, name }, port),
    async start({ clock = options.clock ?? systemClock, host, isProcess } = {}) {
      const listens = replicas.length === 0 || host !== undefined ? port : await freePort()
      const operations = await freePort()
      const file = join(folder, `settings-${replicas.length}.yaml`)
      const settings = {
        ...{
          managerName: namespace,
          domain: 'localhost',
          insecureHttpIssuer: true,
          external: { scheme: 'http', port },
        },
        listeners: [{ kind: 'plain', host: host ?? '127.0.0.1', port: listens }],
        operations: { hosts: ['127.0.0.1'], port: operations },
        sessions: { stateNamespace: namespace },
        cluster: {
          kubeconfig,
          namespaces: options.everywhere ? [] : [team],
          serviceAccount: namespace,
          servesUnclaimed: false,
        },
        ...options.settings?.({ namespace, team }),
      }
      await writeFile(file, stringify(settings))
      const { ended, ...started } = isProcess ? runApart(file, running) : run(file, clock, running)
      await Promise.race([untilReady(operations, started.lines), ended])
      const figures = () => textAt(operations, '/metrics')
      const replica: ServedReplica = { host: host ?? '127.0.0.1', port: listens, figures, ...started }
      replicas.push(replica)
      return replica
    },
    async as(username) {
      const browser = createScriptedBrowser({ lookup: thisMachine })
      await browser.open(`${origin}/`)
      await browser.login(username, provider.password)
      return browser
    },
    async workspace(name, owner, { container = echoContainer(), spec = {} } = {}) {
      const annotations = { [`${group}/created-by`]: owner }
      const managerRef = { name: namespace }
      await apply({
        ...{ apiVersion: `${group}/v1alpha1`, kind: 'Workspace', metadata: { namespace: team, name, annotations } },
        spec: {
          displayName: name,
          image: testImage,
          desiredStatus: 'Running',
          managerRef,
          containerConfig: container,
          ...spec,
        },
      })
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
}

/** The account, its Roles and the Secret of its keys, as the chart makes them. */
async function applyRights(namespace: string, values: object): Promise<readonly Rendered[]> {
  const manager = { ...leastValues.manager, clientSecrets: ['gatehouse-oidc'] }
  const all = await render({ release: namespace, namespace, values: { manager, ...values } })
  const kinds = /^(ServiceAccount|Secret|(Cluster)?Role(Binding)?)$/
  const rights = all.filter(({ kind }) => kinds.test(kind))
  // Those of people come with the policies, which tests bind to their own namespaces.
  const own = rights.filter(({ kind, metadata }) => kind !== 'ClusterRole' || metadata.name.includes(namespace))
  await apply(...own)
  return own.filter(({ kind }) => /Role/.test(kind))
}

async function byWayOf(proxy: FaultProxy, kubeconfig: string): Promise<string> {
  const config: { clusters: { cluster: object }[] } = parse(await readFile(kubeconfig, 'utf8'))
  const ca = (await readFile(proxy.caFile)).toString('base64')
  for (const one of config.clusters)
    one.cluster = { server: `https://127.0.0.1:${proxy.port}`, 'certificate-authority-data': ca }
  return stringify(config)
}

async function createManager(namespace: string, provider: TestIdentityProvider): Promise<void> {
  const clientSecretRef = { name: 'gatehouse-oidc', key: 'client-secret' }
  const { issuer, clientId, clientSecret } = provider
  const oidc = [{ id: 'main', issuer, clientId, clientSecretRef }]
  await apply(
    {
      ...{ apiVersion: 'v1', kind: 'Secret', metadata: { namespace, name: 'gatehouse-oidc' } },
      stringData: { 'client-secret': clientSecret.reveal() },
    },
    {
      ...{ apiVersion: `${group}/v1alpha1`, kind: 'WorkspaceManager', metadata: { namespace, name: namespace } },
      spec: { domain: 'localhost', oidc, administrators: { groups: ['admins'] } },
    },
  )
}

function startOperator(namespace: string): AsyncDisposable {
  const ending = new AbortController()
  const access = kubeconfigAccess({ file: kubeconfigPath(), clock: systemClock })
  const client = openApiClient({ access, clock: systemClock, signal: ending.signal })
  const controller = startTestController({ client, namespace })
  return {
    async [Symbol.asyncDispose]() {
      await controller[Symbol.asyncDispose]()
      ending.abort()
    },
  }
}

/** The command. */
type Run = Pick<ServedReplica, 'lines' | 'process'> & Pick<ServedProcess, 'ended'>

function runApart(file: string, running: AsyncDisposableStack): Run {
  const process = running.use(startServedProcess(file))
  return { lines: process.lines, ended: process.ended, process }
}

function run(file: string, clock: Clock, running: AsyncDisposableStack): Run {
  const lines: string[] = []
  const stream = { write: (line: string) => lines.push(line) > 0 }
  const stops = new Set<(name: 'SIGTERM') => void>()
  const exit = serve(['--settings', file], {
    ...{ stdout: stream, stderr: stream, env: {}, cwd: () => '/', clock },
    openStandardOutput: () => ({ write: stream.write, lost: 0, [Symbol.asyncDispose]: async () => undefined }),
    openCluster: (wish) => openCluster({ ...wish, lookup: localhostLookup }),
    onFault: () => ({ [Symbol.dispose]: () => undefined }),
    exitNow: () => undefined,
    onSignal(handle) {
      stops.add(handle)
      return { [Symbol.dispose]: () => void stops.delete(handle) }
    },
  })
  running.defer(async () => {
    // The second one does not wait for what is open.
    for (const stop of stops) stop('SIGTERM')
    for (const stop of stops) stop('SIGTERM')
    await exit
  })
  const ended = exit.then((code) => {
    throw new Error(`gatehouse serve ended with ${code}: ${lines.join('')}`)
  })
  ended.catch(() => undefined)
  return { lines, ended }
}

function untilReady(operations: number, lines: readonly string[]): Promise<unknown> {
  const isReady = () =>
    textAt(operations, '/readyz')
      .then((said) => said.includes('"ready"') || undefined)
      .catch(() => undefined)
  return until(isReady, () => lines.join(''))
}

function textAt(port: number, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = request({ host: '127.0.0.1', port, path, agent: false }, (answer) =>
      text(answer).then(resolve, reject),
    )
    call.once('error', reject)
    call.end()
  })
}
