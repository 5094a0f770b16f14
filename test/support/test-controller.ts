/**
 * A controller for tests, and for nothing else: it makes of each Workspace what upstream's operator makes, as far as a gateway can tell the
 * difference, so that a gateway is tested beside an operator that is not ours. A Workspace that is wanted to run has the Deployment
 * `workspace-<name>` and the Service `workspace-<name>-service`, which it owns; a stopped one has neither. Of a template it takes the image and the
 * container, of an access strategy what it puts into pods; it knows no volumes of a Workspace's own, and writes no status.
 */
import { type Clock, systemClock } from '#lib/clock.ts'
import { follow } from '#resources/follow.ts'
import type { ApiClient } from '#resources/kubernetes/api-client.ts'
import { listWatch } from '#resources/kubernetes/list-watch.ts'
import { type ResourceType, resourcePath } from '#resources/kubernetes/resource-path.ts'
import type { WireObject } from '#resources/kubernetes/wire-object.ts'
import { unless } from './cluster-api.ts'
import { testImage } from './echo-container.ts'

export interface TestControllerOptions {
  readonly client: ApiClient
  /** Of a test's own. */
  readonly namespace: string
  readonly clock?: Clock
}

/** Works until it is disposed of; what it made goes with the namespace. */
export interface TestController extends AsyncDisposable {
  /** What went wrong, such as a Deployment that the API server refused. */
  readonly problems: readonly string[]
}

const workspaces: ResourceType = { group: 'workspace.jupyter.org', version: 'v1alpha1', plural: 'workspaces' }
const templates: ResourceType = { ...workspaces, plural: 'workspacetemplates' }
const strategies: ResourceType = { ...workspaces, plural: 'workspaceaccessstrategies' }
const deployments: ResourceType = { group: 'apps', version: 'v1', plural: 'deployments' }
const services: ResourceType = { group: '', version: 'v1', plural: 'services' }

export function startTestController(options: TestControllerOptions): TestController {
  const { client, namespace, clock = systemClock } = options
  const ending = new AbortController()
  const { signal } = ending
  const problems: string[] = []
  const parse = (object: WireObject) => object
  const source = listWatch({
    client,
    type: workspaces,
    namespace,
    parse,
    onUnreadable: ({ reason }) => void problems.push(reason),
  })
  const run = async () => {
    for await (const fact of follow(source, { clock, signal })) {
      const objects = fact.type === 'synced' ? fact.objects : fact.type === 'applied' ? [fact.object] : []
      for (const workspace of objects)
        await reconcile(client, workspace).catch((error: unknown) => problems.push(String(error)))
    }
  }
  const running = run()
  return {
    problems,
    async [Symbol.asyncDispose]() {
      ending.abort()
      await running
    },
  }
}

async function reconcile(client: ApiClient, workspace: WireObject): Promise<void> {
  const { namespace } = workspace.metadata
  const own = fields(workspace.body.spec)
  const spec = { ...(await defaultsOf(client, namespace, own.templateRef)), ...own }
  const additions = await additionsOf(client, namespace, own.accessStrategy)
  const wanted = [
    { type: deployments, object: deploymentOf(workspace, spec, additions) },
    { type: services, object: serviceOf(workspace) },
  ]
  for (const { type, object } of wanted) {
    const path = resourcePath(type, { namespace, name: object.metadata.name })
    if (spec.desiredStatus === 'Stopped')
      await unless('not_found', client.delete(path, { propagationPolicy: 'Background' }))
    else if (!(await unless('already_exists', client.post(resourcePath(type, { namespace }), object)))) {
      await client.patch(path, 'application/merge-patch+json', { spec: object.spec })
    }
  }
}

/** What a template of that name says, in words of a Workspace. */
async function defaultsOf(client: ApiClient, namespace: string, reference: unknown): Promise<Fields> {
  const name = typeof reference === 'string' ? reference : fields(reference).name
  if (typeof name !== 'string') return {}
  const template = fields(await client.get(resourcePath(templates, { namespace, name })))
  const { defaultImage: image, defaultContainerConfig: containerConfig } = fields(template.spec)
  return { image, containerConfig }
}

/** `podModifications` of the strategy. */
async function additionsOf(client: ApiClient, of: string | undefined, reference: unknown): Promise<Fields> {
  const { name, namespace = of } = fields(reference)
  if (typeof name !== 'string' || typeof namespace !== 'string') return {}
  const strategy = fields(await client.get(resourcePath(strategies, { namespace, name })))
  return fields(fields(fields(strategy.spec).deploymentModifications).podModifications)
}

/** Upstream's labels, by which its Service finds the pod. */
function labelsOf({ metadata }: WireObject) {
  return {
    app: 'jupyter',
    'workspace.jupyter.org/workspace-name': metadata.name,
    'workspace.jupyter.org/component': 'workspace',
  }
}

function metadataOf(workspace: WireObject, name: string) {
  const { metadata } = workspace
  const owner = {
    apiVersion: 'workspace.jupyter.org/v1alpha1',
    kind: 'Workspace',
    name: metadata.name,
    uid: metadata.uid,
  }
  return {
    name,
    labels: labelsOf(workspace),
    ownerReferences: [{ ...owner, controller: true, blockOwnerDeletion: true }],
  }
}

function deploymentOf(workspace: WireObject, spec: Fields, additions: Fields) {
  const { metadata } = workspace
  const { volumes, additionalContainers, primaryContainerModifications } = additions
  const { command, args } = fields(spec.containerConfig)
  // Said even where there is none, for a patch would leave the one before.
  const { image = testImage, resources, readinessProbe, initContainers, nodeSelector = null } = spec
  const podUid = { name: 'POD_UID', valueFrom: { fieldRef: { fieldPath: 'metadata.uid' } } }
  const container = {
    name: 'workspace',
    ...{ image, command, args, resources, readinessProbe },
    imagePullPolicy: 'IfNotPresent',
    env: [podUid, ...(Array.isArray(spec.env) ? spec.env : [])],
    ports: [{ name: 'http', containerPort: 8888 }],
    volumeMounts: fields(primaryContainerModifications).volumeMounts,
  }
  const containers = [container, ...(Array.isArray(additionalContainers) ? additionalContainers : [])]
  const template = {
    // Labels and annotations of a Workspace go on to its pod, which is why nobody writes any there.
    metadata: { labels: { ...metadata.labels, ...labelsOf(workspace) }, annotations: metadata.annotations },
    spec: { containers, volumes, initContainers, nodeSelector, terminationGracePeriodSeconds: 5 },
  }
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: metadataOf(workspace, `workspace-${metadata.name}`),
    spec: { replicas: 1, strategy: { type: 'Recreate' }, selector: { matchLabels: labelsOf(workspace) }, template },
  }
}

function serviceOf(workspace: WireObject) {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: metadataOf(workspace, `workspace-${workspace.metadata.name}-service`),
    spec: { selector: labelsOf(workspace), ports: [{ name: 'http', port: 8888, targetPort: 8888, protocol: 'TCP' }] },
  }
}

type Fields = Readonly<Record<string, unknown>>

function fields(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}
