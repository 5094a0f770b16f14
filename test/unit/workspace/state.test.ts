import { describe, expect, test } from 'vitest'
import type { Instance, InstancePhase, InstanceUid } from '#runtime/contract.ts'
import { workspace } from '#test/support/objects.ts'
import { type Readiness, stateOf } from '#workspace/state.ts'

const nb = workspace({ name: 'nb', owner: 'alice' })
const crash = { reason: 'CrashLoopBackOff', message: 'Its program ended with exit code 3. It was started again.' }

const instance = (phase: InstancePhase, fields: Partial<Instance> = {}): Instance => ({
  ref: { namespace: 'team', name: 'nb' },
  workspaceUid: nb.metadata.uid,
  // Of a test.
  instanceUid: 'one' as InstanceUid,
  ...{ phase, reason: '', message: '', endpoints: new Map(), steps: [], ...fields },
})

const waiting: Readiness = { kind: 'waiting', message: 'Port 8888 does not answer yet.' }
const phaseOf = (phase: InstancePhase, readiness: Readiness, fields: Partial<Instance> = {}) =>
  stateOf(nb, instance(phase, fields), readiness)

describe('a program that was started again because it crashed', () => {
  test('is degraded until it is ready, whether it is being set up, runs, or waits for its next try', () => {
    const failed = { reason: 'CrashLoopBackOff', message: 'It ended. It is started again in a while.' }
    for (const state of [
      phaseOf('starting', waiting, { crash }),
      phaseOf('running', waiting, { crash }),
      phaseOf('failed', waiting, failed),
    ])
      expect(state).toMatchObject({ phase: 'Degraded', reason: 'CrashLoopBackOff' })
    expect(phaseOf('running', waiting, { crash }).message).toBe(
      'Its program ended with exit code 3. It was started again. Port 8888 does not answer yet.',
    )
  })

  test('runs like any other once it answers', () => {
    expect(phaseOf('running', { kind: 'ready' }, { crash })).toMatchObject({
      phase: 'Running',
      message: 'The workspace is running.',
    })
  })
})

test('a program that did not crash is starting until it is ready', () => {
  for (const phase of ['starting', 'running'] as const) expect(phaseOf(phase, waiting).phase).toBe('Starting')
})
