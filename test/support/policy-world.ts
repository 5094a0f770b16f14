/** A namespace with the admission policies in force, the gateway's account, and people who hold roles in it. */
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { messageOf } from '#errors.ts'
import type { PatchForm } from '#resources/kubernetes/api-client.ts'
import { type KubectlResult, kubectl, openNamespace, tryKubectl } from './cluster.ts'
import { apiCalls, apply, deleteObject, pathOf } from './cluster-api.ts'
import { installCrds, installPolicies } from './cluster-install.ts'
import { type GatewayAccount, openGatewayAccount } from './gateway-account.ts'

const rightsFolder = fileURLToPath(new URL('../../config/rbac', import.meta.url))
const group = 'workspace.jupyter.org'
const rbac = 'rbac.authorization.k8s.io/v1'
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
  /** A patch of a Workspace with the gateway's token; what the API server has against it, as {@link refusedBy} takes it. */
  patchAsGateway(workspace: string, form: PatchForm, patch: unknown): Promise<KubectlResult>
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
    async patchAsGateway(name, form, patch) {
      const at = { apiVersion: `${group}/v1alpha1`, kind: 'Workspace', metadata: { namespace, name } }
      const patching = apiCalls({ kubeconfig: gateway.kubeconfig }).patch(pathOf(at), form, patch)
      const stderr = await patching.then(() => '', messageOf)
      return { code: stderr === '' ? 0 : 1, stdout: '', stderr }
    },
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
  const { writer, sharer, administrator } = people
  const role = async (name: string) => ({
    ...parse(await readFile(`${rightsFolder}/people/${name}_role.yaml`, 'utf8')),
    metadata: { name: `${namespace}-${name}` },
  })
  const rules = [
    {
      apiGroups: [group],
      resources: ['workspaces', 'workspaces/status', 'workspaceshares', 'workspaceshares/status'],
      verbs: ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete', 'deletecollection'],
    },
  ]
  const everywhere = [
    await role('administrator'),
    await role('sharer'),
    bindingOf({ name: namespace }, ['ClusterRole', `${namespace}-administrator`], administrator),
  ]
  await apply(
    ...everywhere,
    { ...{ apiVersion: rbac, kind: 'Role', metadata: { namespace, name: 'writer' } }, rules },
    bindingOf({ namespace, name: 'writer' }, ['Role', 'writer'], writer, administrator),
    bindingOf({ namespace, name: 'sharer' }, ['ClusterRole', `${namespace}-sharer`], sharer),
  )
  return {
    async [Symbol.asyncDispose]() {
      await Promise.all(everywhere.map((object) => deleteObject(object)))
    },
  }
}

function bindingOf(
  metadata: { readonly name: string; readonly namespace?: string },
  [kind, name]: readonly [kind: string, name: string],
  ...users: readonly string[]
) {
  const apiGroup = 'rbac.authorization.k8s.io'
  return {
    ...{ apiVersion: rbac, kind: metadata.namespace === undefined ? 'ClusterRoleBinding' : 'RoleBinding', metadata },
    roleRef: { apiGroup, kind, name },
    subjects: users.map((user) => ({ apiGroup, kind: 'User', name: user })),
  }
}
