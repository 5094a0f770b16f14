import { expect, test } from 'vitest'
import type { IdleRule } from '#activity/idle-policy.ts'
import { IdleRules } from '#activity/idle-rules.ts'
import { meta, workspace } from '#test/support/objects.ts'
import { templateKind, type WorkspaceTemplate } from '#workspace/template.ts'

const minute = 60_000

function template(namespace: string, name: string, minutes: number): WorkspaceTemplate {
  const defaultIdleShutdown = { enabled: true, idleTimeoutInMinutes: minutes, detection: {} }
  return {
    ...{ apiVersion: 'workspace.jupyter.org/v1alpha1', kind: templateKind.kind, status: undefined },
    ...{ metadata: meta({ namespace, name }), spec: templateKind.parseSpec({ defaultIdleShutdown }) },
  }
}

test('a template that is not where its workspace says is the one of that name in the namespace that jupyter-k8s shares', () => {
  const shared = 'jupyter-k8s-shared'
  const rules = new IdleRules()
  const ofTeam = template('team', 'both', 10)
  const objects = [ofTeam, template(shared, 'both', 20), template(shared, 'there', 30), template('other', 'own', 40)]
  rules.apply({ type: 'synced', objects })
  const timeoutBy = (templateRef: unknown) => {
    const rule: IdleRule = rules.of(workspace({ namespace: 'team', name: 'nb', owner: 'alice', spec: { templateRef } }))
    return rule.kind === 'on' ? rule.policy.timeout / minute : rule.kind
  }
  expect(timeoutBy({ name: 'both' })).toBe(10)
  expect(timeoutBy({ name: 'there' })).toBe(30)
  expect(timeoutBy('there')).toBe(30)
  expect(timeoutBy({ name: 'there', namespace: 'other' })).toBe(30)
  expect(timeoutBy({ name: 'both', namespace: shared })).toBe(20)
  expect(timeoutBy({ name: 'own' })).toBe('unknown')
  rules.apply({ type: 'deleted', object: ofTeam })
  expect(timeoutBy({ name: 'both' })).toBe(20)
})
