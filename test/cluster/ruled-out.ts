/** Changes that a rule of the cluster's administrators refuses: a policy (ValidatingAdmissionPolicy) which is none of Gatehouse's own. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { api } from '#surface/urls.ts'
import type { WorkspaceRef } from '#surface/workspace-ref.ts'
import { kubectl, tryKubectl } from '#test/support/cluster.ts'
import { apply, readObject } from '#test/support/cluster-api.ts'
import type { ClusterSite } from '#test/support/cluster-site/site.ts'
import { until } from '#test/support/until.ts'

const words = 'nothing is started before the audit is over'

export function ruledOut(siteOf: () => ClusterSite): void {
  const opened = new AsyncDisposableStack()
  let site: ClusterSite
  let ref: WorkspaceRef

  beforeAll(async () => {
    site = siteOf()
    const { team } = site
    ref = (await site.workspace('audited', { owner: 'alice', spec: { desiredStatus: 'Stopped' } })).ref
    const metadata = { name: `${team}-audit` }
    const kinds = ['validatingadmissionpolicybinding', 'validatingadmissionpolicy']
    opened.defer(async () => {
      for (const kind of kinds) await kubectl(['delete', kind, metadata.name, '--ignore-not-found'])
    })
    const here = { matchLabels: { 'kubernetes.io/metadata.name': team } }
    const rule = { apiGroups: ['workspace.jupyter.org'], apiVersions: ['*'], resources: ['workspaces'] }
    const admission = { apiVersion: 'admissionregistration.k8s.io/v1' }
    await apply(
      {
        ...{ ...admission, kind: 'ValidatingAdmissionPolicy', metadata },
        spec: {
          failurePolicy: 'Fail',
          matchConstraints: {
            namespaceSelector: here,
            resourceRules: [{ ...rule, operations: ['UPDATE'] }],
          },
          validations: [
            {
              expression: "object.metadata.name != 'audited' || object.spec.desiredStatus != 'Running'",
              ...{ message: words, reason: 'Forbidden' },
            },
          ],
        },
      },
      {
        ...{ ...admission, kind: 'ValidatingAdmissionPolicyBinding', metadata },
        spec: { policyName: metadata.name, validationActions: ['Deny'] },
      },
    )
    // It counts some seconds after it was written.
    const patch = ['patch', 'workspace', 'audited', '--namespace', team, '--type=merge', '--dry-run=server', '-p']
    await until(async () => {
      const { code, stderr } = await tryKubectl([...patch, '{"spec":{"desiredStatus":"Running"}}'])
      return code !== 0 && stderr.includes(words) ? true : undefined
    })
  }, 60_000)
  afterAll(() => opened.disposeAsync())

  test('a start that a rule of the cluster refuses is told in the words of that rule, and the workspace stays as it was', async () => {
    const alice = await site.as('alice')
    const tab = alice.tab()
    await tab.navigate(`${site.origin}/`)
    const { status, body } = await tab.fetch(site.origin + api.start(ref), { method: 'POST' })
    expect([status, JSON.parse(body)]).toEqual([
      403,
      expect.objectContaining({
        ...{ code: 'policy_refused', title: 'A rule of this cluster does not allow this.' },
        detail: expect.stringContaining(words),
      }),
    ])
    const at = { apiVersion: 'workspace.jupyter.org/v1alpha1', kind: 'Workspace', metadata: ref }
    const { spec } = await readObject<{ readonly spec: { readonly desiredStatus: string } }>(at)
    expect(spec.desiredStatus).toBe('Stopped')
  })
}
