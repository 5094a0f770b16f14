/** Manifests as people of jupyter-k8s and of the SageMaker Spaces add-on have them: facts of their field names and values, in the spellings of both. */

const apiVersion = 'workspace.jupyter.org/v1alpha1'
const distribution = 'public.ecr.aws/sagemaker/sagemaker-distribution'
const idleProbe = { httpGet: { path: '/api/idle', port: 8888, scheme: 'HTTP' } }

const resource = (kind: string, name: string, spec: object, metadata: object = {}) => ({
  ...{ apiVersion, kind },
  metadata: { name, ...metadata },
  spec,
})

/** The two templates of the add-on differ in what they run. */
function systemTemplate(name: string, appType: string, entry: string): object {
  return {
    ...{ displayName: name, description: 'Custom', appType, defaultImage: `${distribution}:latest-cpu` },
    allowedImages: [`${distribution}:latest-cpu`, `${distribution}:latest-gpu`],
    defaultResources: { requests: { cpu: '1', memory: '4Gi' }, limits: { cpu: '4', memory: '16Gi' } },
    primaryStorage: {
      ...{ defaultSize: '10Gi', minSize: '5Gi', maxSize: '50Gi', defaultMountPath: '/home/sagemaker-user' },
      defaultStorageClassName: 'sagemaker-spaces-default-storage-class',
    },
    defaultContainerConfig: { command: [`/opt/amazon/sagemaker/workspace/bin/entrypoint-workspace-${entry}`] },
    ...{ defaultPodSecurityContext: { fsGroup: 1000 }, defaultOwnershipType: 'Public', allowSecondaryStorages: true },
    defaultAccessStrategy: { name: 'hyperpod-access-strategy' },
  }
}

const idle = { enabled: true, idleShutdownTimeoutMinutes: 30, detection: idleProbe }
const template = { displayName: 'Jupyter Template', defaultImage: 'jupyter/scipy-notebook:latest' }
const templateRef = { name: 'jupyter-template' }

const accessStrategy = {
  displayName: 'OAuth',
  accessResourceTemplates: [
    { kind: 'IngressRoute', apiVersion: 'traefik.io/v1alpha1', namePrefix: 'authorized-route', template: 'spec: {}' },
  ],
  accessURLTemplate: 'https://example.com/workspaces/{{ .Workspace.Namespace }}/{{ .Workspace.Name }}/auth',
  bearerAuthURLTemplate: 'https://example.com/bearer-auth',
  applicationBasePathTemplate: '/workspaces/{{ .Workspace.Namespace }}/{{ .Workspace.Name }}',
  ...{ createConnectionHandler: 'aws', createConnectionHandlerMap: { 'vscode-remote': 'aws:createSession' } },
  createConnectionContext: { podUid: 'extensionapi::PodUid()' },
  ...{ podEventsHandler: 'aws:ssm-remote-access', podEventsContext: { podUid: 'controller::PodUid()' } },
  deploymentModifications: {
    podModifications: {
      additionalContainers: [{ name: 'sidecar', image: 'sidecar', ports: [{ containerPort: 8080 }] }],
      volumes: [{ name: 'shared', emptyDir: {} }],
      initContainers: [{ name: 'copy', image: 'sidecar' }],
      primaryContainerModifications: {
        volumeMounts: [{ name: 'shared', mountPath: '/shared' }],
        mergeEnv: [{ name: 'JUPYTER_BASE_URL', valueTemplate: '/workspaces/{{ .Workspace.Name }}/' }],
      },
    },
  },
  accessStartupProbe: {
    httpGet: { urlTemplate: 'https://example.com/', additionalSuccessStatusCodes: [302, 400] },
    ...{ initialDelaySeconds: 0, periodSeconds: 2, timeoutSeconds: 5, failureThreshold: 20 },
  },
}

