import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { outputLease } from '#activity/clocks.ts'
import { ActivityRecorder } from '#activity/recorder.ts'
import { sight } from '#activity/sight.ts'
import { unheardLease, type WorkspaceRecord } from '#activity/workspace-record.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { leapingClock } from '#test/support/leaping-clock.ts'
import { frameBytes } from '#test/support/websocket-frames.ts'

const notebook = { namespace: 'team', name: 'nb', uid: 'u1' }
const minute = 60_000

function world(most?: number) {
  const clock = fakeClock(0)
  const date = leapingClock(clock)
  const recorder = new ActivityRecorder({ clock: date, ...(most === undefined ? {} : { most }) })
  return { clock, date, recorder, clocks: () => recorder.clocksOf('u1') }
}

describe('what was seen', () => {
  test('moves the clock of its class, with when, what and who', async () => {
    const { clock, recorder, clocks } = world()
    await clock.advance(minute)
    recorder.record(notebook, sight('interactive', 'contents:PUT'), 'alice')
    recorder.record(notebook, sight('unknown', 'http:GET'))
    expect(clocks()).toEqual({
      interactive: { at: minute, source: 'contents:PUT', user: 'alice' },
      unknown: { at: minute, source: 'http:GET' },
    })
  })

  test('in the background leaves no trace', () => {
    const { recorder, clocks } = world()
    recorder.record(notebook, sight('background', 'poll:GET'), 'alice')
    expect(clocks()).toEqual({})
    expect(recorder.takeChanged()).toEqual([])
  })

  test('is told to a writer once', () => {
    const { recorder, clocks } = world()
    recorder.record(notebook, sight('interactive', 'contents:PUT'), 'alice')
    expect(recorder.takeChanged()).toEqual([{ workspace: notebook, clocks: clocks() }])
    expect(recorder.takeChanged()).toEqual([])
  })

  test('is forgotten with its workspace, also where a stream of it ends later', () => {
    const { recorder } = world()
    const record = recorder.of(notebook)
    record.enter('alice')
    recorder.forget('u1')
    record.leave()
    expect(recorder.clocksOf('u1')).toEqual({})
    expect(recorder.takeChanged()).toEqual([])
  })

  test('of no more workspaces than there is room for is kept, but for those in use', () => {
    const { recorder } = world(10)
    recorder.of(notebook).enter('alice')
    for (let count = 0; count < 100; count++)
      recorder.record({ ...notebook, uid: `other-${count}` }, sight('interactive', 'x'))
    expect(recorder.takeChanged()).toHaveLength(10)
    expect(recorder.clocksOf('u1').connected).toBeDefined()
  })
})

test('a notebook that is saved at one replica while its kernel prints at another is nobody’s doing, nor is what a page opens that nobody has seen loaded', async () => {
  const [here, there] = [world(), world()]
  const kernel = there.recorder
    .onlookerOf(notebook, 'alice')
    .opened({ profile: 'jupyterlab', path: '/api/kernels/k/channels', protocol: undefined })
  const asked = { query: '', status: 200, mode: 'cors', destination: 'empty', isGesture: false }
  const onlooker = here.recorder.onlookerOf(notebook, 'alice')
  const printed = Buffer.from(JSON.stringify({ header: { msg_type: 'stream' }, channel: 'iopub' }))
  for (let turn = 0; turn < 10; turn += 1) {
    kernel.observe('upstream', frameBytes({ opcode: 1, payload: printed }))
    onlooker.answered('jupyterlab', { ...asked, method: 'PUT', rest: 'api/contents/a.ipynb' })
    const query = '?type=notebook&content=1'
    onlooker.answered('jupyterlab', { ...asked, method: 'GET', rest: 'api/contents/a.ipynb', query })
    await here.clock.advance(2 * minute)
    await there.clock.advance(2 * minute)
  }
  for (const { clocks } of [here, there]) expect(clocks().interactive).toBeUndefined()
  expect(here.clocks().unknown?.source).toBe('open:GET')
  kernel.end()
})

test('to ask that it is kept is a gesture', async () => {
  const { clock, recorder, clocks } = world()
  await clock.advance(minute)
  recorder.keep(notebook, clock.now() + 60 * minute, 'alice')
  expect(clocks()).toEqual({
    interactive: { at: minute, source: 'person:keep', user: 'alice' },
    kept: { at: 61 * minute, source: 'person', user: 'alice' },
  })
})

describe('a stream that is open', () => {
  test('is connected as long as one is open, and was until the last is closed', async () => {
    const { clock, recorder, clocks } = world()
    const record = recorder.of(notebook)
    for (let count = 0; count < 2; count += 1) record.enter('alice')
    await clock.advance(minute)
    record.leave()
    await clock.advance(minute)
    expect(clocks()).toEqual({ connected: { at: 2 * minute, source: 'stream', user: 'alice' } })
    record.leave()
    await clock.advance(minute)
    expect(clocks().connected?.at).toBe(2 * minute)
  })

  test('is told to a writer every time', () => {
    const { recorder } = world()
    recorder.of(notebook).enter(undefined)
    for (let count = 0; count < 3; count++) expect(recorder.takeChanged()).toHaveLength(1)
  })
})

