import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { fakeClock } from '#test/support/fake-clock.ts'
import { alice, command, createRuntimeWorld, eventually, planOf, shell } from './world.ts'

test('a program that ends says how and with which last words, and waits before it is started again', async () => {
  await using world = await createRuntimeWorld()
  await world.runtime.apply(planOf(shell('echo first; printf "\\033[31mno such table\\033[0m\\n" >&2; exit 3')))
  const failed = await world.instance(alice, ({ reason }) => reason === 'CrashLoopBackOff')
  expect(failed).toMatchObject({
    phase: 'failed',
    message: 'The program ended with exit code 3: no such table. It is started again in 1 s.',
  })
  expect(failed.endpoints).toEqual(new Map())
  expect(failed.steps.at(-1)).toMatchObject({ kind: 'warning', reason: 'ProcessExited' })
})

test('a program that crashed has that said of its next run too, until one has gone well for a minute', async () => {
  const clock = fakeClock()
  await using world = await createRuntimeWorld({ clock })
  await world.runtime.apply(
    planOf(shell('[ -e good ] || { echo no such table; exit 3; }; while [ -e good ]; do sleep 0.02; done')),
  )
  const first = await world.instance(alice, ({ reason }) => reason === 'CrashLoopBackOff')
  expect(first.crash).toBeUndefined()
  await writeFile(join(world.home, 'workspaces/alice/app', 'good'), '')
  await clock.advance(1_000)
  const second = await world.instance(
    alice,
    ({ phase, instanceUid }) => phase === 'running' && instanceUid !== first.instanceUid,
  )
  expect(second.crash).toEqual({
    reason: 'CrashLoopBackOff',
    message: 'The program ended with exit code 3: no such table. It was started again.',
  })
  await clock.advance(60_000)
  await rm(join(world.home, 'workspaces/alice/app', 'good'))
  await world.instance(
    alice,
    ({ reason, instanceUid }) => reason === 'CrashLoopBackOff' && instanceUid === second.instanceUid,
  )
  await clock.advance(1_000)
  const third = await world.instance(
    alice,
    ({ instanceUid }) => ![first, second].some((one) => one.instanceUid === instanceUid),
  )
  expect(third.crash).toBeUndefined()
})

test('a program ended by a signal says which', async () => {
  await using world = await createRuntimeWorld()
  await world.runtime.apply(planOf(shell('kill -9 $$')))
  const failed = await world.instance(alice, ({ reason }) => reason === 'CrashLoopBackOff')
  expect(failed.message).toContain('was ended by SIGKILL')
})

test('a program that is not there says so, and is tried again', async () => {
  await using world = await createRuntimeWorld()
  await world.runtime.apply(planOf(command('no-such-program', 'x')))
  const failed = await world.instance(alice, ({ reason }) => reason === 'CrashLoopBackOff')
  expect(failed.message).toMatch(/no-such-program could not be started: there is no such program\. .*again in 1 s/)
})

test('the delays double up to a minute, and begin anew after a minute in good order', async () => {
  const clock = fakeClock()
  await using world = await createRuntimeWorld({ clock })
  const uids = () =>
    new Set(world.events.flatMap((event) => (event.type === 'applied' ? [event.instance.instanceUid] : [])))
  const delays: number[] = []
  const nextDelay = async () => {
    const count = uids().size
    const failed = await world.instance(
      alice,
      ({ instanceUid, reason }) => reason === 'CrashLoopBackOff' && instanceUid === [...uids()].at(-1),
    )
    const seconds = Number(/again in (\d+) s/.exec(failed.message)?.[1])
    delays.push(seconds)
    await clock.advance(seconds * 1000 - 1)
    expect(uids().size).toBe(count)
    await clock.advance(1)
    await eventually(() => (uids().size > count ? true : undefined))
  }
  // Runs for good while a file is there, which is made for the last run.
  await world.runtime.apply(
    planOf(shell('[ -e good ] || exit 1; echo > running; while [ -e good ]; do sleep 0.02; done')),
  )
  for (let run = 0; run < 8; run++) await nextDelay()
  expect(delays).toEqual([1, 2, 4, 8, 16, 32, 60, 60])
  const folder = join(world.home, 'workspaces/alice/app')
  const failed = await world.instance(
    alice,
    ({ instanceUid, reason }) => reason === 'CrashLoopBackOff' && instanceUid === [...uids()].at(-1),
  )
  expect(failed.message).toContain('60 s')
  await writeFile(join(folder, 'good'), '')
  await clock.advance(60_000)
  await eventually(() => readFile(join(folder, 'running')).catch(() => undefined))
  await clock.advance(60_000)
  await rm(join(folder, 'good'))
  const again = await world.instance(
    alice,
    ({ instanceUid, reason }) => reason === 'CrashLoopBackOff' && instanceUid === [...uids()].at(-1),
  )
  expect(again.message).toContain('again in 1 s')
  expect(again.steps.length).toBeLessThanOrEqual(30)
})

test('what the program started is ended before it is started again', async () => {
  await using world = await createRuntimeWorld({ stopGrace: 300 })
  await world.runtime.apply(
    planOf(
      shell(
        'if [ -e pid ]; then ps -o stat= -p $(cat pid) > helper; exec sleep 60; fi; sleep 70 & echo $! > pid; exit 1',
      ),
    ),
  )
  const folder = join(world.home, 'workspaces/alice/app')
  const helper = await eventually(() => readFile(join(folder, 'helper'), 'utf8').catch(() => undefined))
  expect(helper.trim()).toMatch(/^(Z.?)?$/)
})

test('removing it while it waits ends the waiting', async () => {
  await using world = await createRuntimeWorld({ clock: fakeClock() })
  await world.runtime.apply(planOf(shell('exit 1')))
  const failed = await world.instance(alice, ({ reason }) => reason === 'CrashLoopBackOff')
  await world.runtime.remove(alice)
  await world.gone(failed)
})
