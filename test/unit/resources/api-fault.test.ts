import { expect, test } from 'vitest'
import { apiFault } from '#resources/kubernetes/api-fault.ts'

const policy =
  "workspaces.workspace.jupyter.org \"nb\" is forbidden: ValidatingAdmissionPolicy 'audit' with binding 'all' denied request: not before Monday"
const webhook = 'admission webhook "vworkspace-v1alpha1.kb.io" denied the request: not before Monday'
const right =
  'workspaces.workspace.jupyter.org "nb" is forbidden: User "system:serviceaccount:gatehouse:gatehouse" cannot patch resource "workspaces" in API group "workspace.jupyter.org" in the namespace "team"'
const forbidden = (message: string) => ({ kind: 'Status', code: 403, reason: 'Forbidden', message })

test.each([
  ['a webhook', webhook],
  ['a webhook that gives no reason', 'admission webhook "a" denied the request without explanation'],
  ['a policy', policy],
])('what %s refuses is no lack of a right: whoever asked is told its words', (_, message) => {
  const fault = apiFault(403, forbidden(message))
  expect(fault).toMatchObject({ code: 'policy_refused', status: 403, retryable: false })
  expect(fault.message).toContain(message)
})

test.each([
  ['a right that is lacking', 403, forbidden(right)],
  ['a quota', 403, forbidden('workspaces "nb" is forbidden: exceeded quota: few')],
  ['a proxy in front of it', 403, '<h1>Forbidden</h1>'],
  ['a token that is not known', 401, { kind: 'Status', code: 401, reason: 'Unauthorized', message: webhook }],
])('%s is the store that refuses us', (_, status, body) => {
  expect(apiFault(status, body)).toMatchObject({ code: 'store_refused', status: 503, retryable: false })
})

test('an object that a policy finds wrong is wrong, in its words', () => {
  const body = { kind: 'Status', code: 422, reason: 'Invalid', message: policy }
  expect(apiFault(422, body)).toMatchObject({ code: 'invalid_resource', status: 422 })
})
