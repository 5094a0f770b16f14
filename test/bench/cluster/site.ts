/**
 * What an administrator installs for the benchmark: custom resources, admission policies for its namespaces, and the chart, for the whole cluster; and
 * people who may open workspaces. Everything but the custom resources is gone afterwards.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { keyRingKind, keyRingName } from '#identity/key-ring-record.ts'
import { systemClock } from '#lib/clock.ts'
import type { Resource, ResourceKind, Resources } from '#resources/contract.ts'
import { kubeconfigAccess } from '#resources/kubernetes/api-access.ts'
import { type ApiClient, openApiClient } from '#resources/kubernetes/api-client.ts'
import { type Keeping, kubernetesResources } from '#resources/kubernetes/kubernetes-resources.ts'
import { jsonSecret } from '#resources/kubernetes/wire-form.ts'
import { kubectl, openNamespace } from '#test/support/cluster.ts'
import { apply, kubeconfigPath } from '#test/support/cluster-api.ts'
import { installCrds, installPolicies } from '#test/support/cluster-install.ts'
import { helm, installRelease } from '#test/support/cluster-site/helm.ts'
import { openAccount } from '#test/support/gateway-account.ts'

export const people = { owner: 'bench-owner', guest: 'bench-guest' } as const
export const issuer = 'https://idp.bench.example.test'
export const domain = 'bench.example.test'

export interface BenchSite extends AsyncDisposable {
  /** Of Gatehouse itself. */
  readonly stateNamespace: string
  /** Of workspaces. */
  readonly namespaces: readonly string[]
  /** Name of the WorkspaceManager, which no other gateway of the cluster has. */
  readonly manager: string
  /** Of the gateway's account. */
  readonly kubeconfig: string
  /** As the administrator. */
  readonly client: ApiClient
  readonly resources: Resources
}

export async function openSite(workspaceNamespaces: number): Promise<BenchSite> {
  await installCrds()
  await using opened = new AsyncDisposableStack()
  const { name: stateNamespace } = opened.use(await openNamespace('gh-bench'))
  const open = async () => (await openNamespace('gh-bench')).name
  const namespaces = await Promise.all(Array.from({ length: workspaceNamespaces }, open))
  opened.defer(() => removeNamespaces(namespaces))
  const account = `system:serviceaccount:${stateNamespace}:${stateNamespace}`
  opened.use(await installPolicies({ account, namespaces: [stateNamespace, ...namespaces] }))
  await apply(...namespaces.flatMap(rightsOfPeople))
  opened.use(await install(stateNamespace))
  const { kubeconfig } = opened.use(await openAccount(stateNamespace, stateNamespace))
  const ending = new AbortController()
  opened.defer(() => ending.abort())
  const access = kubeconfigAccess({ file: kubeconfigPath(), clock: systemClock })
  const client = openApiClient({ access, clock: systemClock, signal: ending.signal })
  const keeping = new Map<ResourceKind<Resource>, Keeping>([[keyRingKind, { form: jsonSecret, only: keyRingName }]])
  const resources = kubernetesResources({ client, keeping, onUnreadable: () => undefined })
  const held = opened.move()
  return {
    ...{ stateNamespace, namespaces, manager: stateNamespace, kubeconfig, client, resources },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  }
}

/** Waits for their end: what is left of thousands of objects would be in the way of whoever measures next. */
async function removeNamespaces(names: readonly string[]): Promise<void> {
  await kubectl(['delete', 'namespace', '--ignore-not-found', '--timeout=900s', ...names])
}

/** Ready with one replica, and then with none until some are wanted. */
async function install(namespace: string): Promise<AsyncDisposable> {
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-bench-'))
  await using stack = new AsyncDisposableStack()
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  stack.defer(async () => void (await helm(['uninstall', namespace, '--namespace', namespace, '--ignore-not-found'])))
  await installRelease({ namespace, name: namespace, values: valuesOf(), folder })
  await kubectl(['-n', namespace, 'scale', 'deployment', namespace, '--replicas=0'])
  return stack.move()
}

function rightsOfPeople(namespace: string): readonly object[] {
  const metadata = { namespace, name: 'people' }
  const rbac = 'rbac.authorization.k8s.io'
  const connecting = {
    apiGroups: ['connection.workspace.jupyter.org'],
    resources: ['workspaceconnections'],
    verbs: ['create'],
  }
  const subjects = Object.values(people).map((name) => ({ apiGroup: rbac, kind: 'User', name }))
  const roleRef = { apiGroup: rbac, kind: 'Role', name: 'people' }
  return [
    { apiVersion: `${rbac}/v1`, kind: 'Role', metadata, rules: [connecting] },
    { apiVersion: `${rbac}/v1`, kind: 'RoleBinding', metadata, roleRef, subjects },
  ]
}

/** Nobody logs in by its issuer: sessions are made here. */
function valuesOf(): object {
  return {
    ...{ replicas: 1, policies: { create: false } },
    // Wide on this machine alone; and what is measured is one identity.
    settings: { insecureWideBind: true, limits: { requestsPerIdentity: 1_000_000, streamsPerIdentity: 1_000_000 } },
    manager: { servesUnclaimed: false, spec: { domain, oidc: [{ id: 'main', issuer, clientId: 'bench' }] } },
  }
}