describe('a kernel', () => {
  const socket = {}

  test('is at work until it says otherwise, however long it is silent', async () => {
    const { clock, recorder, clocks } = world()
    const record = recorder.of(notebook)
    record.kernelIs('k', 'busy', socket, 'alice')
    await clock.advance(10 * 60 * minute)
    expect(clocks().busy).toEqual({ at: clock.now() + outputLease, source: 'kernel:busy', user: 'alice' })
    record.kernelIs('k', 'idle', socket, 'alice')
    const ended = clock.now()
    await clock.advance(minute)
    expect(clocks().busy?.at).toBe(ended)
    expect(record.busyKernels()).toEqual([])
  })

  test('that waits for a person is not at work until it has an answer', async () => {
    const { clock, recorder, clocks } = world()
    const record = recorder.of(notebook)
    record.kernelIs('k', 'busy', socket, 'alice')
    await clock.advance(minute)
    record.kernelIs('k', 'waiting', socket, 'alice')
    await clock.advance(minute)
    expect(clocks().busy?.at).toBe(minute)
    record.kernelIs('k', 'busy', socket, 'alice')
    expect(clocks().busy?.at).toBe(2 * minute + outputLease)
  })

  test('whose last socket goes away while it works counts as at work for a bounded time', async () => {
    const { clock, recorder, clocks } = world()
    const record = recorder.of(notebook)
    const other = {}
    record.kernelIs('k', 'busy', socket, 'alice')
    record.hear('k', other)
    record.unhear('k', socket)
    await clock.advance(2 * unheardLease)
    expect(clocks().busy?.at).toBe(clock.now() + outputLease)
    record.unhear('k', other)
    const end = clock.now() + unheardLease
    expect(clocks().busy?.at).toBe(end)
    await clock.advance(10 * unheardLease)
    expect(clocks().busy?.at).toBe(end)
    expect(record.busyKernels()).toEqual([])
  })

  test('whose last socket goes away while it works counts as at work for no longer when the date is put back', async () => {
    const { clock, date, recorder, clocks } = world()
    const record = recorder.of(notebook)
    record.kernelIs('k', 'busy', socket, 'alice')
    record.unhear('k', socket)
    await clock.advance(minute)
    date.leap(-60 * minute)
    expect(clocks().busy?.at).toBe(date.now() + unheardLease - minute)
    await clock.advance(unheardLease - minute - 1)
    expect(record.busyKernels()).toEqual(['k'])
    await clock.advance(1)
    expect(record.busyKernels()).toEqual([])
  })

  test('whose last socket went away before the machine slept is to be asked for when it has slept for longer than that', () => {
    const { date, recorder } = world()
    const record = recorder.of(notebook)
    record.kernelIs('k', 'busy', socket, 'alice')
    record.unhear('k', socket)
    date.leap(unheardLease)
    expect(record.busyKernels()).toEqual([])
  })

  test('goes on being at work when somebody comes back to it, or the app itself says so', async () => {
    const { clock, recorder, clocks } = world()
    const record = recorder.of(notebook)
    record.kernelIs('k', 'busy', socket, 'alice')
    record.unhear('k', socket)
    await clock.advance(unheardLease - 1)
    record.kernelTold('k', true)
    await clock.advance(unheardLease - 1)
    record.hear('k', {})
    await clock.advance(10 * unheardLease)
    expect(clocks().busy?.at).toBe(clock.now() + outputLease)
    record.kernelTold('k', false)
    expect(clocks().busy?.at).toBe(clock.now())
  })

  test('is one of a bounded number', () => {
    const { recorder } = world()
    const record = recorder.of(notebook)
    for (let count = 0; count < 10_000; count++) record.kernelIs(count, 'busy', socket, undefined)
    expect(record.busyKernels().length).toBeLessThanOrEqual(256)
  })
})

const acts = {
  see: (record) => record.record(sight('interactive', 'x'), 'alice'),
  enter: (record) => record.enter('alice'),
  leave: (record) => record.open > 0 && record.leave(),
  hear: (record, kernel, socket) => record.hear(kernel, socket),
  unhear: (record, kernel, socket) => record.unhear(kernel, socket),
  told: (record, kernel) => record.kernelTold(kernel, true),
  busy: (record, kernel, socket) => record.kernelIs(kernel, 'busy', socket, 'alice'),
  idle: (record, kernel, socket) => record.kernelIs(kernel, 'idle', socket, 'alice'),
  waiting: (record, kernel, socket) => record.kernelIs(kernel, 'waiting', socket, 'alice'),
} satisfies Record<string, (record: WorkspaceRecord, kernel: number, socket: object) => unknown>

test('no clock ever goes back, whatever is seen in whatever order', async () => {
  const step = fc.record({
    act: fc.constantFrom(...(Object.keys(acts) as (keyof typeof acts)[])),
    kernel: fc.nat(2),
    wait: fc.nat(20 * minute),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      const { clock, recorder, clocks } = world()
      const record = recorder.of(notebook)
      const sockets = [{}, {}, {}]
      for (const { act, kernel, wait } of steps) {
        const before = clocks()
        acts[act](record, kernel, sockets[kernel] ?? {})
        await clock.advance(wait)
        for (const name of ['connected', 'interactive', 'unknown'] as const)
          expect(clocks()[name]?.at ?? 0).toBeGreaterThanOrEqual(before[name]?.at ?? 0)
        // A lease that ends early is taken back, as far as it reached beyond now.
        expect(clocks().busy?.at ?? 0).toBeGreaterThanOrEqual(Math.min(before.busy?.at ?? 0, clock.now() - wait))
      }
    }),
    { numRuns: 50 },
  )
})
