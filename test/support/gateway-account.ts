/** The gateway's ServiceAccount in a namespace of a test, with the rights of `config/rbac/namespaced` and a kubeconfig that holds its token alone. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stringify } from 'yaml'
import { systemClock } from '#lib/clock.ts'
import { kubeconfigAccess } from '#resources/kubernetes/api-access.ts'
import { objectsIn } from './chart.ts'
import { kubectl } from './cluster.ts'
import { apply, createToken, kubeconfigPath } from './cluster-api.ts'

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
  await apply(...objectsIn(manifests.replaceAll('namespace: gatehouse', `namespace: ${namespace}`)))
  return openAccount(namespace, 'gatehouse')
}

/** A kubeconfig of a ServiceAccount that there is. */
export async function openAccount(namespace: string, name: string): Promise<GatewayAccount> {
  const token = await createToken({ namespace, name })
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-account-'))
  const kubeconfig = join(folder, 'kubeconfig')
  await writeFile(kubeconfig, stringify(await kubeconfigOf(token)), { mode: 0o600 })
  return {
    username: `system:serviceaccount:${namespace}:${name}`,
    kubeconfig,
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  }
}

/** The administrator's cluster, and somebody else in it. */
async function kubeconfigOf(token: string): Promise<object> {
  const { origin, prefix, tls } = await kubeconfigAccess({ file: kubeconfigPath(), clock: systemClock }).current()
  const authority = Buffer.from(tls.ca ?? '').toString('base64')
  const cluster = { server: origin + prefix, ...(tls.ca ? { 'certificate-authority-data': authority } : {}) }
  return {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'tests', cluster }],
    users: [{ name: 'gateway', user: { token } }],
    contexts: [{ name: 'gateway', context: { cluster: 'tests', user: 'gateway' } }],
    'current-context': 'gateway',
  }
}
