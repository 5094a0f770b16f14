import { describe, expect, test } from 'vitest'
import { stateOfPod } from '#runtime/pods/pod-state.ts'
import { readEvents, stepsOf } from '#runtime/pods/pod-steps.ts'
import { type PodFields, pod, running } from '#test/support/pod-objects.ts'

const waiting = (reason: string, message = '') => running({ waiting: { reason, message } })
const ended = (fields: object) => ({ terminated: { finishedAt: '2026-01-01T00:00:09Z', ...fields } })

describe('what a pod does, in words', () => {
  const cases: readonly (readonly [string, PodFields, string, string, RegExp])[] = [
    ['runs', {}, 'running', '', /^$/],
    ['is told to end', { isTerminating: true }, 'stopping', 'Terminating', /being ended/],
    ['has no status yet', { status: { phase: 'Pending', containerStatuses: undefined } }, 'starting', '', /^$/],
    ['is set up', { status: waiting('ContainerCreating') }, 'starting', '', /^$/],
    [
      'finds no machine',
      {
        status: {
          phase: 'Pending',
          containerStatuses: [],
          conditions: [
            { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: '0/3 nodes: no GPU' },
          ],
        },
      },
      'starting',
      'Unschedulable',
      /No machine has room for it now: 0\/3 nodes: no GPU/,
    ],
    [
      'waits in a queue',
      { status: { conditions: [{ type: 'PodScheduled', status: 'False', reason: 'SchedulingGated', message: '' }] } },
      'starting',
      'SchedulingGated',
      /waits for its turn/,
    ],
    [
      'has no image',
      { status: waiting('ImagePullBackOff', 'not found') },
      'failed',
      'ImagePullBackOff',
      /can't be pulled: not found/,
    ],
    [
      'misses a Secret',
      { status: waiting('CreateContainerConfigError', 'secret "x" not found') },
      'failed',
      'CreateContainerConfigError',
      /secret "x"/,
    ],
    [
      'crashes again and again',
      {
        status: running(
          { waiting: { reason: 'CrashLoopBackOff' } },
          { lastState: ended({ exitCode: 3, reason: 'Error' }) },
        ),
      },
      'failed',
      'CrashLoopBackOff',
      /exit code 3\. It is started again/,
    ],
    [
      'needs too much memory again and again',
      {
        status: running(
          { waiting: { reason: 'CrashLoopBackOff' } },
          { lastState: ended({ exitCode: 137, reason: 'OOMKilled' }) },
        ),
      },
      'failed',
      'OOMKilled',
      /memory/,
    ],
    [
      'has just crashed',
      { status: running(ended({ exitCode: 1, message: 'no such table' })) },
      'failed',
      'ProcessExited',
      /exit code 1: no such table/,
    ],
    [
      'was evicted',
      { status: { phase: 'Failed', reason: 'Evicted', message: 'low on memory' } },
      'failed',
      'Evicted',
      /Its machine had to end it: low on memory/,
    ],
    [
      'has ended well',
      { status: { phase: 'Succeeded', ...running(ended({ exitCode: 0 })) } },
      'failed',
      'ProcessExited',
      /exit code 0/,
    ],
    [
      'is being prepared',
      {
        status: {
          ...waiting('PodInitializing'),
          initContainerStatuses: [{ name: 'clone', ready: false, state: { running: {} } }],
        },
      },
      'starting',
      'Initializing',
      /step 'clone' runs/,
    ],
    [
      'can not be prepared',
      {
        status: {
          ...waiting('PodInitializing'),
          initContainerStatuses: [
            { name: 'ok', ready: true, state: ended({ exitCode: 0 }) },
            {
              name: 'clone',
              ready: false,
              state: { waiting: { reason: 'CrashLoopBackOff' } },
              lastState: ended({ exitCode: 128 }),
            },
          ],
        },
      },
      'failed',
      'CrashLoopBackOff',
      /step 'clone' ended with exit code 128/,
    ],
    [
      'has a sidecar that runs',
      { status: { ...running(), initContainerStatuses: [{ name: 'agent', ready: true, state: { running: {} } }] } },
      'running',
      '',
      /^$/,
    ],
  ]

  test.each(cases)('one that %s', (_, fields, phase, reason, message) => {
    const state = stateOfPod(pod(fields))
    expect({ ...state, message: '' }).toEqual({ phase, reason, message: '' })
    expect(state.message).toMatch(message)
  })

  test.each<readonly [string, object, object | undefined]>([
    [
      'that crashed soon',
      { exitCode: 3, startedAt: '2026-01-01T00:00:02Z' },
      { reason: 'CrashLoopBackOff', message: 'Its program ended with exit code 3. It was started again.' },
    ],
    [
      'that says why it crashed',
      { exitCode: 1, message: 'no such table', startedAt: '2026-01-01T00:00:02Z' },
      {
        reason: 'CrashLoopBackOff',
        message: 'Its program ended with exit code 1: no such table. It was started again.',
      },
    ],
    [
      'that needed too much memory',
      { exitCode: 137, reason: 'OOMKilled', startedAt: '2026-01-01T00:00:02Z' },
      {
        reason: 'OOMKilled',
        message: 'Its program needed more memory than it may use, and was ended. It was started again.',
      },
    ],
    ['that was good for ten minutes', { exitCode: 3, startedAt: '2025-12-31T23:50:09Z' }, undefined],
  ])('one that runs again after a run %s', (_what, last, crash) => {
    const status = running({ running: {} }, { lastState: ended(last), restartCount: 1 })
    expect(stateOfPod(pod({ status }))).toMatchObject({ phase: 'running', reason: '', message: '' })
    expect(stateOfPod(pod({ status })).crash).toEqual(crash)
  })

  test('a status of nonsense is a start without news, and control characters do not get through', () => {
    expect(stateOfPod(pod({ status: { phase: 7, containerStatuses: 'x', conditions: [null, 3] } }))).toMatchObject({
      phase: 'starting',
    })
    const { message, reason } = stateOfPod(
      pod({ status: { phase: 'Failed', reason: 'a\u001b[2Jb', message: 'x\r\ny' } }),
    )
    expect(message).not.toMatch(/\p{Cc}/u)
    expect(reason).toBe('Unknown')
  })
})

