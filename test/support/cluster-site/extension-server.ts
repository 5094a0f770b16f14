/** What stands in for jupyter-k8s' extension API server, registered with the real API server by a real APIService. */
import { readFile } from 'node:fs/promises'
import { kubectl } from '../cluster.ts'
import { apply } from '../cluster-api.ts'
import { until } from '../until.ts'
import { startProgramPod } from './program-pod.ts'
import type { ClusterSite } from './site.ts'
import { tlsSecret } from './site-secrets.ts'

/** One review that it answered. */
export interface AnsweredReview {
  /** Whom the API server has authenticated. */
  readonly by: string
  readonly namespace: string
  readonly spec: Readonly<Record<string, unknown>>
  readonly status: { readonly allowed: boolean; readonly notFound: boolean; readonly reason: string }
}

export interface ExtensionServer extends AsyncDisposable {
  asked(): Promise<readonly AnsweredReview[]>
  /** Its only pod goes, while it stays registered. */
  goAway(): Promise<void>
}

const name = 'extension'
const group = 'connection.workspace.jupyter.org'
const version = 'v1alpha1'
const apiService = `${version}.${group}`
const rbac = 'rbac.authorization.k8s.io'

/** There is one in a cluster, so one test has it at a time; while it is away no namespace of the cluster can be deleted. */
export async function startExtensionServer({
  namespace,
  ca,
}: Pick<ClusterSite, 'namespace' | 'ca'>): Promise<ExtensionServer> {
  const role = `${namespace}-${name}`
  await using started = new AsyncDisposableStack()
  started.defer(async () => {
    const all = [`apiservice/${apiService}`, `clusterrole/${role}`, `clusterrolebinding/${role}`]
    await kubectl(['delete', ...all, '--ignore-not-found'])
  })
  await apply(
    await tlsSecret(namespace, `${name}-tls`, { ca, names: [`${name}.${namespace}.svc`] }),
    {
      ...{ apiVersion: `${rbac}/v1`, kind: 'ClusterRole', metadata: { name: role } },
      rules: [
        { apiGroups: ['authorization.k8s.io'], resources: ['subjectaccessreviews'], verbs: ['create'] },
        { apiGroups: ['workspace.jupyter.org'], resources: ['workspaces'], verbs: ['get'] },
      ],
    },
    {
      ...{ apiVersion: `${rbac}/v1`, kind: 'ClusterRoleBinding', metadata: { name: role } },
      roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: role },
      subjects: [{ kind: 'ServiceAccount', namespace, name: 'default' }],
    },
  )
  const pod = await startProgramPod({
    ...{ namespace, name, tlsSecret: `${name}-tls` },
    files: [new URL('../extension-server-program.ts', import.meta.url)],
    environment: { NODE_EXTRA_CA_CERTS: '/var/run/secrets/kubernetes.io/serviceaccount/ca.crt' },
  })
  await apply({
    ...{ apiVersion: 'apiregistration.k8s.io/v1', kind: 'APIService', metadata: { name: apiService } },
    spec: {
      ...{ group, version, groupPriorityMinimum: 1_000, versionPriority: 15 },
      service: { namespace, name, port: 443 },
      caBundle: Buffer.from(await readFile(ca.caFile, 'utf8')).toString('base64'),
    },
  })
  const condition = `jsonpath={.status.conditions[?(@.type=="Available")]}`
  const availability = () => kubectl(['get', 'apiservice', apiService, '-o', condition])
  const seen = { text: '' }
  await until(
    async () => {
      seen.text = await availability()
      return seen.text.includes('"status":"True"') ? true : undefined
    },
    () => seen.text,
  )
  const kept = started.move()
  return {
    asked: async () => JSON.parse(await pod.control('/')),
    goAway: async () => void (await kubectl(['-n', namespace, 'delete', `pod/${name}`])),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
}
