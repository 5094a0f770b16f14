import { expect, test } from 'vitest'
import { activityKind, activityName, activitySpec, type WorkspaceActivity } from '#activity/activity-record.ts'
import { marks, sayHistory, spanOf } from '#activity/history.ts'
import { simulateIdle } from '#activity/idle-simulation.ts'
import { meta, workspace } from '#test/support/objects.ts'
import { templateKind } from '#workspace/template.ts'
import type { Workspace } from '#workspace/workspace.ts'

const minute = 60_000
const now = Date.parse('2026-11-22T12:00:00Z')

/** It worked for five hours, up to now, and nobody did anything. */
function worked(of: Workspace): WorkspaceActivity {
  const { namespace, name, uid } = of.metadata
  const spans = new Map(Array.from({ length: 60 }, (_, before) => [spanOf(now) - before - 1, marks.ran | marks.busy]))
  const spec = activitySpec({ namespace, name, uid }, 'a', { clocks: {}, history: [sayHistory(spans, now)] }, now)
  return {
    ...{ apiVersion: 'gatehouse.dev/v1alpha1', kind: activityKind.kind },
    ...{ metadata: meta({ name: activityName(uid, 'a') }), spec, status: undefined },
  }
}

const bounded = {
  ...{ apiVersion: 'workspace.jupyter.org/v1alpha1', kind: 'WorkspaceTemplate', status: undefined },
  metadata: meta({ name: 'bounded' }),
  spec: templateKind.parseSpec({ idleShutdownRules: { maxBusyInMinutes: 60 } }),
}

test('goes by how long work counts in the template of each, also where nothing is asked to stop for want of activity by now', () => {
  const templateRef = { name: 'bounded' }
  const idleShutdown = { enabled: true, idleTimeoutInMinutes: 240, detection: {} }
  const workspaces = [
    workspace({ name: 'free', owner: 'alice', spec: { idleShutdown } }),
    workspace({ name: 'bounded', owner: 'bob', spec: { templateRef, idleShutdown } }),
    workspace({ name: 'unasked', owner: 'carol', spec: { templateRef } }),
    workspace({ name: 'shared', owner: 'bob', spec: { templateRef: { name: 'shared' } } }),
    workspace({ name: 'astray', owner: 'dan', spec: { templateRef: { name: 'gone' }, idleShutdown } }),
  ]
  const shared = { ...bounded, metadata: meta({ namespace: 'jupyter-k8s-shared', name: 'shared' }) }
  const recordings = { workspaces, activities: workspaces.map(worked), templates: [bounded, shared] }
  const told = simulateIdle(recordings, 30 * minute, now)
  const sums = told.workspaces.map(({ name, stops, broken, saved }) => [name, stops, broken, saved / minute])
  expect(sums).toEqual([
    ['free', 0, 0, 0],
    ['bounded', 1, 1, 300 - 95],
    ['unasked', 1, 1, 300 - 95],
    ['shared', 1, 1, 300 - 95],
    ['astray', 0, 0, 0],
  ])
  expect(told.peopleHit).toEqual(['bob', 'carol'])
})
