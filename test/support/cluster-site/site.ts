/**
 * Gatehouse as people have it in a cluster, for the tests of one file: the chart installed by `helm install` with some replicas, a real OpenID
 * provider as a pod, TLS by a test authority, the admission policies in force, people with roles, and an operator that is not ours.
 * A site costs a quarter of a minute; everything of it is deleted at the end.
 *
 * @example
 * await using site = await openSite({ replicas: 3 })
 * const { url } = await site.workspace('nb', { owner: 'alice' })
 * const alice = await site.as('alice')
 * expect((await alice.open(url)).status).toBe(200)
 * for (const replica of site.replicas) expect((await site.through(replica, alice).open(url)).status).toBe(200)
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '#lib/clock.ts'
import { kubeconfigAccess } from '#resources/kubernetes/api-access.ts'
import { openApiClient } from '#resources/kubernetes/api-client.ts'
import type { WorkspaceRef } from '#surface/workspace-ref.ts'
import { makeSite, urlOf } from '#workspace/address.ts'
import { createScriptedBrowser, type Page, type ScriptedBrowser } from '../browser-session.ts'
import { type KubectlOptions, type KubectlResult, kubectl, openNamespace, tryKubectl } from '../cluster.ts'
import { createObject, kubeconfigPath, listObjects, mergeObject, readObject } from '../cluster-api.ts'
import { installCrds, installPolicies } from '../cluster-install.ts'
import { type ContainerConfig, echoContainer, testImage } from '../echo-container.ts'
import { createTestCa, type TestCa } from '../test-ca.ts'
import { startTestController } from '../test-controller.ts'
import { until, untilReachable } from '../until.ts'
import { openSocket, type WorkspaceSocket } from '../workspace-socket.ts'
import { installRelease, removeRelease } from './helm.ts'
import { lookupOf } from './names.ts'
import { bindPeople } from './people.ts'
import { type ProviderPod, startProviderPod } from './provider-pod.ts'
import { createSecrets } from './site-secrets.ts'

export interface SiteOptions {
  /** 3 if absent. */
  readonly replicas?: number
  /** How many there are to log in beside alice, bob, carol (group admins) and dave (group ds): `u0` and so on. They may connect as well. */
  readonly people?: number
  /** `host` if absent. */
  readonly mode?: 'host' | 'path'
  /** There is a second namespace of workspaces, {@link ClusterSite.elsewhere}, with the same people and operator; not where one alone is served. */
  readonly hasElsewhere?: boolean
  /** Serves the namespace of the workspaces alone, by a Role, instead of the whole cluster. */
  readonly namespaced?: boolean
  /** Workspaces of every namespace are reached through their agents alone. */
  readonly hasAgents?: boolean
  /** Further values of the chart; `settings` and `manager.spec` are added to what the site needs. */
  readonly values?: object
  readonly settings?: object
  readonly managerSpec?: object
}

export interface SiteReplica {
  readonly pod: string
  readonly address: string
}

export interface NewSiteWorkspace {
  readonly owner: string
  /** {@link ClusterSite.team} if absent. */
  readonly namespace?: string
  /** The echo app on 8888 if absent. */
  readonly container?: ContainerConfig
  /** Beside `desiredStatus: Running`. */
  readonly spec?: object
  /** Beside the one that names its owner. */
  readonly annotations?: Readonly<Record<string, string>>
}

export interface SiteWorkspace {
  readonly ref: WorkspaceRef
  readonly uid: string
  readonly url: string
}

export interface ClusterSite extends AsyncDisposable {
  /** Gatehouse's own; also the names of the release and of the manager. */
  readonly namespace: string
  /** Of the workspaces. */
  readonly team: string
  /** The second one; the same as `team` where there is none. */
  readonly elsewhere: string
  /** `https://ws.example.test:8443` */
  readonly origin: string
  readonly port: number
  /** Address of the Service. */
  readonly address: string
  readonly ca: TestCa
  /** PEM of the authority. */
  readonly caText: string
  readonly provider: ProviderPod
  readonly password: string
  /** Ready when they were last looked at. */
  readonly replicas: readonly SiteReplica[]
  /** Looks again, until there are as many ready ones as there should be. */
  findReplicas(count?: number): Promise<readonly SiteReplica[]>
  /** Where a name of the site is to be found. */
  addressOf(name: string): string
  /** By the Service, which takes any replica for any request. */
  browser(): ScriptedBrowser
  /** A browser of somebody who is logged in at the console; by one replica, where one is given. */
  as(username: string, replica?: SiteReplica): Promise<ScriptedBrowser>
  /** The same browser, cookies and all, as if the balancer had chosen this replica for all it does. */
  through(replica: SiteReplica, browser: ScriptedBrowser): ScriptedBrowser
  socket(browser: ScriptedBrowser, url: string, replica?: SiteReplica): Promise<WorkspaceSocket>
  /** Made by its owner; answers once the gateway has it running, unless it is stopped. */
  workspace(name: string, fields: NewSiteWorkspace): Promise<SiteWorkspace>
  url(name: string, port?: number): string
  /** In the namespace of the workspaces, by its owner or whoever is named. */
  share(name: string, by: string, spec: object): Promise<KubectlResult>
  /** In the namespace of the workspaces. */
  kubectl(args: readonly string[], options?: KubectlOptions): Promise<string>
  /** In Gatehouse's own. */
  ours(args: readonly string[], options?: KubectlOptions): Promise<string>
  /** Changes the spec of the manager, as a merge patch; does not wait until it is in force. */
  manage(spec: object): Promise<void>
  /** The manager, as it is. `T` is what the test looks at of it. */
  manager<T>(): Promise<T>
  /** Changes the release; waits until it is rolled out. */
  upgrade(values: object): Promise<void>
}

