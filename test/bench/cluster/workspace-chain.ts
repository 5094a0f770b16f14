/**
 * A workspace that runs, as the API server has it beside upstream's operator: Workspace, Deployment, ReplicaSet and Pod, each controlled by the one
 * before, of the size that real ones have. No kubelet is asked to run the pod: nobody schedules it, and its status is written here. What the
 * cluster's own controllers would write into the others is written here as well, so that they find nothing to do.
 */
import type { ApiClient } from '#resources/kubernetes/api-client.ts'
import { type ResourceType, resourcePath } from '#resources/kubernetes/resource-path.ts'
import { parseWireObject } from '#resources/kubernetes/wire-object.ts'

export interface ChainWish {
  readonly namespace: string
  readonly name: string
  /** Of the pod. */
  readonly address: string
  /** Username. */
  readonly owner: string
  /** Name of the WorkspaceManager that serves it. */
  readonly manager: string
  readonly port: number
}

export interface Chain {
  readonly namespace: string
  readonly name: string
  readonly address: string
  readonly podUid: string
}

export const kinds = {
  Workspace: { group: 'workspace.jupyter.org', version: 'v1alpha1', plural: 'workspaces' },
  Deployment: { group: 'apps', version: 'v1', plural: 'deployments' },
  ReplicaSet: { group: 'apps', version: 'v1', plural: 'replicasets' },
  Pod: { group: '', version: 'v1', plural: 'pods' },
} as const satisfies Readonly<Record<string, ResourceType>>

/** What it owned goes as well, and is not waited for. */
export const deletion = { apiVersion: 'v1', kind: 'DeleteOptions', propagationPolicy: 'Background' } as const

export async function createChain(client: ApiClient, wish: ChainWish): Promise<Chain> {
  const { namespace, name, address } = wish
  const write = writer(client, namespace)
  const workspace = await write.create('Workspace', name, workspaceOf(wish))
  const deployment = await write.create('Deployment', `workspace-${name}`, deploymentOf(wish), workspace)
  const replicaSet = await write.create('ReplicaSet', `workspace-${name}-${hash}`, replicaSetOf(wish), deployment)
  const pod = await write.create('Pod', `workspace-${name}-${hash}-x7k2p`, podOf(wish), replicaSet)
  await write.status(pod, podStatus(address))
  await write.status(replicaSet, replicaSetStatus)
  await write.status(deployment, deploymentStatus())
  return { namespace, name, address, podUid: pod.uid }
}

type Kind = keyof typeof kinds

interface Written {
  readonly kind: Kind
  readonly name: string
  readonly uid: string
}

function writer(client: ApiClient, namespace: string) {
  return {
    async create(kind: Kind, name: string, object: Parts, owner?: Written): Promise<Written> {
      const type = kinds[kind]
      const ownerReferences = owner === undefined ? [] : [referenceTo(owner)]
      const metadata = { ...object.metadata, namespace, name, ownerReferences }
      const body = { apiVersion: apiVersions[kind], kind, metadata, spec: object.spec }
      const answer = await client.post(resourcePath(type, { namespace }), body)
      return { kind, name, uid: parseWireObject(answer).metadata.uid }
    },
    async status({ kind, name }: Written, status: object): Promise<void> {
      const path = resourcePath(kinds[kind], { namespace, name, subresource: 'status' })
      await client.patch(path, 'application/merge-patch+json', { status })
    },
  }
}

interface Parts {
  readonly metadata?: object
  readonly spec: object
}

const apiVersions: Readonly<Record<Kind, string>> = {
  Workspace: 'workspace.jupyter.org/v1alpha1',
  Deployment: 'apps/v1',
  ReplicaSet: 'apps/v1',
  Pod: 'v1',
}

function referenceTo({ kind, name, uid }: Written) {
  return { apiVersion: apiVersions[kind], kind, name, uid, controller: true, blockOwnerDeletion: true }
}

const hash = '7d9c5b8f64'
const image = 'registry.example.com/teams/data-science/jupyterlab:4.6.1-2026-11'
const digest = '4bcb2bf1ad7bd1f2bb6c3c5a1e0b0e93bd6d5a1c79a2e3f4a5b6c7d8e9f0a1b2'

function labelsOf(name: string) {
  return {
    app: 'jupyter',
    'workspace.jupyter.org/workspace-name': name,
    'workspace.jupyter.org/component': 'workspace',
  }
}

const resources = { requests: { cpu: '1', memory: '4Gi' }, limits: { cpu: '4', memory: '8Gi' } }

