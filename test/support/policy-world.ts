/** A namespace with the admission policies in force, the gateway's account, and people who hold roles in it. */
import { fileURLToPath } from 'node:url'
import { type KubectlResult, kubectl, openNamespace, tryKubectl } from './cluster.ts'
import { installCrds, installPolicies } from './cluster-install.ts'
import { type GatewayAccount, openGatewayAccount } from './gateway-account.ts'

const rightsFolder = fileURLToPath(new URL('../../config/rbac', import.meta.url))
const group = 'workspace.jupyter.org'
export const createdBy = `${group}/created-by`

export interface PolicyWorld extends AsyncDisposable {
  readonly namespace: string
  readonly gateway: GatewayAccount
  /** Somebody who may write every Workspace and every share of the namespace, and has no other right. */
  readonly writer: string
  /** Bound to `gatehouse-sharer` in the namespace. */
  readonly sharer: string
  /** Bound to `gatehouse-administrator` in the whole cluster, and a writer. */
  readonly administrator: string
  as(user: string, args: readonly string[], ...input: readonly object[]): Promise<KubectlResult>
  asGateway(args: readonly string[], ...input: readonly object[]): Promise<KubectlResult>
  /** By the administrator of the cluster. */
  do(args: readonly string[], ...input: readonly object[]): Promise<string>
  /** Which policy refused it, as `config/policies` calls it; `undefined` when something else did, or nothing. */
  refusedBy(result: KubectlResult): string | undefined
  workspace(name: string, fields?: { owner?: string; spec?: object }): object
  share(name: string, workspaces: readonly string[], fields?: object): object
}

export async function openPolicyWorld(): Promise<PolicyWorld> {
  await installCrds()
  await using opened = new AsyncDisposableStack()
  const { name: namespace } = opened.use(await openNamespace('gh-policy'))
  const gateway = opened.use(await openGatewayAccount(namespace))
  const policies = opened.use(await installPolicies({ account: gateway.username, namespaces: [namespace] }))
  const people = { writer: `mallory-${namespace}`, sharer: `lead-${namespace}`, administrator: `root-${namespace}` }
  opened.use(await bindPeople(namespace, people))
  const kept = opened.move()
  const inNamespace = (args: readonly string[]) => [...args, '--namespace', namespace]
  const withInput = (input: readonly object[]) => (input.length > 0 ? { input } : {})
  return {
    namespace,
    gateway,
    ...people,
    as: (user, args, ...input) => tryKubectl(inNamespace(args), { as: user, ...withInput(input) }),
    asGateway: (args, ...input) =>
      tryKubectl(inNamespace(args), { kubeconfig: gateway.kubeconfig, ...withInput(input) }),
    do: (args, ...input) => kubectl(inNamespace(args), withInput(input)),
    refusedBy: ({ code, stderr }) =>
      [...policies.names].find(([, installed]) => code !== 0 && stderr.includes(`'${installed}'`))?.[0],
    workspace: (name, { owner, spec } = {}) => ({
      ...objectOf('Workspace', namespace, name, { displayName: name, desiredStatus: 'Stopped', ...spec }, owner),
    }),
    share: (name, workspaces, fields) =>
      objectOf('WorkspaceShare', namespace, name, {
        workspaces: workspaces.map((workspace) => ({ name: workspace })),
        grantees: [{ kind: 'User', name: people.writer }],
        ...fields,
      }),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
}

function objectOf(kind: string, namespace: string, name: string, spec: object, owner?: string): object {
  const annotations = owner === undefined ? {} : { [createdBy]: owner }
  return { apiVersion: `${group}/v1alpha1`, kind, metadata: { namespace, name, annotations }, spec }
}

interface People {
  readonly writer: string
  readonly sharer: string
  readonly administrator: string
}

/** The roles are those of `config/rbac`, under names of this world alone. */
async function bindPeople(namespace: string, people: People): Promise<AsyncDisposable> {
  for (const role of ['administrator', 'sharer']) {
    const text = await kubectl([
      'create',
      '--dry-run=client',
      '-o',
      'yaml',
      '-f',
      `${rightsFolder}/people/${role}_role.yaml`,
    ])
    await kubectl(['create', '-f', '-'], { input: text.replace(`gatehouse-${role}`, `${namespace}-${role}`) })
  }
  const verbs = 'get,list,watch,create,update,patch,delete,deletecollection'
  const resources = ['workspaces', 'workspaces/status', 'workspaceshares', 'workspaceshares/status']
  const named = resources.map(
    (resource) => `--resource=${resource.replace('/', `.${group}/`)}${resource.includes('/') ? '' : `.${group}`}`,
  )
  const { writer, sharer, administrator } = people
  await kubectl(['create', 'role', 'writer', `--verb=${verbs}`, ...named, '-n', namespace])
  const bind = (args: readonly string[]) => kubectl(['create', ...args])
  await bind(['rolebinding', 'writer', '--role=writer', `--user=${writer}`, `--user=${administrator}`, '-n', namespace])
  await bind(['rolebinding', 'sharer', `--clusterrole=${namespace}-sharer`, `--user=${sharer}`, '-n', namespace])
  const clusterRole = `--clusterrole=${namespace}-administrator`
  await bind(['clusterrolebinding', namespace, clusterRole, `--user=${administrator}`])
  const roles = ['administrator', 'sharer'].map((role) => `clusterrole/${namespace}-${role}`)
  return {
    async [Symbol.asyncDispose]() {
      await kubectl(['delete', '--ignore-not-found', `clusterrolebinding/${namespace}`, ...roles])
    },
  }
}