const domain = 'ws.example.test'
const port = 8443
const group = 'workspace.jupyter.org'

export async function openSite(options: SiteOptions = {}): Promise<ClusterSite> {
  const { replicas: count = 3, people = 0, mode = 'host' } = options
  await using stack = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-site-'))
  stack.defer(() => rm(folder, { recursive: true }))
  const open = async (prefix: string) => stack.use(await openNamespace(prefix)).name
  const [namespace, team, second] = await Promise.all([
    open('gh-site'),
    open('gh-team'),
    options.hasElsewhere ? open('gh-team') : undefined,
    installCrds(),
  ])
  const elsewhere = second ?? team
  const teams = [...new Set([team, elsewhere])]
  const account = `system:serviceaccount:${namespace}:${namespace}`
  const further = Array.from({ length: people }, (_, index) => `u${index}`)
  const issuerHost = `idp.${namespace}.svc`
  const ca = createTestCa(folder)
  const caText = await readFile(ca.caFile, 'utf8')
  const clientSecret = 'kZ4vQm81xWc9sLbT0yRfHn37'
  await createSecrets(namespace, { domain, ca, caText, issuerHost, clientSecret, hasPeers: options.hasAgents })
  const password = 'correct horse battery staple'
  const origin = `https://${domain}:${port}`
  const issuer = `https://${issuerHost}`
  stack.defer(() => removeRelease(namespace, namespace))
  const install = (values: object) =>
    installRelease({
      namespace,
      name: namespace,
      folder,
      values: { ...valuesOf(options, issuer, team, count), ...values },
    })
  const policies = installPolicies({ account, namespaces: [namespace, ...teams] })
  stack.defer(async () => (await policies)[Symbol.asyncDispose]())
  const [provider] = await Promise.all([
    startProviderPod({
      ...{ namespace, issuer, clientOrigin: origin, clientSecret, password, people, tlsSecret: 'idp-tls' },
    }),
    // A gateway that finds none at its start does without them until it looks again.
    policies.then(() => install({})),
    ...teams.map((of) => bindPeople(of, further)),
  ])
  const address = await serviceAddress(namespace)
  await untilReachable(address, port)
  const ending = new AbortController()
  stack.defer(() => ending.abort())
  const access = kubeconfigAccess({ file: kubeconfigPath(), clock: systemClock })
  const client = openApiClient({ access, clock: systemClock, signal: ending.signal })
  for (const of of teams) stack.use(startTestController({ client, namespace: of }))

  const addressOf = (name: string, replica?: SiteReplica) =>
    name === issuerHost ? provider.address : (replica?.address ?? address)
  const browserBy = (replica: SiteReplica | undefined, shared?: ScriptedBrowser) =>
    createScriptedBrowser({
      lookup: lookupOf((name) => addressOf(name, replica)),
      ca: caText,
      ...(shared ? { cookies: shared.cookies } : {}),
    })
  const site = makeSite({ domain, scheme: 'https', port, mode })
  const url = (name: string, at?: number) => urlOf(site, { namespace: team, name }, at)
  const inTeam = (args: readonly string[], by?: KubectlOptions) => kubectl(['-n', team, ...args], by)
  const known: { replicas: readonly SiteReplica[] } = { replicas: await findReplicas(namespace, count) }
  const manager = {
    apiVersion: `${group}/v1alpha1`,
    kind: 'WorkspaceManager',
    metadata: { namespace, name: namespace },
  }
  const kept = stack.move()
  return {
    ...{ namespace, team, elsewhere, origin, port, address, ca, caText, provider, password, url, addressOf },
    get replicas() {
      return known.replicas
    },
    async findReplicas(expected = count) {
      known.replicas = await findReplicas(namespace, expected)
      return known.replicas
    },
    browser: () => browserBy(undefined),
    async as(username, replica) {
      const browser = browserBy(replica)
      // An issuer that has just come up may not be found yet; the page that says so is loaded again by browsers.
      await until(async () => (await browser.open(`${origin}/`)).status !== 503 || undefined)
      await browser.login(username, password)
      return browser
    },
    through: browserBy,
    socket: (browser, to, replica) =>
      openSocket(browser, to, { lookup: lookupOf((name) => addressOf(name, replica)), ws: { ca: caText } }),
    async workspace(name, { owner, namespace: of = team, container = echoContainer(), spec = {}, annotations = {} }) {
      const workspace = {
        apiVersion: `${group}/v1alpha1`,
        kind: 'Workspace',
        metadata: { namespace: of, name, annotations: { ...annotations, [`${group}/created-by`]: owner } },
        spec: {
          ...{ displayName: name, image: testImage, desiredStatus: 'Running', managerRef: { name: namespace } },
          ...{ containerConfig: container, ...spec },
        },
      }
      const { metadata } = await createObject<{ readonly metadata: { readonly uid: string } }>(workspace, { as: owner })
      const ref = { namespace: of, name }
      return { ref, uid: metadata.uid, url: urlOf(site, ref, undefined) }
    },
    share: (name, by, spec) =>
      tryKubectl(['-n', team, 'create', '-f', '-'], {
        input: [{ apiVersion: `${group}/v1alpha1`, kind: 'WorkspaceShare', metadata: { namespace: team, name }, spec }],
        as: by,
      }),
    kubectl: inTeam,
    ours: (args, by) => kubectl(['-n', namespace, ...args], by),
    manage: (spec) => mergeObject(manager, { spec }),
    manager: () => readObject(manager),
    upgrade: install,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
}

/** Of the Service, which is called as its namespace is. */
async function serviceAddress(namespace: string): Promise<string> {
  const metadata = { namespace, name: namespace }
  const service = await readObject<{ readonly spec: { readonly clusterIP: string } }>({
    ...{ apiVersion: 'v1', kind: 'Service', metadata },
  })
  return service.spec.clusterIP
}

/** Opens it until it is there, as somebody does who looks at the page that waits. */
export async function openWhenRunning(browser: ScriptedBrowser, url: string): Promise<Page> {
  return until(
    async () => {
      const page = await browser.open(url)
      return page.status === 200 && page.url.href === url ? page : undefined
    },
    () => `${browser.page.status} ${browser.page.url.href}`,
    200,
  )
}

function valuesOf(options: SiteOptions, issuer: string, team: string, replicas: number): object {
  const clientSecretRef = { name: 'gatehouse-oidc', key: 'client-secret' }
  const oidc = [{ id: 'main', issuer, clientId: 'gatehouse', clientSecretRef }]
  const administrators = { groups: ['admins'] }
  const spec = { domain, routing: { mode: options.mode ?? 'host' }, oidc, administrators, ...options.managerSpec }
  return {
    replicas,
    namespaces: options.namespaced === true ? [team] : [],
    manager: { servesUnclaimed: false, spec },
    tls: { secretName: 'gatehouse-tls' },
    service: { port },
    settings: { external: { scheme: 'https', port }, ...agentsOf(options), ...options.settings },
    ...(options.hasAgents ? { peers: { secretName: 'gatehouse-peers' } } : {}),
    policies: { create: false },
    env: [{ name: 'NODE_EXTRA_CA_CERTS', value: '/etc/authority/ca.crt' }],
    volumes: [{ name: 'authority', configMap: { name: 'authority' } }],
    volumeMounts: [{ name: 'authority', mountPath: '/etc/authority', readOnly: true }],
    // Two cores have to do for all of a cluster.
    resources: { requests: { cpu: '10m', memory: '128Mi' } },
    ...options.values,
  }
}

function agentsOf({ hasAgents }: SiteOptions): object {
  return hasAgents ? { agents: { namespaces: ['*'] } } : {}
}

interface Pod {
  readonly metadata: { readonly name: string; readonly deletionTimestamp?: string }
  readonly status: {
    readonly podIP?: string
    readonly conditions?: readonly { readonly type: string; readonly status: string }[]
  }
}

async function findReplicas(namespace: string, count: number): Promise<readonly SiteReplica[]> {
  const labelSelector = `app.kubernetes.io/instance=${namespace}`
  return until(async () => {
    const pods = await listObjects<Pod>({ apiVersion: 'v1', kind: 'Pod', namespace, labelSelector })
    const ready = pods.flatMap(({ metadata, status }) => {
      const isReady = status.conditions?.some((one) => one.type === 'Ready' && one.status === 'True')
      const lives = metadata.deletionTimestamp === undefined && isReady
      return lives && status.podIP ? [{ pod: metadata.name, address: status.podIP }] : []
    })
    return ready.length === count ? ready : undefined
  })
}
