import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openLaptop } from '#compose/laptop.ts'
import { type Clock, systemClock } from '#lib/clock.ts'
import { createAudit } from '#observe/audit.ts'
import { createLog } from '#observe/log.ts'
import { processesWith } from '#runtime/processes/process-table.ts'
import { createLaptopSite, type LaptopSite, startWorkspace, stateOf } from '#test/support/laptop-site.ts'
import { laptopParts } from '#test/support/laptop-world.ts'

const patience = { timeout: 30_000, interval: 100 }
const used = { namespace: 'alice', name: 'used' }
const left = { namespace: 'alice', name: 'left' }
const minute = 60_000

/** Served as a file by the app itself. */
const idle = { enabled: true, idleTimeoutInMinutes: 1, detection: { httpGet: { path: '/api/idle', port: 'web' } } }

async function idleLaptop() {
  await using opened = new AsyncDisposableStack()
  const site: LaptopSite = opened.use(await createLaptopSite({ samples: [] }))
  for (const ref of [used, left]) await site.declare(ref, { spec: { appType: 'code-editor', idleShutdown: idle } })
  let ahead = 0
  const clock: Clock = { ...systemClock, now: () => systemClock.now() + ahead }
  const lines: string[] = []
  const sink = { write: (line: string) => void lines.push(line) }
  const open = async () => {
    const ending = new AbortController()
    const parts = await laptopParts(site, { lines, signal: ending.signal })
    const [log, audit] = [createLog({ level: 'info', clock, sink }), createAudit({ sink, clock })]
    const laptop = await openLaptop({ ...parts, clock, log, audit })
    return {
      async [Symbol.asyncDispose]() {
        ending.abort()
        await laptop.ended
      },
    }
  }
  const kept = opened.move()
  return {
    ...{ site, lines, open },
    leap: (span: number) => {
      ahead += span
    },
    /** What the app says of itself; `undefined`: it has no such endpoint. */
    async says(ref: typeof used, at: number | undefined) {
      const folder = join(site.folderOf(ref), 'api')
      await mkdir(folder, { recursive: true })
      const file = join(folder, 'idle')
      if (at === undefined) await rm(file, { force: true })
      else await writeFile(file, JSON.stringify({ lastActiveTimestamp: new Date(at).toISOString().toLowerCase() }))
    },
    now: () => clock.now(),
    audited: () => lines.filter((line) => line.includes('"event":"stop"')).map((line) => JSON.parse(line)),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
}

test('an app that was left alone is stopped a minute later, with its processes; one that says it is used, or nothing, runs on', {
  timeout: 120_000,
}, async () => {
  await using world = await idleLaptop()
  const { site } = world
  await using _ = await world.open()
  const alice = await site.as('alice')
  for (const ref of [used, left]) await startWorkspace(site, alice, ref)

  // No endpoint: never stopped, and it is said why.
  world.leap(2 * minute)
  await expect.poll(() => world.lines.join(''), patience).toContain('it answered 404 to /api/idle')
  expect(await stateOf(site, alice, left)).toBe('Running')

  await world.says(used, world.now() + minute)
  await world.says(left, world.now() - 2 * minute)
  world.leap(minute)
  await expect.poll(() => stateOf(site, alice, left), patience).toBe('Stopped')
  expect(await stateOf(site, alice, used)).toBe('Running')
  expect(processesWith('HOME', site.folderOf(left))).toEqual([])
  expect(world.audited()).toEqual([
    expect.objectContaining({
      workspace: 'alice/left',
      reason: 'idle',
      evidence: expect.objectContaining({ at: expect.any(String) }),
    }),
  ])

  // Polls of a tab that was left open are answered, and wake nobody.
  const tab = alice.tab()
  await tab.navigate(`${site.origin}/`)
  for (let poll = 0; poll < 5; poll += 1) {
    const answer = await tab.fetch(site.url(left), {
      headers: { 'Sec-Fetch-Mode': 'cors', 'Sec-Fetch-Site': 'same-origin' },
    })
    expect(answer.status).not.toBe(200)
  }
  expect(await stateOf(site, alice, left)).toBe('Stopped')
})
