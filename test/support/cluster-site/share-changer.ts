/** Shares made and revoked by the administrator of the cluster, who may: faster than by a kubectl for each. */
import { systemClock } from '#lib/clock.ts'
import { kubeconfigAccess } from '#resources/kubernetes/api-access.ts'
import { openApiClient } from '#resources/kubernetes/api-client.ts'
import { kubeconfigPath } from '../cluster-api.ts'

export interface NewShare {
  readonly users: readonly string[]
  /** The name of the share; that of the workspace when absent. */
  readonly called?: string
  readonly expiresAt?: string
}

export interface ShareChanger extends Disposable {
  share(workspace: string, share: NewShare): Promise<void>
  revoke(called: string): Promise<void>
}

export function openShareChanger(namespace: string): ShareChanger {
  const ending = new AbortController()
  const access = kubeconfigAccess({ file: kubeconfigPath(), clock: systemClock })
  const client = openApiClient({ access, clock: systemClock, signal: ending.signal })
  const apiVersion = 'workspace.jupyter.org/v1alpha1'
  const path = `/apis/${apiVersion}/namespaces/${namespace}/workspaceshares`
  return {
    async share(name, { users, called = name, ...rest }) {
      const spec = { workspaces: [{ name }], grantees: users.map((user) => ({ kind: 'User', name: user })), ...rest }
      await client.post(path, { apiVersion, kind: 'WorkspaceShare', metadata: { name: called }, spec })
    },
    revoke: async (called) => void (await client.delete(`${path}/${called}`, {})),
    [Symbol.dispose]: () => ending.abort(),
  }
}
