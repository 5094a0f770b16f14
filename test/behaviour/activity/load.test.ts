/** What real processes use, and what it does to a workspace that nobody looks at any more. */
import { spawn } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { sight } from '#activity/sight.ts'
import { systemClock } from '#lib/clock.ts'
import type { LoadReading } from '#runtime/contract.ts'
import { listTree } from '#runtime/processes/process-list.ts'
import { createRuntimeWorld, planOf, type RuntimeWorld, shell } from '#test/behaviour/runtime/world.ts'
import { openIdleWorld, ref } from '#test/support/idle-world.ts'

const never = new AbortController().signal
const refs = { busy: { namespace: 'alice', name: 'busy' }, asleep: { namespace: 'alice', name: 'asleep' } }
/** Left behind in a session of its own, by a shell that has ended. */
const leave = (program: string) => shell(`(setsid nohup sh -c '${program}' >/dev/null 2>&1 &); exec sleep 1000`)

async function runBoth(runtimes: RuntimeWorld) {
  await runtimes.runtime.apply(planOf(leave('while :; do :; done'), { ref: refs.busy }))
  await runtimes.runtime.apply(planOf(leave('sleep 1000'), { ref: refs.asleep }))
  const running = (of: typeof refs.busy) => runtimes.instance(of, ({ phase }) => phase === 'running')
  return { busy: await running(refs.busy), asleep: await running(refs.asleep) }
}

const rest = () => new Promise((resolve) => systemClock.after(600, () => resolve(undefined)))

const stretched = (reading: LoadReading, over: { at: number; span: number }) =>
  reading.kind === 'used' ? { ...reading, ...over } : reading

describe('a program that was left behind in a terminal, and prints nothing', () => {
  test('keeps its workspace as long as it works; one that only sleeps does not', async () => {
    await using runtimes = await createRuntimeWorld()
    const instances = await runBoth(runtimes)
    const readings: Record<string, LoadReading[]> = { busy: [], asleep: [] }
    const open = async (name: 'busy' | 'asleep') => {
      const world = await openIdleWorld()
      let at = world.clock.now()
      let used: (LoadReading & { kind: 'used' }) | undefined
      world.answers.readLoad = async (_, signal) => {
        const reading = await runtimes.runtime.load(instances[name], signal)
        readings[name]?.push(reading)
        const span = world.clock.now() - at
        at += span
        // Minutes of this world are moments of the processes: what they used last they use all the time.
        if (reading.kind === 'used') used = reading
        return reading.kind === 'first' && used ? { ...used, at, span } : stretched(reading, { at, span })
      }
      const replica = world.openReplica('a')
      replica.recorder.record({ ...ref, uid: world.uid }, sight('interactive', 'terminal:stdin'), 'alice')
      world.lead(replica)
      return world
    }
    await using busy = await open('busy')
    await using asleep = await open('asleep')
    for (const minutes of [26.5, 1, 1, 1]) {
      for (const world of [busy, asleep]) await world.pass(minutes)
      await rest()
    }
    for (const world of [busy, asleep]) await world.pass(2.5)
    expect(readings.busy?.filter(({ kind }) => kind === 'missing')).toEqual([])
    expect([await busy.desired(), await asleep.desired()]).toEqual(['Running', 'Stopped'])
  })

  test('is found by `ps` too, as long as it is below its leader', async () => {
    const leader = spawn('/bin/sh', ['-c', 'while :; do :; done & exec sleep 1000'], {
      detached: true,
      stdio: 'ignore',
    })
    const pid = leader.pid ?? 0
    try {
      const used = async () => (await listTree(pid, never)).reduce((sum, { own }) => sum + own, 0)
      await expect.poll(used, { timeout: 20_000, interval: 200 }).toBeGreaterThanOrEqual(1_000)
      expect((await listTree(pid, never)).length).toBe(2)
    } finally {
      process.kill(-pid, 'SIGKILL')
    }
  })
})