describe('what happened to a pod', () => {
  const scheduled = { type: 'PodScheduled', status: 'True', lastTransitionTime: '2026-01-01T00:00:01Z' }

  test('is told by itself, in the order of time', () => {
    const crashed = running({ running: { startedAt: '2026-01-01T00:00:20Z' } }, { lastState: ended({ exitCode: 3 }) })
    const steps = stepsOf(pod({ status: { ...crashed, conditions: [scheduled] } }), [])
    expect(steps.map(({ kind, reason }) => `${kind} ${reason}`)).toEqual([
      'normal Scheduled',
      'warning ProcessExited',
      'normal Started',
    ])
  })

  test('is told by events where there are any, each at its last time', () => {
    const events = readEvents({
      items: [
        {
          type: 'Warning',
          reason: 'FailedScheduling',
          message: 'no room',
          eventTime: '2026-01-01T00:00:00.5Z',
          lastTimestamp: null,
        },
        {
          type: 'Normal',
          reason: 'Pulling',
          message: 'Pulling image',
          firstTimestamp: '2026-01-01T00:00:02Z',
          lastTimestamp: '2026-01-01T00:00:04Z',
        },
        { type: 'Normal', reason: 'Scheduled', message: 'to node1', eventTime: '2026-01-01T00:00:01Z' },
        { reason: 'NoTime' },
        'nonsense',
      ],
    })
    const steps = stepsOf(pod({ status: { conditions: [scheduled] } }), events)
    expect(steps.map(({ kind, reason, message }) => `${kind} ${reason} ${message}`)).toEqual([
      'warning FailedScheduling no room',
      'normal Scheduled to node1',
      'normal Pulling Pulling image',
      'normal Started Its program was started.',
    ])
  })

  test('within one second is in the order of a start, and what went wrong comes last', () => {
    const reasons = ['Failed', 'Started', 'Created', 'Pulled', 'Pulling', 'Scheduled', 'BackOff']
    const items = reasons.map((reason) => ({ reason, message: '', lastTimestamp: '2026-01-01T00:00:01Z' }))
    const expected = ['Scheduled', 'Pulling', 'Pulled', 'Created', 'Started', 'BackOff', 'Failed']
    expect(readEvents({ items }).map(({ reason }) => reason)).toEqual(expected)
  })

  test('is bounded', () => {
    const items = Array.from({ length: 500 }, (_, index) => ({
      reason: `R${index}`,
      message: 'x'.repeat(9999),
      lastTimestamp: '2026-01-01T00:00:00Z',
    }))
    const steps = stepsOf(pod(), readEvents({ items }))
    expect(steps).toHaveLength(30)
    expect(steps[0]?.message.length).toBeLessThan(500)
  })
})
