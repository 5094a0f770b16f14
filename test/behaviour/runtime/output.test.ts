import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { alice, createRuntimeWorld, eventually, planOf, shell } from './world.ts'

test('what a program prints to either output can be read, also after its end', async () => {
  await using world = await createRuntimeWorld()
  await world.runtime.apply(planOf(shell('echo one; echo two >&2; echo three; exec sleep 60')))
  const lines = await eventually(async () => {
    const found = await world.runtime.logs(alice, { lines: 10 })
    return found.length === 3 ? found : undefined
  })
  expect([...lines].sort()).toEqual(['one', 'three', 'two'])
  await world.runtime.remove(alice)
  expect(await world.runtime.logs(alice, { lines: 1 })).toHaveLength(1)
  expect(await world.runtime.logs({ namespace: 'alice', name: 'other' }, { lines: 10 })).toEqual([])
})

test('the log keeps two files of limited size, private to its owner, and reads across both', async () => {
  await using world = await createRuntimeWorld({ logLimit: 10_000 })
  await world.runtime.apply(
    planOf(shell('i=0; while [ $i -lt 3000 ]; do echo "line $i"; i=$((i+1)); done; echo > done; exec sleep 60')),
  )
  await eventually(() => stat(join(world.home, 'workspaces/alice/app/done')).catch(() => undefined))
  const last = await eventually(async () => {
    const lines = await world.runtime.logs(alice, { lines: 1000 })
    return lines.at(-1) === 'line 2999' ? lines : undefined
  })
  expect(last).toHaveLength(1000)
  expect(last[0]).toBe('line 2000')
  const folder = join(world.home, 'logs/alice/app')
  for (const name of ['output.log', 'output.log.1']) {
    const file = await stat(join(folder, name))
    expect(file.size).toBeLessThanOrEqual(10_000)
    expect(file.mode & 0o777).toBe(0o600)
  }
  expect(await readFile(join(folder, 'output.log.1'), 'utf8')).not.toContain('line 10\n')
})

test('a program that prints without end does not fill the memory of Gatehouse', async () => {
  await using world = await createRuntimeWorld()
  const before = process.memoryUsage().rss
  await world.runtime.apply(planOf(shell('head -c 60000000 /dev/zero; echo > done; exec sleep 60')))
  await eventually(() => stat(join(world.home, 'workspaces/alice/app/done')).catch(() => undefined))
  expect(process.memoryUsage().rss - before).toBeLessThan(60_000_000)
})
