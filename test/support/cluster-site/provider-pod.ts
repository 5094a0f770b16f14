/** A real OpenID provider in the cluster: the embedded one, as a pod of the gateway's image behind a Service with TLS. */
import { readFile } from 'node:fs/promises'
import { request } from 'node:http'
import { text } from 'node:stream/consumers'
import { apply, kubectl } from '../cluster.ts'
import { gatewayImage } from './gateway-image.ts'

export interface ProviderPodOptions {
  readonly namespace: string
  /** Of the Service. */
  readonly issuer: string
  /** `https://ws.example.test:8443` */
  readonly clientOrigin: string
  readonly clientSecret: string
  readonly password: string
  /** How many people there are beside those of the demonstration: `u0` and so on. */
  readonly people: number
  /** A Secret with `tls.crt`, `tls.key` and `ca.crt`. */
  readonly tlsSecret: string
}

export interface ProviderPod {
  /** Of its Service. */
  readonly address: string
  /** How often each path was asked, `/token`. */
  asked(): Promise<Readonly<Record<string, number>>>
  /** Seen from the next token on. */
  setGroups(username: string, groups: readonly string[]): Promise<void>
  /** Every token of that person is refused from now on. */
  revoke(username: string): Promise<void>
}

const program = new URL('provider-program.ts', import.meta.url)

export async function startProviderPod(options: ProviderPodOptions): Promise<ProviderPod> {
  const { namespace, tlsSecret } = options
  const labels = { app: 'idp' }
  const environment = {
    ISSUER: options.issuer,
    CLIENT_ORIGIN: options.clientOrigin,
    CLIENT_SECRET: options.clientSecret,
    PASSWORD: options.password,
    PEOPLE: String(options.people),
    TLS: '/tls',
  }
  const container = {
    name: 'idp',
    image: gatewayImage,
    imagePullPolicy: 'IfNotPresent',
    command: ['/usr/local/bin/node', '/app/provider-program.ts'],
    env: Object.entries(environment).map(([name, value]) => ({ name, value })),
    readinessProbe: { tcpSocket: { port: 8443 }, periodSeconds: 1 },
    volumeMounts: [
      { name: 'program', mountPath: '/app/provider-program.ts', subPath: 'provider-program.ts' },
      { name: 'tls', mountPath: '/tls' },
    ],
  }
  const volumes = [
    { name: 'program', configMap: { name: 'idp' } },
    { name: 'tls', secret: { secretName: tlsSecret } },
  ]
  await apply(
    object('v1', 'ConfigMap', { data: { 'provider-program.ts': await readFile(program, 'utf8') } }),
    object('v1', 'Service', { spec: { selector: labels, ports: [{ port: 443, targetPort: 8443 }] } }),
    object('v1', 'Pod', { spec: { containers: [container], volumes, terminationGracePeriodSeconds: 1 } }, labels),
  )
  await kubectl(['-n', namespace, 'wait', '--for=condition=Ready', '--timeout=60s', 'pod/idp'])
  const field = (what: string, path: string) => kubectl(['-n', namespace, 'get', what, '-o', `jsonpath={${path}}`])
  const pod = await field('pod/idp', '.status.podIP')
  const control = (path: string) => ask(pod, path)
  return {
    address: await field('service/idp', '.spec.clusterIP'),
    asked: async () => JSON.parse(await control('/')),
    async setGroups(username, groups) {
      const query = new URLSearchParams({ username })
      for (const group of groups) query.append('group', group)
      await control(`/groups?${query}`)
    },
    async revoke(username) {
      await control(`/revoke?${new URLSearchParams({ username })}`)
    },
  }

  function object(apiVersion: string, kind: string, rest: object, objectLabels = {}) {
    return { apiVersion, kind, metadata: { namespace, name: 'idp', labels: objectLabels }, ...rest }
  }
}

function ask(host: string, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = request({ host, port: 8080, path, agent: false }, (answer) => text(answer).then(resolve, reject))
    call.once('error', reject)
    call.end()
  })
}
