/** What RBAC lets the gateway's account do with the rights of `config/rbac`, as the API server answers it, and what it does not. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { kubectl, openNamespace, type TestNamespace, tryKubectl } from '#test/support/cluster.ts'
import { apiCalls } from '#test/support/cluster-api.ts'
import { installCrds } from '#test/support/cluster-install.ts'
import { type GatewayAccount, openGatewayAccount } from '#test/support/gateway-account.ts'
import { describeWith } from '#test/support/real-parts.ts'

interface Rule {
  readonly apiGroups: readonly string[]
  readonly resources: readonly string[]
  readonly verbs: readonly string[]
}

interface RoleObject {
  readonly kind: string
  readonly metadata: { readonly name: string }
  readonly rules?: readonly Rule[]
}

async function rolesIn(folder: string): Promise<readonly RoleObject[]> {
  const text = await kubectl(['kustomize', folder])
  return parseAllDocuments(text).map((document): RoleObject => document.toJS())
}

interface Answer {
  readonly status: { readonly allowed: boolean }
}

/** `verb group/resource`, sorted. */
function rightsOf(role: RoleObject | undefined): readonly string[] {
  const rules = role?.rules ?? []
  const rights = rules.flatMap(({ apiGroups, resources, verbs }) =>
    apiGroups.flatMap((group) => resources.flatMap((resource) => verbs.map((verb) => `${verb} ${group}/${resource}`))),
  )
  return rights.sort()
}

