/** The real metrics-server, in a pod of a test: for as long as it is not disposed, the cluster has a metrics API. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { kubectl } from './cluster.ts'
import { apply, deleteObject, type ObjectHead } from './cluster-api.ts'
import { tlsSecret } from './cluster-site/site-secrets.ts'
import { testImage } from './echo-container.ts'
import { createTestCa } from './test-ca.ts'

/** There is one in a cluster. */
export const metricsApi = 'v1beta1.metrics.k8s.io'
const name = 'metrics-server'
const group = 'rbac.authorization.k8s.io'

/** The cluster must have none of its own. While its pod is away no namespace of the cluster can be deleted. */
export async function startMetricsServer(namespace: string, program: string): Promise<AsyncDisposable> {
  await using started = new AsyncDisposableStack()
  const service = { apiVersion: 'apiregistration.k8s.io/v1', kind: 'APIService', metadata: { name: metricsApi } }
  const rights = rightsOf(namespace)
  started.defer(async () => void (await Promise.all([service, ...rights].map((object) => deleteObject(object)))))
  const folder = await mkdtemp(join(tmpdir(), 'gh-'))
  started.defer(() => rm(folder, { recursive: true }))
  const ca = createTestCa(folder)
  const metadata = { namespace, name }
  await apply(
    await tlsSecret(namespace, `${name}-tls`, { ca, names: [`${name}.${namespace}.svc`] }),
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata },
    ...rights,
    {
      ...{ apiVersion: 'v1', kind: 'Service', metadata },
      spec: { selector: { app: name }, ports: [{ port: 443, targetPort: 8443 }] },
    },
    podOf(namespace),
  )
  await kubectl(['-n', namespace, 'wait', '--for=condition=PodScheduled', '--timeout=60s', `pod/${name}`])
  await putIn(namespace, program)
  await kubectl(['-n', namespace, 'wait', '--for=condition=Ready', '--timeout=60s', `pod/${name}`])
  await apply({
    ...service,
    spec: {
      ...{ group: 'metrics.k8s.io', version: 'v1beta1', groupPriorityMinimum: 100, versionPriority: 100 },
      service: { namespace, name, port: 443 },
      caBundle: Buffer.from(await readFile(ca.caFile, 'utf8')).toString('base64'),
    },
  })
  const kept = started.move()
  return { [Symbol.asyncDispose]: () => kept.disposeAsync() }
}

/** No image of it is at hand, so that its container waits for the program. */
function podOf(namespace: string) {
  const options = [
    ...['--secure-port=8443', '--tls-cert-file=/tls/tls.crt', '--tls-private-key-file=/tls/tls.key'],
    // The least there is. By whom kubelets are vouched for is told by no cluster.
    ...[
      '--metric-resolution=10s',
      '--kubelet-request-timeout=9s',
      '--kubelet-preferred-address-types=InternalIP',
      '--kubelet-insecure-tls',
    ],
  ]
  const script = `until [ -e /program/whole ]; do sleep 0.1; done; exec /program/${name} "$@"`
  return {
    ...{ apiVersion: 'v1', kind: 'Pod', metadata: { namespace, name, labels: { app: name } } },
    spec: {
      ...{ serviceAccountName: name, terminationGracePeriodSeconds: 1 },
      volumes: [
        { name: 'tls', secret: { secretName: `${name}-tls` } },
        { name: 'program', emptyDir: {} },
      ],
      containers: [
        {
          ...{ name, image: testImage, imagePullPolicy: 'IfNotPresent' },
          command: ['/bin/sh', '-c', script, name, ...options],
          readinessProbe: { httpGet: { scheme: 'HTTPS', port: 8443, path: '/readyz' }, periodSeconds: 1 },
          volumeMounts: [
            { name: 'tls', mountPath: '/tls' },
            { name: 'program', mountPath: '/program' },
          ],
        },
      ],
    },
  }
}

async function putIn(namespace: string, program: string): Promise<void> {
  await kubectl(['-n', namespace, 'wait', '--for=jsonpath={.status.phase}=Running', '--timeout=60s', `pod/${name}`])
  await kubectl(['-n', namespace, 'cp', program, `${name}:/program/${name}`])
  await kubectl(['-n', namespace, 'exec', name, '--', 'touch', '/program/whole'])
}

/** What it asks of kubelets and of the API server, and whom it believes that somebody is. */
function rightsOf(namespace: string) {
  const subjects = [{ kind: 'ServiceAccount', namespace, name }]
  const own = `${namespace}-${name}`
  const binding = (kind: string, metadata: ObjectHead['metadata'], role: string, of = 'ClusterRole') => ({
    ...{ apiVersion: `${group}/v1`, kind, metadata, subjects },
    roleRef: { apiGroup: group, kind: of, name: role },
  })
  return [
    {
      ...{ apiVersion: `${group}/v1`, kind: 'ClusterRole', metadata: { name: own } },
      rules: [
        { apiGroups: [''], resources: ['nodes/metrics'], verbs: ['get'] },
        { apiGroups: [''], resources: ['nodes', 'pods'], verbs: ['get', 'list', 'watch'] },
      ],
    },
    binding('ClusterRoleBinding', { name: own }, own),
    binding('ClusterRoleBinding', { name: `${own}-delegates` }, 'system:auth-delegator'),
    binding(
      'RoleBinding',
      { namespace: 'kube-system', name: own },
      'extension-apiserver-authentication-reader',
      'Role',
    ),
  ]
}
