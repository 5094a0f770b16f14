import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { processesWith } from '#runtime/processes/process-table.ts'
import { startWorkspace, stateOf } from '#test/support/laptop-site.ts'
import { openLeapingLaptop } from '#test/support/leaping-laptop.ts'

const patience = { timeout: 60_000, interval: 100 }
const used = { namespace: 'alice', name: 'used' }
const left = { namespace: 'alice', name: 'left' }
const minute = 60_000

/** Served as a file by the app itself. */
const idle = { enabled: true, idleTimeoutInMinutes: 1, detection: { httpGet: { path: '/api/idle', port: 'web' } } }

test('an app that was left alone is stopped a minute later, with its processes; one that says it is used, or nothing, runs on', {
  timeout: 240_000,
}, async () => {
  await using world = await openLeapingLaptop({ samples: [] }, async (site) => {
    for (const ref of [used, left]) await site.declare(ref, { spec: { appType: 'code-editor', idleShutdown: idle } })
  })
  const { site } = world
  const says = async (ref: typeof used, at: number) => {
    const folder = join(site.folderOf(ref), 'api')
    await mkdir(folder, { recursive: true })
    const lastActiveTimestamp = new Date(at).toISOString().toLowerCase()
    await writeFile(join(folder, 'idle'), JSON.stringify({ lastActiveTimestamp }))
  }
  const alice = await site.as('alice')
  for (const ref of [used, left]) await startWorkspace(site, alice, ref)

  // No endpoint: never stopped, and it is said why. After a leap it is waited for what others may have to say.
  const isSeen = (name: string) =>
    world.lines.some((line) => line.includes(`"workspace":"alice/${name}","reason":"active"`))
  await expect.poll(() => isSeen('used') && isSeen('left'), patience).toBe(true)
  world.leap(2 * minute)
  await expect.poll(() => world.lines.join(''), patience).toContain('it answered 404 to /api/idle')
  expect(await stateOf(site, alice, left)).toBe('Running')

  await says(used, world.now() + minute)
  await says(left, world.now() - 2 * minute)
  world.leap(minute)
  await expect.poll(() => stateOf(site, alice, left), patience).toBe('Stopped')
  expect(await stateOf(site, alice, used)).toBe('Running')
  expect(processesWith('HOME', site.folderOf(left))).toEqual([])
  expect(world.stops()).toEqual([
    expect.objectContaining({
      ...{ workspace: 'alice/left', reason: 'idle' },
      evidence: expect.objectContaining({ at: expect.any(String) }),
    }),
  ])
})