function workspaceOf({ namespace, name, owner, manager, port }: ChainWish): Parts {
  return {
    metadata: { annotations: { 'workspace.jupyter.org/created-by': owner }, labels: { team: namespace } },
    spec: {
      ...{ displayName: `Notebook ${name}`, image, desiredStatus: 'Running', ownershipType: 'OwnerOnly', resources },
      storage: { size: '20Gi', mountPath: '/home/jovyan' },
      env: [{ name: 'TEAM', value: namespace }],
      ports: [{ name: 'http', port, label: 'JupyterLab' }],
      managerRef: { name: manager },
    },
  }
}

/**
 * Paused, and its template another one than its ReplicaSet's, so that its controller neither replaces nor numbers it. No controller can make a
 * pod by this template before ours is there, since its account does not exist.
 */
function templateOf(name: string, revision: string) {
  const container = { name: 'workspace', image, resources, env: [{ name: 'REVISION', value: revision }] }
  return {
    metadata: { labels: { ...labelsOf(name), 'pod-template-hash': hash } },
    spec: { serviceAccountName: 'made-by-nobody', containers: [container] },
  }
}

function deploymentOf({ name }: ChainWish): Parts {
  return {
    metadata: { labels: labelsOf(name) },
    spec: {
      ...{ replicas: 1, paused: true, progressDeadlineSeconds: 2_147_483_647, strategy: { type: 'Recreate' } },
      selector: { matchLabels: labelsOf(name) },
      template: templateOf(name, 'next'),
    },
  }
}

function replicaSetOf({ name }: ChainWish): Parts {
  const labels = { ...labelsOf(name), 'pod-template-hash': hash }
  return {
    metadata: { labels },
    spec: { replicas: 1, selector: { matchLabels: labels }, template: templateOf(name, 'this') },
  }
}

function podOf({ name, namespace, port }: ChainWish): Parts {
  const container = {
    ...{ name: 'workspace', image, imagePullPolicy: 'IfNotPresent', resources },
    args: ['--ServerApp.ip=0.0.0.0', `--ServerApp.port=${port}`, '--ServerApp.root_dir=/home/jovyan'],
    env: [
      { name: 'JUPYTER_RUNTIME_DIR', value: '/tmp/jupyter' },
      { name: 'WORKSPACE_NAME', value: name },
      { name: 'WORKSPACE_NAMESPACE', value: namespace },
      { name: 'POD_UID', valueFrom: { fieldRef: { fieldPath: 'metadata.uid' } } },
    ],
    ports: [{ name: 'http', containerPort: port }],
    readinessProbe: { httpGet: { path: '/api', port }, periodSeconds: 5 },
    volumeMounts: [{ name: 'home', mountPath: '/home/jovyan' }],
  }
  return {
    metadata: { labels: { ...labelsOf(name), 'pod-template-hash': hash } },
    spec: {
      // Nobody's: it stays where it is.
      schedulerName: 'nobody',
      ...{ containers: [container], automountServiceAccountToken: false },
      volumes: [{ name: 'home', emptyDir: {} }],
    },
  }
}

function podStatus(address: string) {
  const now = new Date().toISOString()
  const condition = (type: string) => ({ type, status: 'True', lastTransitionTime: now })
  return {
    ...{ phase: 'Running', podIP: address, podIPs: [{ ip: address }], startTime: now },
    conditions: ['PodReadyToStartContainers', 'Initialized', 'Ready', 'ContainersReady', 'PodScheduled'].map(condition),
    containerStatuses: [
      {
        ...{ name: 'workspace', ready: true, started: true, restartCount: 0, image },
        imageID: `registry.example.com/teams/data-science/jupyterlab@sha256:${digest}`,
        containerID: `containerd://${digest}`,
        state: { running: { startedAt: now } },
      },
    ],
  }
}

const replicaSetStatus = {
  ...{ replicas: 1, fullyLabeledReplicas: 1, readyReplicas: 1, availableReplicas: 1, observedGeneration: 1 },
}

function deploymentStatus() {
  const now = new Date().toISOString()
  const available = {
    ...{ type: 'Available', status: 'True', reason: 'MinimumReplicasAvailable', lastUpdateTime: now },
    ...{ lastTransitionTime: now, message: 'Deployment has minimum availability.' },
  }
  return { replicas: 1, readyReplicas: 1, availableReplicas: 1, observedGeneration: 1, conditions: [available] }
}
