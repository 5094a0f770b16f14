/** A runtime that follows the pods of a real cluster, in namespaces of a test's own, beside an operator that is not ours. */
import { text } from 'node:stream/consumers'
import { systemClock } from '#lib/clock.ts'
import { createLog } from '#observe/log.ts'
import type { Uid } from '#resources/contract.ts'
import { kubeconfigAccess } from '#resources/kubernetes/api-access.ts'
import { openApiClient } from '#resources/kubernetes/api-client.ts'
import type { Endpoint, Instance, InstanceEvent } from '#runtime/contract.ts'
import { openPodRuntime, type PodRuntime } from '#runtime/pods/pod-runtime.ts'
import { kubectl, openNamespace } from './cluster.ts'
import { apply, kubeconfigPath, readObject } from './cluster-api.ts'
import { type ContainerConfig, type EchoAnswer, testImage } from './echo-container.ts'
import { memoryLines } from './memory-lines.ts'
import { startTestController } from './test-controller.ts'
import { until } from './until.ts'

export interface FollowedPods extends AsyncDisposable {
  readonly runtime: PodRuntime
  readonly events: readonly InstanceEvent[]
  /** As the events tell. */
  instances(): readonly Instance[]
}

export interface FollowOptions {
  /** The administrator's if absent. */
  readonly kubeconfig?: string
  readonly namespaces: readonly string[]
  readonly routeAgeLimit?: number
}

export async function followPods({ kubeconfig = kubeconfigPath(), ...options }: FollowOptions): Promise<FollowedPods> {
  const ending = new AbortController()
  const { signal } = ending
  const access = kubeconfigAccess({ file: kubeconfig, clock: systemClock })
  const client = openApiClient({ access, clock: systemClock, signal })
  const log = createLog({ level: 'debug', clock: systemClock, sink: memoryLines() })
  const { origin } = await access.current()
  const runtime = openPodRuntime({ ...options, client, origin, clock: systemClock, log, signal })
  const events: InstanceEvent[] = []
  const following = (async () => {
    for await (const event of runtime.instances(signal)) events.push(event)
  })()
  return {
    ...{ runtime, events },
    instances: () => foldInstances(events),
    async [Symbol.asyncDispose]() {
      ending.abort()
      await Promise.all([following, runtime.ended])
    },
  }
}

export interface PodWorld extends FollowedPods {
  readonly namespace: string
  /** Another one, which is followed as well, and where nobody starts anything. */
  readonly elsewhere: string
  /** What the operator could not do. */
  readonly problems: readonly string[]
  /** Makes a workspace, and says its UID. */
  put(name: string, config: ContainerConfig, spec?: object): Promise<Uid>
  /** The instance of a workspace as soon as it is as asked for. */
  instance(name: string, is: (instance: Instance) => boolean): Promise<Instance>
}

export async function openPodWorld(options: { routeAgeLimit?: number } = {}): Promise<PodWorld> {
  const stack = new AsyncDisposableStack()
  const { name: namespace } = stack.use(await openNamespace())
  const { name: elsewhere } = stack.use(await openNamespace())
  const ending = new AbortController()
  stack.defer(() => ending.abort())
  const access = kubeconfigAccess({ file: kubeconfigPath(), clock: systemClock })
  const client = openApiClient({ access, clock: systemClock, signal: ending.signal })
  const { problems } = stack.use(startTestController({ client, namespace }))
  const pods = stack.use(await followPods({ ...options, namespaces: [namespace, elsewhere] }))
  return {
    ...{ ...pods, namespace, elsewhere, problems },
    async put(name, config, spec = {}) {
      const workspace = workspaceManifest(namespace, name, { containerConfig: config, ...spec })
      await apply(workspace)
      const { metadata } = await readObject<{ readonly metadata: { readonly uid: Uid } }>(workspace)
      return metadata.uid
    },
    async instance(name, is) {
      const find = () => pods.instances().find(({ ref }) => ref.name === name && ref.namespace === namespace)
      const look = () => [find()].find((found) => found && is(found))
      return until(look, () => `${JSON.stringify(find())} ${problems.join(' ')}`)
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

function foldInstances(events: readonly InstanceEvent[]): readonly Instance[] {
  const known = new Map<string, Instance>()
  for (const event of events) {
    if (event.type === 'gone') known.delete(event.instanceUid)
    if (event.type === 'applied') known.set(event.instance.instanceUid, event.instance)
    if (event.type === 'synced') for (const instance of event.instances) known.set(instance.instanceUid, instance)
  }
  return [...known.values()]
}

export function workspaceManifest(namespace: string, name: string, spec: object = {}) {
  return {
    apiVersion: 'workspace.jupyter.org/v1alpha1',
    kind: 'Workspace',
    metadata: { namespace, name },
    spec: { displayName: name, image: testImage, ...spec },
  }
}

export function uidOf(namespace: string, kind: string, name: string): Promise<string> {
  return kubectl(['-n', namespace, 'get', kind, name, '-o', 'jsonpath={.metadata.uid}'])
}

export function isRunning({ phase }: Instance): boolean {
  return phase === 'running'
}

export function endpointOf(instance: Instance, port = 8888): Endpoint {
  const endpoint = instance.endpoints.get(port)
  if (!endpoint) throw new Error('it can not be reached')
  return endpoint
}

/** What a port of the echo app answers, as soon as it does. */
export async function ask(runtime: PodRuntime, instance: Instance, port = 8888): Promise<EchoAnswer> {
  return JSON.parse(await until(() => get(runtime, instance, '/x', port)))
}

/** The body of an answer; `undefined` where there is none. */
export async function get(
  runtime: PodRuntime,
  instance: Instance,
  path: string,
  port = 8888,
): Promise<string | undefined> {
  try {
    const socket = await runtime.dial(endpointOf(instance, port), AbortSignal.timeout(5_000))
    socket.end(`GET ${path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`)
    return (await text(socket)).split('\r\n\r\n')[1] || undefined
  } catch {
    return undefined
  }
}