const everyField = {
  ...{ displayName: 'All', image: 'x', desiredStatus: 'Running', ownershipType: 'OwnerOnly', accessType: 'OwnerOnly' },
  resources: {
    requests: { cpu: 1, memory: '1Gi', 'nvidia.com/mig-1g.5gb': 1 },
    limits: { 'nvidia.com/mig-1g.5gb': 1 },
  },
  storage: { storageClassName: 'gp3', size: '10Gi', mountPath: '/home/jovyan' },
  volumes: [{ name: 'data', persistentVolumeClaimName: 'data', mountPath: '/data' }],
  containerConfig: { command: ['start.sh'], args: ['--flag'] },
  env: [
    { name: 'A.B-C', value: '1' },
    { name: 'S', valueFrom: { secretKeyRef: { name: 's', key: 'k' } } },
  ],
  ...{ nodeSelector: { zone: 'a' }, affinity: { nodeAffinity: {} }, tolerations: [{ key: 'gpu', operator: 'Exists' }] },
  lifecycle: { postStart: { exec: { command: ['sh', '-c', 'true'] } } },
  readinessProbe: { httpGet: { path: '/', port: 'http' } },
  ...{
    accessStrategy: { name: 's', namespace: 'jupyter-k8s-shared' },
    templateRef: { name: 't', namespace: 'shared' },
  },
  idleShutdown: {
    ...{ enabled: true, idleTimeoutInMinutes: 30 },
    detection: {
      httpGet: {
        ...{ path: 'api/status', port: 'http', scheme: 'HTTPS', host: 'x', httpHeaders: [{ name: 'A', value: 'b' }] },
        ...{ transport: 'network', lastActivityTimestamp: { responseBodyPath: 'a.b', format: 'unix' } },
      },
    },
  },
  ...{ appType: 'jupyterlab', serviceAccountName: 'default' },
  ...{ podSecurityContext: { fsGroup: 100 }, containerSecurityContext: { runAsUser: 1000 } },
  initContainers: [{ name: 'init', image: 'x' }],
}

export const upstreamManifests: readonly object[] = [
  resource('WorkspaceTemplate', 'my-jupyter-template', systemTemplate('Lab', 'jupyterlab', 'jupyterlab'), {
    labels: { 'kueue.x-k8s.io/priority-class': 'high-priority' },
  }),
  resource('WorkspaceTemplate', 'my-code-editor-template', systemTemplate('Editor', 'code-editor', 'code-editor')),
  resource('Workspace', 'idle', {
    displayName: 'Development',
    image: 'jupyter/scipy-notebook:latest',
    idleShutdown: idle,
  }),
  resource('WorkspaceTemplate', 'jupyter-template', {
    ...{ ...template, defaultIdleShutdown: idle },
    idleShutdownOverrides: { allow: true, minTimeoutMinutes: 60, maxTimeoutMinutes: 240 },
  }),
  resource('WorkspaceTemplate', 'locked-template', {
    ...{ ...template, defaultIdleShutdown: idle, idleShutdownOverrides: { allow: false } },
  }),
  resource('Workspace', 'inherits', { displayName: 'My Workspace', templateRef }),
  resource('Workspace', 'overrides', {
    ...{ displayName: 'My Workspace', templateRef },
    idleShutdown: { ...idle, idleShutdownTimeoutMinutes: 60 },
  }),
  // As the first releases had it: the template by its name alone, and no name for people.
  resource('Workspace', 'by-name', {
    ...{ templateRef: 'production-notebook-template', storage: { size: '5Gi' } },
    resources: { requests: { cpu: '200m', memory: '384Mi' } },
  }),
  resource('Workspace', 'every-field', everyField),
  resource('WorkspaceAccessStrategy', 'oauth-access-strategy', accessStrategy),
  resource('WorkspaceAccessStrategy', 'hyperpod-access-strategy', { displayName: 'None', accessResourceTemplates: [] }),
]

/** What jupyter-k8s refuses in its schema is refused here too. */
export const upstreamRefusals: readonly (readonly [string, object])[] = [
  [
    'a volume of the reserved name',
    { volumes: [{ name: 'workspace-storage', persistentVolumeClaimName: 'a', mountPath: '/a' }] },
  ],
  ['an access type that there is not', { accessType: 'Private' }],
  ['a wish that there is not', { desiredStatus: 'Paused' }],
  ['an idle timeout of nothing', { idleShutdown: { ...idle, idleShutdownTimeoutMinutes: 0 } }],
  ['no idle timeout at all', { idleShutdown: { enabled: true, detection: idleProbe } }],
  ['two idle timeouts', { idleShutdown: { ...idle, idleTimeoutInMinutes: 31 } }],
  ['eleven init containers', { initContainers: Array.from({ length: 11 }, () => ({ name: 'x' })) }],
  ['a template of no name', { templateRef: { namespace: 'shared' } }],
  ['a template in a number', { templateRef: 7 }],
]
