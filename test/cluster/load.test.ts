/**
 * How busy the processors of a pod are, asked of the real API server with the rights of the gateway's account, by a real APIService. Behind that stands a
 * program of the test, and not metrics-server, whose figures nobody could put where a test needs them, and which would first have to be built.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { LoadReading } from '#runtime/contract.ts'
import { kubectl, tryKubectl } from '#test/support/cluster.ts'
import { apply } from '#test/support/cluster-api.ts'
import { installCrds } from '#test/support/cluster-install.ts'
import { tlsSecret } from '#test/support/cluster-site/site-secrets.ts'
import { shellContainer, testImage } from '#test/support/echo-container.ts'
import { openGatewayAccount } from '#test/support/gateway-account.ts'
import { followPods, isRunning, openPodWorld } from '#test/support/pod-world.ts'
import { describeWith } from '#test/support/real-parts.ts'
import { createTestCa } from '#test/support/test-ca.ts'
import { patience, until } from '#test/support/until.ts'

const apiService = 'v1beta1.metrics.k8s.io'
const never = new AbortController().signal

/**
 * Knows of the pods of its own namespace alone, since other tests go on beside this one, and there of every one but those with `unknown` in their
 * names: a quarter of a processor, until now.
 */
const program = `
import datetime, http.server, json, os, ssl
root = '/apis/metrics.k8s.io/v1beta1'
class Metrics(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        path = self.path.split('?')[0]
        now = datetime.datetime.now(datetime.timezone.utc).strftime('%Y-%m-%dT%H:%M:%SZ')
        name = path.split('/')[-1]
        if path == root:
            pods = {'name': 'pods', 'singularName': '', 'namespaced': True, 'kind': 'PodMetrics', 'verbs': ['get', 'list']}
            return self.say(200, {'kind': 'APIResourceList', 'apiVersion': 'v1', 'groupVersion': 'metrics.k8s.io/v1beta1', 'resources': [pods]})
        if not path.startswith(root + '/namespaces/' + os.environ['OWN'] + '/') or 'unknown' in name:
            details = {'name': name, 'group': 'metrics.k8s.io', 'kind': 'pods'}
            return self.say(404, {'kind': 'Status', 'apiVersion': 'v1', 'status': 'Failure', 'reason': 'NotFound', 'code': 404, 'details': details})
        containers = [{'name': 'workspace', 'usage': {'cpu': '250000000n', 'memory': '1Mi'}}]
        self.say(200, {'kind': 'PodMetrics', 'apiVersion': 'metrics.k8s.io/v1beta1', 'timestamp': now, 'window': '15.02s', 'containers': containers})
    def say(self, code, body):
        text = json.dumps(body).encode()
        self.send_response(code)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(text)))
        self.end_headers()
        self.wfile.write(text)
server = http.server.ThreadingHTTPServer(('', 8443), Metrics)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain('/tls/tls.crt', '/tls/tls.key')
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
`

/** There is one in a cluster, which must have none of its own; while its pod is away no namespace of the cluster can be deleted. */
async function startMetrics(namespace: string) {
  await using started = new AsyncDisposableStack()
  started.defer(async () => void (await kubectl(['delete', 'apiservice', apiService, '--ignore-not-found'])))
  const folder = await mkdtemp(join(tmpdir(), 'gh-'))
  started.defer(() => rm(folder, { recursive: true }))
  const ca = createTestCa(folder)
  const metadata = { namespace, name: 'metrics' }
  await apply(
    await tlsSecret(namespace, 'metrics-tls', { ca, names: [`metrics.${namespace}.svc`] }),
    {
      ...{ apiVersion: 'v1', kind: 'Service', metadata },
      spec: { selector: { app: 'metrics' }, ports: [{ port: 443, targetPort: 8443 }] },
    },
    {
      ...{ apiVersion: 'v1', kind: 'Pod', metadata: { ...metadata, labels: { app: 'metrics' } } },
      spec: {
        terminationGracePeriodSeconds: 1,
        volumes: [{ name: 'tls', secret: { secretName: 'metrics-tls' } }],
        containers: [
          {
            ...{ name: 'metrics', image: testImage, command: ['python3', '-c', program] },
            env: [{ name: 'OWN', value: namespace }],
            readinessProbe: { tcpSocket: { port: 8443 }, periodSeconds: 1 },
            volumeMounts: [{ name: 'tls', mountPath: '/tls' }],
          },
        ],
      },
    },
  )
  await kubectl(['-n', namespace, 'wait', '--for=condition=Ready', '--timeout=60s', 'pod/metrics'])
  await apply({
    ...{ apiVersion: 'apiregistration.k8s.io/v1', kind: 'APIService', metadata: { name: apiService } },
    spec: {
      ...{ group: 'metrics.k8s.io', version: 'v1beta1', groupPriorityMinimum: 100, versionPriority: 100 },
      service: { namespace, name: 'metrics', port: 443 },
      caBundle: Buffer.from(await readFile(ca.caFile, 'utf8')).toString('base64'),
    },
  })
  const kept = started.move()
  return { [Symbol.asyncDispose]: () => kept.disposeAsync() }
}

describeWith('cluster', 'the load of a pod', () => {
  test('is what the metrics API says of it; without one, without the right to it, or while it is away, it is missing', {
    timeout: 3 * patience,
  }, async () => {
    await installCrds()
    // Nothing that is there already is replaced, and nothing is claimed without having been seen.
    expect((await tryKubectl(['get', 'apiservice', apiService])).code, 'a cluster without a metrics API').not.toBe(0)
    await using world = await openPodWorld()
    await world.put('nb', shellContainer('sleep 600'))
    await world.put('unknown', shellContainer('sleep 600'))
    await using account = await openGatewayAccount(world.namespace)
    await using narrow = await followPods({ kubeconfig: account.kubeconfig, namespaces: [world.namespace] })
    const running = (name: string) =>
      until(() => narrow.instances().find((one) => one.ref.name === name && isRunning(one)))
    const [known, unknown] = [await running('nb'), await running('unknown')]
    const load = () => narrow.runtime.load(known, never)
    const becomes = (reading: Partial<LoadReading>) =>
      expect.poll(load, { timeout: patience, interval: 500 }).toMatchObject(reading)
    expect(await load()).toEqual({ kind: 'missing', problem: 'the cluster has no metrics API', isEverywhere: true })
    await using _ = await startMetrics(world.namespace)
    await becomes({ kind: 'used', cores: 0.25, span: 15_020 })
    expect(await narrow.runtime.load(unknown, never)).toEqual({
      ...{ kind: 'missing', problem: 'there are no figures of its pod', isPassing: true },
    })
    const role = ['-n', world.namespace, 'role', 'gatehouse-gateway-workspaces']
    const { rules } = JSON.parse(await kubectl(['get', ...role, '-o', 'json']))
    const withRules = (some: object[]) =>
      kubectl(['patch', ...role, '--type=merge', '-p', JSON.stringify({ rules: some })])
    await withRules(rules.filter(({ apiGroups }: { apiGroups: string[] }) => !apiGroups.includes('metrics.k8s.io')))
    await becomes({ kind: 'missing', problem: expect.stringContaining('no right'), isEverywhere: true })
    await withRules(rules)
    await becomes({ kind: 'used' })
    await kubectl(['-n', world.namespace, 'delete', 'pod/metrics'])
    await becomes({
      kind: 'missing',
      problem: expect.stringContaining('does not answer'),
      isEverywhere: true,
      isPassing: true,
    })
  })
})
