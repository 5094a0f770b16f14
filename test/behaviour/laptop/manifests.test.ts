import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { api } from '#surface/urls.ts'
import type { ScriptedBrowser } from '#test/support/browser-session.ts'
import { startDemo } from '#test/support/demo-process.ts'
import {
  askApi,
  createLaptopSite,
  eventually,
  type LaptopSite,
  manifestFile,
  startWorkspace,
} from '#test/support/laptop-site.ts'

const files = { namespace: 'alice', name: 'files' }

interface Problem {
  readonly file: string
  readonly line: number
  readonly reason: string
}

async function nameOf(site: LaptopSite, browser: ScriptedBrowser): Promise<string | undefined> {
  const { status, body } = await askApi(site, browser, 'GET', api.workspace(files))
  return status === 200 ? JSON.parse(body).displayName : undefined
}

/** Milliseconds from the end of the change until the API tells of it. */
async function delayOf(change: () => Promise<void>, isThere: () => Promise<boolean>): Promise<number> {
  await change()
  const began = Date.now()
  await eventually(isThere, 'the change takes effect', 10_000)
  return Date.now() - began
}

test('a manifest that is added, edited or deleted takes effect within a second, without a restart', async () => {
  await using site = await createLaptopSite({ samples: [] })
  await using _demo = await startDemo(site)
  const alice = await site.as('alice')
  expect(await nameOf(site, alice)).toBeUndefined()
  const delays: number[] = []
  for (const displayName of ['Files', 'Documents', 'Papers', undefined]) {
    const change = () =>
      displayName === undefined ? rm(manifestFile(site, files)) : site.declare(files, { spec: { displayName } })
    delays.push(await delayOf(change, async () => (await nameOf(site, alice)) === displayName))
  }
  // The machine may have been busy with something else once.
  expect(
    delays
      .toSorted((a, b) => a - b)
      .slice(0, -1)
      .every((delay) => delay < 1_000),
  ).toBe(true)
})

test('a broken manifest is reported with file, line and reason in console, API and log, and its last good version stays in force', async () => {
  await using site = await createLaptopSite({ samples: [] })
  await site.declare(files)
  await using _demo = await startDemo(site)
  const alice = await site.as('alice')
  await startWorkspace(site, alice, files)
  const file = manifestFile(site, files)
  const good = await readFile(file, 'utf8')
  const problems = async (): Promise<readonly Problem[]> =>
    JSON.parse((await askApi(site, alice, 'GET', api.problems)).body).problems
  const log = () => readFile(join(site.home, 'logs', 'gatehouse.log'), 'utf8')

  for (const [part, instead, reason] of [
    ['displayName: Files', 'displayName: [Files', /flow sequence/i],
    ['desiredStatus: Stopped', 'desiredStatus: Maybe', /desiredStatus/],
  ] as const) {
    const broken = good.replace(part, instead)
    const line = broken.split('\n').findIndex((text) => text.includes(instead)) + 1
    await writeFile(file, broken)
    await eventually(async () => (await problems()).some((it) => reason.test(it.reason)), 'it is reported')
    const problem = (await problems()).find((it) => reason.test(it.reason))
    expect(problem?.file).toBe('alice-files.yaml')
    // A bracket that is missing is missed on the line after.
    expect([line, line + 1]).toContain(problem?.line)
    const page = await alice.open(`${site.origin}/`)
    expect(page.body).toContain('One manifest has a problem')
    expect(page.body).toContain(`<code>alice-files.yaml:${problem?.line}</code> ${problem?.reason}`)
    const told = (await log()).split('\n').filter((text) => text.includes('alice-files.yaml'))
    expect(told.map((text) => JSON.parse(text))).toContainEqual(expect.objectContaining({ line: problem?.line }))
    expect(await nameOf(site, alice)).toBe('Files')
    expect((await alice.open(site.url(files))).status).toBe(200)
  }
  await writeFile(file, good)
  await eventually(async () => (await problems()).length === 0, 'it is well again')
}, 40_000)
