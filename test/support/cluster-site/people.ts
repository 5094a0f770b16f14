/** What RBAC gives the people of a site in the namespace of the workspaces. */
import { apply } from '../cluster-api.ts'

const group = 'workspace.jupyter.org'
const everything = ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete']

/** May make workspaces and shares by kubectl; what the admission policies let them. */
export const workers = ['alice', 'bob'] as const
/** May connect, which a grant is needed for as well. */
export const visitors = ['alice', 'bob', 'carol', 'dave'] as const

/** `extra`: further users who may connect. The binding of each is named `connects-<user>`, so that a test can take it away. */
export async function bindPeople(namespace: string, extra: readonly string[] = []): Promise<void> {
  const connect = {
    apiGroups: [`connection.${group}`],
    resources: ['workspaceconnections'],
    verbs: ['create'],
  }
  const work = { apiGroups: [group], resources: ['workspaces', 'workspaceshares'], verbs: everything }
  const all = [
    role(namespace, 'connects', connect),
    role(namespace, 'works', work),
    ...[...visitors, ...extra].map((user) => binding(namespace, `connects-${user}`, 'connects', user)),
    ...workers.map((user) => binding(namespace, `works-${user}`, 'works', user)),
  ]
  await Promise.all(all.map((object) => apply(object)))
}

function role(namespace: string, name: string, rule: object): object {
  return { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role', metadata: { namespace, name }, rules: [rule] }
}

function binding(namespace: string, name: string, roleName: string, user: string): object {
  const apiGroup = 'rbac.authorization.k8s.io'
  return {
    apiVersion: `${apiGroup}/v1`,
    kind: 'RoleBinding',
    metadata: { namespace, name },
    roleRef: { apiGroup, kind: 'Role', name: roleName },
    subjects: [{ apiGroup, kind: 'User', name: user }],
  }
}
