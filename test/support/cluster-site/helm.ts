/** The chart, installed for real. */
import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { deleteObject, deleteObjects, kubeconfigPath, readObject } from '../cluster-api.ts'
import { until } from '../until.ts'
import { gatewayImage } from './gateway-image.ts'

export const chartFolder = fileURLToPath(new URL('../../../charts/gatehouse', import.meta.url))

/** Its standard output; throws what it says when it fails. */
export async function helm(args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)('helm', [...args, '--kubeconfig', kubeconfigPath()])
  return stdout
}

export interface Release {
  readonly namespace: string
  readonly name: string
  /** Of the chart, as in `values.yaml`; the image is that of the tests. */
  readonly values: object
  /** For the file of values. */
  readonly folder: string
}

/** Installs it or brings it up to date, and waits until every replica is ready. */
export async function installRelease({ namespace, name, values, folder }: Release): Promise<void> {
  const [, repository = '', tag = ''] = /^(.*):([^:/]+)$/.exec(gatewayImage) ?? []
  const file = join(folder, `${name}.json`)
  await writeFile(file, JSON.stringify({ image: { repository, tag }, ...values }))
  const install = ['upgrade', '--install', name, chartFolder, '--namespace', namespace, '--skip-crds']
  // Whether the API server takes what the chart renders is a test of its own; the schemas of all kinds take a second of everybody's.
  await helm([...install, '--values', file, '--disable-openapi-validation'])
  await until(
    () => isRolledOut(namespace, name),
    () => `${name} is not rolled out`,
    100,
  )
}

interface Deployment {
  readonly metadata: { readonly generation: number }
  readonly spec: { readonly replicas: number }
  readonly status: {
    readonly observedGeneration?: number
    readonly replicas?: number
    readonly updatedReplicas?: number
    readonly availableReplicas?: number
  }
}

/** Every replica is of the last change, and ready. helm itself would look every two seconds alone. */
async function isRolledOut(namespace: string, name: string): Promise<true | undefined> {
  const { metadata, spec, status } = await readObject<Deployment>({
    ...{ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { namespace, name } },
  })
  const counts = [status.replicas, status.updatedReplicas, status.availableReplicas]
  const isSeen = (status.observedGeneration ?? 0) >= metadata.generation
  return (isSeen && counts.every((count) => (count ?? 0) === spec.replicas)) || undefined
}

/** What it has outside of its namespace; and its pods at once, which nobody needs any more. */
export async function removeRelease(namespace: string, name: string): Promise<void> {
  const labelSelector = `app.kubernetes.io/instance=${name}`
  const apiVersion = 'rbac.authorization.k8s.io/v1'
  await deleteObject({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } })
  await Promise.all([
    deleteObjects({ apiVersion, kind: 'ClusterRole', labelSelector }),
    deleteObjects({ apiVersion, kind: 'ClusterRoleBinding', labelSelector }),
    deleteObjects({ apiVersion: 'v1', kind: 'Pod', namespace, labelSelector }, { gracePeriodSeconds: 1 }),
  ])
}
