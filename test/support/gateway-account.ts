/** The gateway's ServiceAccount in a namespace of a test, with the rights of `config/rbac/namespaced` and a kubeconfig that holds its token alone. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stringify } from 'yaml'
import { kubectl } from './cluster.ts'

const rightsFolder = fileURLToPath(new URL('../../config/rbac', import.meta.url))

export interface GatewayAccount extends AsyncDisposable {
  /** `system:serviceaccount:<namespace>:<name>` */
  readonly username: string
  /** Path of a file. */
  readonly kubeconfig: string
}

/** Goes with its namespace; the file goes with the test. */
export async function openGatewayAccount(namespace: string): Promise<GatewayAccount> {
  const manifests = await kubectl(['kustomize', join(rightsFolder, 'namespaced')])
  await kubectl(['apply', '-f', '-'], {
    input: manifests.replaceAll('namespace: gatehouse', `namespace: ${namespace}`),
  })
  return openAccount(namespace, 'gatehouse')
}

/** A kubeconfig of a ServiceAccount that there is. */
export async function openAccount(namespace: string, name: string): Promise<GatewayAccount> {
  const token = await kubectl(['create', 'token', name, '--namespace', namespace, '--duration=1h'])
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-account-'))
  const kubeconfig = join(folder, 'kubeconfig')
  await writeFile(kubeconfig, stringify(await kubeconfigOf(token.trim())), { mode: 0o600 })
  return {
    username: `system:serviceaccount:${namespace}:${name}`,
    kubeconfig,
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  }
}

interface View {
  readonly clusters: readonly { readonly name: string }[]
}

/** The administrator's cluster, and somebody else in it. */
async function kubeconfigOf(token: string): Promise<object> {
  const view: View = JSON.parse(await kubectl(['config', 'view', '--minify', '--raw', '--flatten', '-o', 'json']))
  const cluster = view.clusters[0]?.name
  return {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: view.clusters,
    users: [{ name: 'gateway', user: { token } }],
    contexts: [{ name: 'gateway', context: { cluster, user: 'gateway' } }],
    'current-context': 'gateway',
  }
}