describeWith('cluster', "the gateway's rights", () => {
  let namespace: TestNamespace
  let account: GatewayAccount
  beforeAll(async () => {
    await installCrds()
    namespace = await openNamespace('gh-rights')
    account = await openGatewayAccount(namespace.name)
  })
  afterAll(async () => {
    await account?.[Symbol.asyncDispose]()
    await namespace?.[Symbol.asyncDispose]()
  })

  const asGateway = (args: readonly string[], where = namespace.name) =>
    tryKubectl([...args, '--namespace', where], { kubeconfig: account.kubeconfig })
  /** As `kubectl auth can-i` asks: the account itself, of the API server. */
  const mayIt = async (verb: string, resource: string, where = namespace.name) => {
    const [main = '', subresource = ''] = resource.split('/')
    const [plural = '', ...group] = main.split('.')
    const attributes = { namespace: where, verb, resource: plural, group: group.join('.'), subresource }
    const path = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews'
    const review = { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectAccessReview' }
    const asked = { ...review, spec: { resourceAttributes: attributes } }
    const answer = (await apiCalls({ kubeconfig: account.kubeconfig }).post(path, asked)) as Answer
    return answer.status.allowed ? 'yes' : 'no'
  }

  test.each([
    ['patch', 'workspaces.workspace.jupyter.org'],
    ['patch', 'workspaceshares.workspace.jupyter.org/status'],
    ['watch', 'pods'],
    ['create', 'localsubjectaccessreviews.authorization.k8s.io'],
  ])('where workspaces are it may %s %s', async (verb, resource) => {
    expect(await mayIt(verb, resource)).toBe('yes')
    expect(await mayIt(verb, resource, 'default')).toBe('no')
  })

  test.each([
    ['create', 'pods'],
    ['create', 'pods/exec'],
    ['get', 'pods/exec'],
    ['create', 'pods/portforward'],
    ['get', 'pods/log'],
    ['create', 'secrets'],
    ['list', 'secrets'],
    ['get', 'secrets'],
    ['delete', 'secrets'],
    ['get', 'configmaps'],
    ['impersonate', 'users'],
    ['impersonate', 'groups'],
    ['impersonate', 'serviceaccounts'],
    ['create', 'serviceaccounts/token'],
    ['create', 'tokenreviews.authentication.k8s.io'],
    ['create', 'workspaces.workspace.jupyter.org'],
    ['update', 'workspaces.workspace.jupyter.org'],
    ['delete', 'workspaces.workspace.jupyter.org'],
    ['patch', 'workspaces.workspace.jupyter.org/status'],
    ['share', 'workspaces.workspace.jupyter.org'],
    ['own', 'workspaces.workspace.jupyter.org'],
    ['patch', 'workspacemanagers.workspace.jupyter.org'],
    ['create', 'rolebindings.rbac.authorization.k8s.io'],
    ['patch', 'validatingadmissionpolicies.admissionregistration.k8s.io'],
  ])('#105 it may not %s %s', async (verb, resource) => {
    expect(await mayIt(verb, resource)).toBe('no')
  })

  test('#105 it reads the Secret of its keys by name, and a list of that name alone; no other one, and none elsewhere', async () => {
    await kubectl(['create', 'secret', 'generic', 'other', '--namespace', namespace.name])
    const listOf = (name: string) => ['get', 'secrets', `--field-selector=metadata.name=${name}`]
    for (const name of ['gatehouse-session-keys', 'gatehouse-ssh-authority']) {
      expect(await asGateway(['get', 'secret', name])).toMatchObject({ code: 0 })
      expect(await asGateway(listOf(name))).toMatchObject({ code: 0 })
    }
    for (const args of [['get', 'secrets'], ['get', 'secret', 'other'], listOf('other')]) {
      expect((await asGateway(args)).stderr, args.join(' ')).toContain('forbidden')
    }
    expect((await asGateway(listOf('gatehouse-session-keys'), 'kube-system')).stderr).toContain('forbidden')
  })

  test('[SO2.2] for every namespace its ClusterRole gives it the same, and no list of Secrets, no impersonation, no exec', async () => {
    const wide = (await rolesIn('config/rbac')).filter(({ kind, metadata }) => {
      return kind.startsWith('Cluster') && metadata.name === 'gatehouse-gateway'
    })
    const text = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: wide })
    const own = text.replaceAll('"gatehouse-gateway"', `"${namespace.name}"`)
    await using stack = new AsyncDisposableStack()
    stack.defer(async () => void (await kubectl(['delete', 'clusterrole,clusterrolebinding', namespace.name])))
    await kubectl(['create', '-f', '-'], {
      input: own.replaceAll('"namespace":"gatehouse"', `"namespace":"${namespace.name}"`),
    })
    for (const where of ['default', 'kube-system', namespace.name]) {
      await expect.poll(() => mayIt('patch', 'workspaces.workspace.jupyter.org', where)).toBe('yes')
      const never = [
        ['list', 'secrets'],
        ['get', 'secrets'],
        ['impersonate', 'users'],
        ['impersonate', 'groups'],
      ] as const
      for (const [verb, resource] of [...never, ['create', 'pods/exec'], ['get', 'pods/exec']] as const)
        expect(await mayIt(verb, resource, where), `${verb} ${resource} in ${where}`).toBe('no')
    }
  })

  test('an administrator alone sees who is logged in: no role that the cluster came with does', async () => {
    const rolebinding = ['create', 'rolebinding', 'viewer', '--clusterrole=admin', '--user=viewer']
    await kubectl([...rolebinding, '--namespace', namespace.name])
    for (const resource of ['workspacesessions', 'onetimerecords', 'workspaceactivities']) {
      const asked = ['get', `${resource}.gatehouse.dev`, '--namespace', namespace.name]
      expect((await tryKubectl(asked, { as: 'viewer' })).stderr).toContain('forbidden')
    }
  })

  test('installed for one namespace it has Roles alone, which say the same as for all but for how reviews are asked', async () => {
    const everywhere = await rolesIn('config/rbac')
    const inOne = await rolesIn('config/rbac/namespaced')
    expect(inOne.filter(({ kind }) => kind.startsWith('Cluster'))).toEqual([])
    const find = (objects: readonly RoleObject[], name: string) =>
      rightsOf(objects.find(({ kind, metadata }) => kind.endsWith('Role') && metadata.name === name))
    const local = find(inOne, 'gatehouse-gateway-workspaces').map((right) => right.replace('localsubject', 'subject'))
    const wide = everywhere.find(
      ({ kind, metadata }) => kind === 'ClusterRole' && metadata.name === 'gatehouse-gateway',
    )
    expect(local).toEqual(rightsOf(wide))
    expect(local.length).toBeGreaterThan(0)
    expect(local.filter((right) => /secrets|impersonate|exec|\*/.test(right))).toEqual([])
  })
})
