import { describe, expect, test } from 'vitest'
import { meta } from '#test/support/objects.ts'
import {
  type ManagerStatus,
  managerKind,
  statusAfter,
  statusWithPolicies,
  type WorkspaceManager,
} from '#workspace/manager.ts'

const now = '2026-01-01T00:00:00.000Z'
const later = '2026-01-01T01:00:00.000Z'
const good = { reason: 'InForce', message: '' } as const
const bad = { reason: 'Invalid', message: 'domain: is required' } as const

function manager(generation: number, status: unknown): WorkspaceManager {
  return {
    apiVersion: 'workspace.jupyter.org/v1alpha1',
    kind: 'WorkspaceManager',
    metadata: meta({ name: 'gatehouse', generation }),
    spec: {},
    status: managerKind.parseStatus(status),
  }
}

describe('the status of a manager', () => {
  test('names the generation it speaks of, and is written once for all replicas', () => {
    const first = statusAfter(manager(2, undefined), good, now)
    expect(first).toEqual({
      observedGeneration: 2,
      conditions: [
        {
          type: 'Accepted',
          status: 'True',
          reason: 'InForce',
          message: '',
          observedGeneration: 2,
          lastTransitionTime: now,
        },
      ],
    })
    expect(statusAfter(manager(2, first), good, later)).toBeUndefined()
    expect(statusAfter(manager(3, first), good, later)).toMatchObject({
      conditions: [{ observedGeneration: 3, lastTransitionTime: now }],
    })
  })

  test('tells since when it is refused, and what others say of it stays', () => {
    const other = { type: 'Watched', status: 'True', reason: 'ByOthers', message: '' } as const
    const accepted = statusAfter(manager(1, { conditions: [other] }), good, now)
    const refused = statusAfter(manager(2, accepted), bad, later)
    expect(refused?.conditions).toEqual([
      other,
      { type: 'Accepted', status: 'False', ...bad, observedGeneration: 2, lastTransitionTime: later },
    ])
  })

  test('says which policies are missing, beside whether it is in force, and since when', () => {
    const accepted = statusAfter(manager(1, {}), good, now)
    const missing = { status: 'False', reason: 'Missing', message: 'gatehouse-workspace-owner' } as const
    const said = statusWithPolicies(manager(1, accepted), missing, now)
    expect(said).toEqual({
      conditions: [...(accepted?.conditions ?? []), { type: 'PoliciesInForce', ...missing, lastTransitionTime: now }],
    })
    const whole = { ...accepted, ...said }
    expect(statusWithPolicies(manager(1, whole), missing, later)).toBeUndefined()
    expect(statusAfter(manager(1, whole), good, later)).toBeUndefined()
    const again = statusWithPolicies(manager(1, whole), { status: 'True', reason: 'InForce', message: '' }, later)
    expect(again?.conditions[1]).toMatchObject({ status: 'True', reason: 'InForce', lastTransitionTime: later })
  })

  test('is cut where it would hide what comes first', () => {
    const status: ManagerStatus | undefined = statusAfter(manager(1, {}), { ...bad, message: 'x'.repeat(9_000) }, now)
    expect(status?.conditions[0]?.message).toHaveLength(4_096)
    expect(statusAfter(manager(1, status), { ...bad, message: 'x'.repeat(9_000) }, later)).toBeUndefined()
  })
})

describe('a spec', () => {
  test.each([undefined, null, 'text', 7, []])(
    'that is none (%s) is an object without anything, to be refused in its status',
    (spec) => {
      expect(managerKind.parseSpec(spec)).toEqual({})
    },
  )
})
