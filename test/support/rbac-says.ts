/** What RBAC says about connecting, by the API server's own word: it hears of a binding by a watch, and an answer until then may be from before. */
import { expect } from 'vitest'
import { apiCalls } from './cluster-api.ts'

export interface RbacSubject {
  readonly namespace: string
  readonly user: string
  readonly groups?: readonly string[]
}

/** Waits until it says so. */
export function rbacSays({ namespace, user, groups = [] }: RbacSubject, allowed: boolean): Promise<void> {
  const resourceAttributes = {
    ...{ namespace, verb: 'create' },
    ...{ group: 'connection.workspace.jupyter.org', resource: 'workspaceconnections' },
  }
  const review = {
    ...{ apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview' },
    spec: { user, groups, resourceAttributes },
  }
  const said = () => apiCalls().post('/apis/authorization.k8s.io/v1/subjectaccessreviews', review)
  return expect.poll(said, { timeout: 20_000 }).toMatchObject({ status: { allowed } })
}
