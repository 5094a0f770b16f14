/** A program of the tests as a pod of the gateway's image, beside `src`: HTTPS for everybody behind a Service, and a port of its own that none has. */
import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { text } from 'node:stream/consumers'
import { apply, readObject } from '../cluster-api.ts'
import { openRequest, type PlainRequest } from '../plain-request.ts'
import { until, untilReachable } from '../until.ts'
import { gatewayImage } from './gateway-image.ts'

export interface ProgramPodOptions {
  readonly namespace: string
  /** Of all its objects. */
  readonly name: string
  /** The program, which listens on 8443 and 8080, and what it imports from its own folder. */
  readonly files: readonly [URL, ...URL[]]
  readonly environment: Readonly<Record<string, string>>
  /** A Secret with `tls.crt`, `tls.key` and `ca.crt`; `TLS` is the folder that it is in. */
  readonly tlsSecret: string
}

export interface ProgramPod {
  /** Of its Service. */
  readonly address: string
  /** Asks at the port that no Service has, and answers with the body. */
  control(path: string, init?: Pick<PlainRequest, 'method' | 'body'>): Promise<string>
}

export async function startProgramPod(options: ProgramPodOptions): Promise<ProgramPod> {
  const { namespace, name, files } = options
  const labels = { app: name }
  const mounts = files.map((file) => basename(file.pathname))
  const [main] = mounts
  const container = {
    name,
    image: gatewayImage,
    imagePullPolicy: 'IfNotPresent',
    command: ['/usr/local/bin/node', `/app/${main}`],
    env: Object.entries({ ...options.environment, TLS: '/tls' }).map(([key, value]) => ({ name: key, value })),
    readinessProbe: { tcpSocket: { port: 8443 }, periodSeconds: 1 },
    volumeMounts: [
      ...mounts.map((file) => ({ name: 'program', mountPath: `/app/${file}`, subPath: file })),
      { name: 'tls', mountPath: '/tls' },
    ],
  }
  const volumes = [
    { name: 'program', configMap: { name } },
    { name: 'tls', secret: { secretName: options.tlsSecret } },
  ]
  const texts = await Promise.all(files.map((file) => readFile(file, 'utf8')))
  const data = Object.fromEntries(mounts.map((file, index) => [file, texts[index]]))
  await apply(
    object('v1', 'ConfigMap', { data }),
    object('v1', 'Service', { spec: { selector: labels, ports: [{ port: 443, targetPort: 8443 }] } }),
    object('v1', 'Pod', { spec: { containers: [container], volumes, terminationGracePeriodSeconds: 1 } }, labels),
  )
  const pod = await until(() => readyAddress({ namespace, name }))
  const service = await readObject<{ readonly spec: { readonly clusterIP: string } }>({
    ...{ apiVersion: 'v1', kind: 'Service', metadata: { namespace, name } },
  })
  const address = service.spec.clusterIP
  await untilReachable(address, 443)
  return {
    address,
    async control(path, init = {}) {
      const { message } = await openRequest(`http://control:8080${path}`, { ...init, address: pod })
      return text(message)
    },
  }

  function object(apiVersion: string, kind: string, rest: object, objectLabels = {}) {
    return { apiVersion, kind, metadata: { namespace, name, labels: objectLabels }, ...rest }
  }
}

interface Pod {
  readonly status: {
    readonly podIP?: string
    readonly conditions?: readonly { readonly type: string; readonly status: string }[]
  }
}

/** Of a pod, once it is ready. */
async function readyAddress(metadata: { readonly namespace: string; readonly name: string }) {
  const { status } = await readObject<Pod>({ apiVersion: 'v1', kind: 'Pod', metadata })
  const isReady = status.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True')
  return isReady ? status.podIP : undefined
}
