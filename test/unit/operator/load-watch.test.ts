import { describe, expect, test } from 'vitest'
import { sight } from '#activity/sight.ts'
import { LoadWatch } from '#operator/load-watch.ts'
import type { LoadReading } from '#runtime/contract.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { type IdleWorld, openIdleWorld, ref } from '#test/support/idle-world.ts'
import { instance, workspace } from '#test/support/objects.ts'
import type { WorkspaceEntry } from '#workspace/directory.ts'
import { portsOf } from '#workspace/workspace.ts'

const minute = 60_000

/** Uses so many cores, as long as nothing else is said. */
function usage(world: IdleWorld, cores: number) {
  const said = { cores, reads: [] as number[], reading: undefined as LoadReading | undefined }
  world.answers.readLoad = async () => {
    const at = world.clock.now()
    said.reads.push(at)
    return said.reading ?? { kind: 'used', at, span: 15_000, cores: said.cores }
  }
  return said
}

const useTerminal = (world: IdleWorld, replica: ReturnType<IdleWorld['openReplica']>) =>
  replica.recorder.record({ ...ref, uid: world.uid }, sight('interactive', 'terminal:stdin'), 'alice')

describe('a program that no traffic shows', () => {
  test('keeps its workspace as long as it works; a timeout after it was last seen at work the workspace is stopped', async () => {
    await using world = await openIdleWorld()
    const load = usage(world, 0.9)
    const a = world.openReplica('a')
    await using leader = world.lead(a)
    for (let turn = 0; turn < 40; turn += 1) await world.pass(5)
    expect(await world.desired()).toBe('Running')
    expect((await world.recordOf('a'))?.spec.evidence?.busyUntil).toEqual({ source: 'load:cpu' })
    expect(leader.why()).toMatchObject({ kind: 'not-idle', last: { source: 'load:cpu' } })
    load.cores = 0.01
    await world.pass(3)
    expect(await world.desired()).toBe('Running')
    await world.pass(37)
    expect(await world.desired()).toBe('Stopped')
  })

  test('keeps it, after a terminal was used, for eight hours where nobody can tell whether it works', async () => {
    await using world = await openIdleWorld()
    const load = usage(world, 0)
    load.reading = { kind: 'missing', problem: 'the cluster has no metrics API', isEverywhere: true }
    const a = world.openReplica('a')
    await using leader = world.lead(a)
    useTerminal(world, a)
    for (let turn = 0; turn < 80; turn += 1) await world.pass(6)
    expect(await world.desired()).toBe('Running')
    expect(leader.why()).toMatchObject({
      ...{ last: { source: 'load:missing' }, message: expect.stringContaining('the cluster has no metrics API') },
    })
    for (let turn = 0; turn < 8; turn += 1) await world.pass(6)
    expect(await world.desired()).toBe('Stopped')
    // Once a minute, and not by each who waits for it.
    expect(load.reads.length).toBeLessThan(8.6 * 60)
  })

  test('does not keep it, after a terminal was used, where nothing works any more', async () => {
    await using world = await openIdleWorld()
    usage(world, 0.01)
    const a = world.openReplica('a')
    await using _ = world.lead(a)
    useTerminal(world, a)
    world.answers.app = { kind: 'said', evidence: [], hasTerminals: true }
    await world.pass(25)
    await world.pass(4.9)
    expect(await world.desired()).toBe('Running')
    await world.pass(1)
    expect(await world.desired()).toBe('Stopped')
  })
})

describe('its load', () => {
  test('is read in the last minutes before a stop alone', async () => {
    await using world = await openIdleWorld()
    const load = usage(world, 0.01)
    const begun = world.clock.now()
    await using _ = world.lead(world.openReplica('a'))
    await world.pass(23)
    expect(load.reads).toEqual([])
    await world.pass(6)
    expect(load.reads.length).toBeGreaterThan(2)
    expect(load.reads.length).toBeLessThan(15)
    expect(Math.min(...load.reads)).toBeGreaterThan(begun + 24 * minute)
  })

  test('is waited for: a leader that has just begun stops nothing before a minute at rest', async () => {
    await using world = await openIdleWorld()
    const [a, b] = [world.openReplica('a'), world.openReplica('b')]
    {
      await using _ = world.lead(a)
      await world.pass(29)
    }
    await world.pass(6)
    usage(world, 0.01)
    await using leader = world.lead(b)
    await world.pass(2.3)
    expect(await world.desired()).toBe('Running')
    expect(leader.why()).toMatchObject({ reason: 'load-not-read' })
    await world.pass(1.2)
    expect(await world.desired()).toBe('Stopped')
  })

  test('that nobody gives in time is missing', async () => {
    await using world = await openIdleWorld()
    world.answers.readLoad = (_, signal) =>
      new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))
    const a = world.openReplica('a')
    await using leader = world.lead(a)
    useTerminal(world, a)
    await world.pass(29)
    await world.pass(10)
    expect(leader.why()).toMatchObject({ message: expect.stringContaining('no answer within 5 s') })
    expect(await world.desired()).toBe('Running')
  })
})

describe('of one that was not read yet', () => {
  const half = 30 * minute
  const entryOf = (name: string): WorkspaceEntry => {
    const of = workspace({ name })
    const running = instance(of)
    return {
      ...{ ref: running.ref, uid: of.metadata.uid, workspace: of, ports: portsOf(of), shares: [] },
      ...{ instance: running, state: { phase: 'Running', reason: '', message: '', steps: [] } },
    }
  }

  test.each<[claim: string, isPassing: boolean, is: string]>([
    ['it is not known yet that another one could not be read', true, 'not-read'],
    ['it is known that nobody can be', false, 'missing'],
  ])('%s', async (_, isPassing, is) => {
    const clock = fakeClock()
    const [first, other] = [entryOf('a'), entryOf('b')]
    const silent = (signal: AbortSignal) =>
      new Promise<never>((_resolve, reject) =>
        signal.addEventListener('abort', () => reject(signal.reason), { once: true }),
      )
    const watch = new LoadWatch({
      readLoad: async (_of, signal) =>
        isPassing ? silent(signal) : { kind: 'missing', problem: 'the cluster has no metrics API', isEverywhere: true },
      rule: { busy: 0.2, quiet: 0.1 },
      isBusy: () => undefined,
      clock,
    })
    const ending = new AbortController()
    const work = watch.run(ending.signal)
    watch.want({ entry: first, timeout: half, startedAt: undefined })
    await clock.advance(10_000)
    expect(watch.of({ entry: first, timeout: half })).toMatchObject({
      kind: 'missing',
      isPassing: isPassing || undefined,
    })
    expect(watch.of({ entry: other, timeout: half }).kind).toBe(is)
    ending.abort()
    await clock.advance(1_000)
    await work
  })
})
